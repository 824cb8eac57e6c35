"""The networks of fish-speech 1.1."""
