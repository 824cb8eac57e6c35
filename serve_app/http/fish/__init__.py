"""The API of fish-speech: of its servers 1.1, 1.5 and later, and of the hosted service as its clients speak it."""
