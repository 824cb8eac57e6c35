"""Sound and bytes: fetching, decoding, encoding. Knows no Ray, no web framework and no model."""
