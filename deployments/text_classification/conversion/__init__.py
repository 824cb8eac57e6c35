"""The original hate-speech checkpoint, a pickled module, turned into a folder without running anything in it."""

from deployments.text_classification.conversion.convert import Conversion, convert
from deployments.text_classification.conversion.refusal import ConversionRefused

__all__ = ["Conversion", "ConversionRefused", "convert"]
