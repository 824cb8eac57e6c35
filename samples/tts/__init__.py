"""The sample voice: a small fish-speech 1.5 trained on synthetic speech."""
