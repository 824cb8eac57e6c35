"""How the sample classifier is made: ``python -m samples.classifier.recipe --help``."""
