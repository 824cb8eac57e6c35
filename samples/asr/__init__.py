"""The sample recogniser: a small Whisper trained on synthetic speech."""
