"""How the sample voice is made: ``python -m samples.tts.recipe --help``."""
