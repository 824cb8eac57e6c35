"""The tweet normaliser: what BERTweet's own gives, and what hostile texts cost."""

import re
from concurrent.futures import ThreadPoolExecutor

import emoji
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tokenize.casual import TweetTokenizer

from deployments.text_classification import normalizer
from deployments.text_classification.normalizer import PIECE, normalize_tweet


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("@bob hi!! https://t.co/abc www.x.com HTTP://A.b", "@USER hi ! ! HTTPURL HTTPURL HTTPURL"),
        (
            "I can't cannot won't ain't I'm you're he's we'll I'd I've",
            "I can't can not wo n't ain't I 'm you 're he 's we 'll I 'd I've",
        ),
        ("it’s 5 p.m. and 7 a.m. now… ok", "it 's 5 p.m. and 7 a.m. now ... ok"),
        ("call 555-123-4567 now $5.00 #tag :-) <3", "call 555-123-4567 now $ 5.00 #tag :-) <3"),
        ("They're 'd go cannot", "They 're ' d go cannot"),
        ("", ""),
        (" \t\r\n ", ""),
    ],
)
def test_what_the_original_gives(text: str, normal: str) -> None:
    assert normalize_tweet(text) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("@ alone", "@USER alone"),
        ("mail me@home.example", "mail me@home.example"),
        ("the word http and wwwhat", "the word HTTPURL and HTTPURL"),
        ("sooooo LOUD", "sooooo LOUD"),
        ("wow!!!!!!!!", "wow ! ! !"),
        ("&lt;b&gt; &amp; &quot;x&quot;&nbsp;y", '<b> & " x " y'),
        ("&amp;lt;", "& lt ;"),
        ("call 555 123 4567 or . . . wait", "call 555 123 4567 or . . . wait"),
        ("3.5 1,000 5/6 #a_b #7up", "3.5 1,000 5/6 #a_b #7up"),
        ("eins\u00a0zwei\u3000drei", "eins zwei drei"),
    ],
)
def test_tokens(text: str, normal: str) -> None:
    assert normalize_tweet(text) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("isn't", "isn't"),
        ("isn't it", "is n't it"),
        ("isn't.", "is n't ."),
        ("I cannot", "I cannot"),
        ("we can't and ain't so", "we can't and ain't so"),
        ("I'm sure they've", "I 'm sure they've"),
        ("isn’t it", "is n't it"),
        ("5 p.m. or 6 p.m", "5 p.m. or 6 p . m"),
        ("5 p.m now", "5 p.m now"),
        ("5 a.m now", "5 a.m now"),
    ],
)
def test_contractions_are_split_before_a_blank_only(text: str, normal: str) -> None:
    assert normalize_tweet(text) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("😢", ":crying_face:"),
        ("ok👍!", "ok :thumbs_up: !"),
        ("🫠", ":melting_face:"),
        ("I ❤️ it, ❤ too", "I :red_heart: it , :red_heart: too"),
        ("👍🏽", "👍🏽"),
        ("🇩🇪🇫🇷", "🇩🇪 🇫🇷"),
        ("👨\u200d👩\u200d👧 hi", "👨\u200d👩\u200d👧 hi"),
        ("🏽", ":medium_skin_tone:"),
    ],
    ids=ascii,
)
def test_emoji_of_one_code_point_get_their_names(text: str, normal: str) -> None:
    assert normalize_tweet(text) == normal


def test_the_table_of_names_is_the_librarys() -> None:
    names = normalizer._NAMES
    for symbol in map(chr, range(0x30000)):
        assert emoji.demojize(symbol) == names.get(symbol, symbol), ascii(symbol)


@pytest.mark.parametrize("entity", ["&#xD800;", "&#55357;&#56832;", "&#x110000;", "&#x;", "&#129;", "&nosuch;"])
def test_entities_that_are_no_characters_are_left_out(entity: str) -> None:
    assert normalize_tweet(f"a {entity} b") == "a b"
    assert normalize_tweet("&#" + "9" * 10_000 + ";").isascii()


