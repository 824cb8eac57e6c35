"""What every model needs of a text: single blanks, lines and paragraphs, nothing unseen, marks beside words."""

import re
import unicodedata

import regex

from deployments.characters import without_unseen

PARAGRAPH = "\n\n"
_BREAKS_PARAGRAPH = str.maketrans({"\f": PARAGRAPH, "\u2029": PARAGRAPH})
_BLANK_BRAILLE = str.maketrans({"\u2800": " "})
# Signs that a model can name stay where they stand alone, as in "5 + 3".
_NAMED = regex.compile(r"[\p{Sc}%‰&@#°+=<>×÷±]")
_PAUSES = (("?", "?？"), ("!", "!！"), (".", ".…。．"), (",", ",;:，；：、-–—―"))
_OPERATORS = frozenset("-–−*/")
_ENDS_IN_MARK = regex.compile(r"[\p{P}--[\p{Pf}\p{Pe}'\"%‰&@#]]\Z", regex.VERSION1)


def normalise(text: str) -> str:
    """A text with single blanks, its lines apart by ``\\n``, its paragraphs by two.

    Control and format characters and emoji are left out. A mark that stands alone, or a group of them, becomes the
    pause that it stands for, at the word before: "on — now" is "on, now"; without one it is left out, as a bullet
    is. Normalising again changes nothing.
    """
    seen = without_unseen(text.translate(_BREAKS_PARAGRAPH)).translate(_BLANK_BRAILLE)
    lines = [_line(line.split()) for line in unicodedata.normalize("NFC", seen).splitlines()]
    return re.sub(r"\n{2,}", PARAGRAPH, "\n".join(lines)).strip("\n")


def has_words(text: str) -> bool:
    """Whether a text has a letter or a digit, without which there is nothing to say."""
    return any(character.isalnum() for character in without_unseen(text))


def _line(words: list[str]) -> str:
    kept: list[str] = []
    for number, word in enumerate(words):
        following = words[number + 1 : number + 2]
        if any(map(str.isalnum, word)) or _NAMED.search(word) or _is_operator(kept, word, following):
            kept.append(word)
        elif kept and not _ENDS_IN_MARK.search(kept[-1]):
            pause = next((sign for sign, marks in _PAUSES if not set(marks).isdisjoint(word)), "")
            if pause != "," or following:
                kept[-1] += pause
    return " ".join(kept)


def _is_operator(kept: list[str], word: str, following: list[str]) -> bool:
    """Whether it stands between two numbers."""
    return word in _OPERATORS and bool(kept and following) and kept[-1][-1].isdigit() and following[0][0].isdigit()
