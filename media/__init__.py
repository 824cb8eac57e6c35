"""Sound and bytes: fetching, decoding, encoding, publishing, without Ray, a web framework or a model."""
