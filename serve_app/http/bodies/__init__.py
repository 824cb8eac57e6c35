"""A request's body, read within limits."""
