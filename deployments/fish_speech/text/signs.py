"""The signs that each version was trained to read, and the cleaners made of that."""

import re
from collections.abc import Callable

from deployments.fish_speech.text.normaliser import normalise

Cleaner = Callable[[str], str]

_COMMAS = re.compile(",{2,}")
_QUOTES = str.maketrans("‘’", "''")

_ELLIPSIS = re.compile(r"\.{3}|…")
_ASCII_FORMS = str.maketrans(
    {
        **dict.fromkeys("。．", "."),
        **dict.fromkeys("！", "!"),
        **dict.fromkeys("？", "?"),
        **dict.fromkeys("，、·：；:;", ","),
        **dict.fromkeys("“”‘’「」『』（）()《》〈〉【】〔〕[]［］", "'"),
        **dict.fromkeys("—–～~・", "-"),
    }
)
_UNSPOKEN_V11 = re.compile("[^\x00-\x7f\u4e00-\u9fff\u3040-\u309f\u30a0-\u30ff]+")


def clean_v15(text: str) -> str:
    """A text as version 1.5 reads it: normalised, without curly single quotes and runs of commas."""
    return normalise(_COMMAS.sub(",", normalise(text).translate(_QUOTES)))


def clean_v11(text: str) -> str:
    """A text as version 1.1 reads it: normalised; marks and brackets of other scripts become ASCII; then all is
    dropped that is neither ASCII nor Chinese nor kana.
    """
    return normalise(_UNSPOKEN_V11.sub("", _ELLIPSIS.sub("", normalise(text)).translate(_ASCII_FORMS)))
