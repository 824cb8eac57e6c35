"""The original hate-speech checkpoint, a pickled module, turned into a folder of our own. Nothing in it runs."""

from deployments.text_classification.conversion.convert import Conversion, convert
from deployments.text_classification.conversion.refusal import ConversionRefused

__all__ = ["Conversion", "ConversionRefused", "convert"]
