"""How the sample recogniser is made: ``python -m samples.asr.recipe --help``."""
