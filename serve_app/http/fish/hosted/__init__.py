"""What only the hosted service of fish-speech has: its transcription, its library of voices at ``/model``."""
