"""Named voices: their recordings, kept in a folder or in a bucket, and the codes that a model hears in them."""