@given(
    st.text(st.characters(codec="utf-8")) | st.text(st.sampled_from("@#&;.'’…<>()[]:=-+*/8dp0 \t\n\u200d👍🏽🇩"))
)
def test_any_text(text: str) -> None:
    normal = normalize_tweet(text)
    assert normal == " ".join(normal.split())
    assert normal.encode().decode() == normal


WORDS = st.sampled_from([
    *("the", "a.b", "don't", "555", "123", "4567", "1", "(555)", "123-4567", ".", "...", "-", "*", ")", "5%"),
    *("x;", "&#46;", "&#49;", "&nbsp;", "&amp;", "@me", "#tag", "https://a.b/c", "<br>", ":-)", "😢", "3.5"),
    *("p.m.", "+1"),
])  # fmt: skip
BLANKS = st.sampled_from([" ", "\n", "\t", "   ", "\u00a0", "\x1c", "\r\n", "&#32;"])


@given(st.lists(st.tuples(WORDS, BLANKS), max_size=25))
def test_long_texts_are_cut_where_it_makes_no_difference(parts: list[tuple[str, str]]) -> None:
    motif = "".join(word + blank for word, blank in parts) + "until then\n"
    text = motif * (2 * PIECE // len(motif) + 1)
    pieces = normalizer._PIECES.findall(text)
    assert "".join(pieces) == text
    assert 2 <= len(pieces) < 20
    assert max(map(len, pieces)) <= PIECE
    tokenizer = TweetTokenizer()
    assert [token for piece in pieces for token in tokenizer.tokenize(piece)] == tokenizer.tokenize(text)


def test_a_short_text_is_never_cut() -> None:
    assert normalizer._PIECES.findall("call 555 123 4567") == ["call 555 123 4567"]
    assert normalizer._PIECES.findall("a b " * (PIECE // 4)) == ["a b " * (PIECE // 4)]
    assert normalizer._PIECES.findall("") == []


HOSTILE = [
    *(
        "@",
        "#",
        ".",
        "7",
        "<3",
        "&#x;",
        "&#x41",
        "(",
        "[",
        "([{",
        "<a",
        "word",
        "http://a.b/",
        "www.",
        "&amp;amp;",
    ),
    *("a.", "8d", ".,", "a.com0", "x\u200d", "👍🏽", "1 ", ". ", "\n", "\0", "-", "'s ", "n't "),
]


@pytest.mark.parametrize("motif", HOSTILE, ids=ascii)
@pytest.mark.parametrize("start", ["", "http://"])
def test_hostile_texts_are_tokenised_in_small_pieces(
    start: str, motif: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work is bounded by the pieces' length; NLTK's own limit in time, five seconds, is far away."""
    given: list[int] = []
    plain = TweetTokenizer.tokenize

    def tokenize(self: TweetTokenizer, text: str) -> list[str]:
        given.append(len(text))
        tokens: list[str] = plain(self, text)
        return tokens

    monkeypatch.setattr(TweetTokenizer, "tokenize", tokenize)
    monkeypatch.setattr("nltk.redos.DEFAULT_TIMEOUT", 1.0)
    text = (start + motif * 50_000)[:50_000]
    normal = normalize_tweet(text)
    assert not re.search(r"\s\s", normal)
    assert sum(given) == len(text)
    assert max(given) <= PIECE
    assert len(given) <= 2 * len(text) / PIECE + 2


def test_a_long_word_is_cut_and_kept() -> None:
    assert normalize_tweet("x" * 1_300).split() == ["x" * PIECE, "x" * PIECE, "x" * (1_300 - 2 * PIECE)]
    assert normalize_tweet("y " * 300 + "https://a.example/" + "x" * 400).endswith("y HTTPURL")


def test_from_many_threads() -> None:
    text = "@a can't 😢 👍🏽 call 555-123-4567 http://a.b 🫠"
    with ThreadPoolExecutor(8) as threads:
        normalized = set(threads.map(normalize_tweet, [text] * 400))
    assert normalized == {"@USER can't :crying_face: 👍🏽 call 555-123-4567 HTTPURL :melting_face:"}
