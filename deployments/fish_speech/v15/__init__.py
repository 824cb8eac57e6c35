"""The networks of fish-speech 1.5."""
