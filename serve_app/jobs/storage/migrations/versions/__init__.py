"""A module per version of the schema."""
