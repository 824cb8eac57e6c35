"""Which sound of a file a request hears: its track, its channels."""
