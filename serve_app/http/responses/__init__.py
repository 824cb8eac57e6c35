"""A response that begins late, ends with its client, or is sound."""
