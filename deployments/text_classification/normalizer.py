"""Tweets in the form that BERTweet and its descendants were trained on.

The rules are those of BERTweet's own normaliser (Nguyen et al. 2020). Two emoji rules follow from the libraries'
versions: an emoji of one code point becomes its name, one of several (skin tones, families, flags) stays.
"""

import itertools
import re

import emoji
from nltk.tokenize.casual import TweetTokenizer

# NLTK's expression takes time quadratic in the length of what it cannot match, such as 50,000 digits, and gives
# up after five seconds of the process's time. So it is given no more than this many characters at once. The cut
# is made where no token goes on: tokens with blanks in them are telephone numbers and spaced dots, and ";" may
# end an entity that stands for a part of these. Without such a place the cut is at a blank, or at the limit.
PIECE = 512
_PIECES = re.compile(
    rf".{{1,{PIECE}}}\Z|.{{0,{PIECE - 2}}}[^\s\d*.);-][ \n]|.{{0,{PIECE - 1}}}[ \n]|.{{1,{PIECE}}}", re.DOTALL
)

_PUNCTUATION = str.maketrans({"\u2019": "'", "\u2026": "..."})
# A table rather than a call of emoji.demojize, which builds its own at the first call, for other threads to see
# half of it. Variation selectors, which come apart from their emoji, are left out, as demojize does.
_NAMES = {symbol: emoji.demojize(symbol) for symbol in emoji.EMOJI_DATA if len(symbol) == 1} | {
    "\ufe0e": "",
    "\ufe0f": "",
}
# In this order. All but the repairs of "can't" and "ain't" need a blank after them, so the last word stays whole.
_REPLACEMENTS = (
    ("cannot ", "can not "),
    ("n't ", " n't "),
    ("n 't ", " n't "),
    ("ca n't", "can't"),
    ("ai n't", "ain't"),
    *((f"{suffix} ", f" {suffix} ") for suffix in ("'m", "'re", "'s", "'ll", "'d", "'ve")),
    (" p . m .", "  p.m."),
    (" p . m ", " p.m "),
    (" a . m .", " a.m."),
    (" a . m ", " a.m "),
)

_tokenizer = TweetTokenizer()


def normalize_tweet(text: str, most_tokens: int | None = None) -> str:
    """The tokens of a text, one blank between them: users are ``@USER``, addresses ``HTTPURL``, emoji names.

    Only the first ``most_tokens`` if that is given. Empty if the text has no tokens. Texts of more than 512
    characters without a blank are cut there. Takes time linear in the text, some microseconds per character, at
    worst about 40. Safe to call from several threads.
    """
    pieces = (match[0] for match in _PIECES.finditer(text.translate(_PUNCTUATION)))
    tokens = (token for piece in pieces for token in _tokenizer.tokenize(piece))
    named = filter(None, map(_normalize_token, tokens))
    normal = " ".join(itertools.islice(named, most_tokens))
    for old, new in _REPLACEMENTS:
        normal = normal.replace(old, new)
    whole = normal.encode(errors="ignore").decode()  # "&#xD800;" is half a character
    return " ".join(whole.split())


def _normalize_token(token: str) -> str:
    if token.startswith("@"):
        return "@USER"
    if token.lower().startswith(("http", "www")):
        return "HTTPURL"
    return _NAMES.get(token, token)
