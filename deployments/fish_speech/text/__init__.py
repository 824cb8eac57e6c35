"""Texts from the moment that they come in until they are what a model reads."""
