"""fish-speech's WebSocket: text in, sound out, while both go on."""
