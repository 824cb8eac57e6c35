"""What is honoured of SSML, and what is refused."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InvalidRequest
from deployments.fish_speech.text.passage import Passage
from deployments.fish_speech.text.ssml import read_ssml

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("<speak>Hello <break time='500ms'/>world.</speak>", [Passage("Hello ", 0.5), Passage("world.")]),
        ("Hello<break time='1.5s'/>", [Passage("Hello", 1.5)]),
        ("a<break/>b<break strength='x-strong'/>c", [Passage("a", 0.5), Passage("b", 2), Passage("c")]),
        ("a<break strength='none'/>b<break strength='weak' time='+2s'/>", [Passage("a"), Passage("b", 2)]),
        ("<p>One.<s>Two</s></p>three<p><s>four</s></p>", [Passage(t) for t in ("One.", "Two", "three", "four")]),
        ("<break time='10s'/><break time='10s'/>a", [Passage("", 10), Passage("", 10), Passage("a")]),
        ("R&amp;D &lt;&#x41;&gt; <![CDATA[<b>]]>", [Passage("R&D <A> <b>")]),
        (
            '<?xml version="1.0" encoding="utf-16"?>\n<speak version="1.1" xml:lang="en-US" '
            'xmlns="http://www.w3.org/2001/10/synthesis">h\u00e9<!-- no -->llo</speak>',
            [Passage("héllo")],
        ),
        ("<!-- first --><speak>a</speak>", [Passage("a")]),
        ("a\x00b\u200bc", [Passage("abc")]),
        ("", []),
    ],
)
def test_what_is_honoured(text: str, passages: list[Passage]) -> None:
    assert read_ssml(text) == passages


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<speak><prosody rate='slow'>x</prosody></speak>", "`<prosody>` is not understood here; SSML may have"),
        ("<mstts:express-as style='sad'>x</mstts:express-as>", "`<mstts:express-as>` is not understood"),
        ("<script>x</script>", "`<script>`"),
        ("<speak>a<speak>b</speak></speak>", "`<speak>` has to be around all of the SSML, once."),
        ("<speaker>a</speaker>", "`<speak>` has to be around all of the SSML, once."),
        ("R & D", r"not well-formed: .* \(line 1, column 4\)\. Write & as &amp;"),
        ("<speak>a</speak>b", "not well-formed"),
        ("a&nbsp;b", "undefined entity"),
        ("a&#0;b", "not well-formed"),
        ("<speak", "not well-formed"),
        ("a<break time='11s'/>", "0 to 10 seconds, such as 500ms or 1.5s, not '11s'"),
        ("a<break time='-1s'/>", "0 to 10 seconds"),
        ("a<break time='1e9s'/>", "0 to 10 seconds"),
        ("a<break time='5'/>", "0 to 10 seconds"),
        ("a<break strength='huge'/>", "one of none, x-weak, weak, medium, strong, x-strong"),
        ("a<break length='1s'/>", "`<break>` has no `length`"),
        ("a" + "<break time='10s'/>" * 31, "longer than 300 s together"),
        ("<p>" * 40 + "a" + "</p>" * 40, "more than 32 tags deep"),
        ("<?php x ?>a", "`<?php ...?>` is not understood"),
        (f"<!DOCTYPE x [<!ENTITY l0 'ha'>{LAUGHS}]><speak>&l8;</speak>", "must not declare a document type"),
        ("<!DOCTYPE x SYSTEM 'file:///etc/passwd'><speak>a</speak>", "must not declare a document type"),
        ("One <?xml version='1.0'?> two", "not at start"),
        ("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'http://x/'>]><speak>&e;</speak>", "document type"),
        ("<b>" * 100_000, "`<b>`"),
        (f"<{'b' * 100_000}>", "b" * 64 + ">` is not"),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence.replace("?", r"\?").replace("[^", "[^")) as refusal:
        read_ssml(text)
    assert refusal.value.param == "text"
    assert len(refusal.value.message) < 300


def test_no_white_space_takes_long() -> None:
    began = time.thread_time()
    assert read_ssml(" " * 100_000 + "a") == [Passage(" " * 100_000 + "a")]
    assert time.thread_time() - began < 0.5  # it was a quarter of a minute


@given(st.text(st.sampled_from("ab<>/&;! speakbr='\"?\n"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        assert all(0 <= passage.pause_s <= 10 for passage in read_ssml(text))
