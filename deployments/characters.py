"""Characters that nobody sees or says: what is invisible, controls something, or is an emoji."""

import regex

# Line ends and tabs are white space, not this. Default-ignorable are joiners, selectors, fillers and soft hyphens.
_UNSEEN = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\uFFFC\uFFFD--\s]", regex.VERSION1
)
# Of a keycap only the key goes (U+20E3); the digit on it is there to be read.
_EMOJI = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u20E3]")
_HIDING = regex.compile(
    r"(?<=\w)[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Extended_Pictographic}\p{Emoji_Modifier}"
    r"\p{Regional_Indicator}]+(?=\w)"
)


def without_unseen(text: str) -> str:
    """Without control, format, private and unassigned characters, and without emoji; white space stays."""
    return str(_EMOJI.sub("", _UNSEEN.sub("", text)))


def with_whole_words(text: str) -> str:
    """Without the emoji and invisible characters that stand in the middle of words; others stay."""
    return str(_HIDING.sub("", text))
