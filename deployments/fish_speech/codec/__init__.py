"""What a codec of fish-speech is, and what both versions build theirs from."""
