"""What is said of markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.fish_speech.text.markdown import read_markdown
from deployments.fish_speech.text.normaliser import normalise


def said(text: str) -> list[str]:
    """The passages that say something."""
    return [one for passage in read_markdown(text) if (one := normalise(passage.text))]


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("**good morning** _world_ and ***all***", ["good morning world and all"]),
        ("# please *turn*\n\nthe light\n======\n### on ###", ["please turn", "the light", "on"]),
        (
            "- milk\n- eggs\n  - brown\n\n1. one\n2) two\n- [x] done",
            ["milk", "eggs", "brown", "one", "two", "[x] done"],
        ),
        ("```python\nx = 1\n```\n    y = 2", ["x = 1", "y = 2"]),
        ("see [the *page*](http://a.b 'title') and ![a cat](cat.png)", ["see the page and a cat"]),
        ("[one][ref] two\n\n[ref]: http://a.b", ["one two"]),
        ("`code` and ~~gone~~ and \\*stars\\*", ["code and gone and stars"]),
        ("> quoted\n> on\n\n---\n\nend", ["quoted\non", "end"]),
        ("| a | b |\n|---|:-:|\n| 1 | *2* |\n| 3 |", ["a, b", "1, 2", "3"]),
        ("a <b>bold</b> &amp; &lt;word&gt;<br/>", ["a bold & <word>"]),
        ("<div class='x'>\ntext <!-- no --> &eacute;\n</div>\n\n<script>bad()</script>", ["text é"]),
        ("**not closed, *nor this\n\n# \n\n`x", ["not closed, nor this", "x"]),
        ("snake_case and 2 * 3 and 5*4", ["snake_case and 2 * 3 and 5*4"]),
        ("one  \ntwo\nthree", ["one\ntwo\nthree"]),
        ("```\n", []),
    ],
)
def test_signs_are_not_said(text: str, passages: list[str]) -> None:
    assert said(text) == passages


def test_long_texts_are_read_in_sections_without_loss() -> None:
    words = [f"word{number}" for number in range(3_000)]
    text = "\n\n".join(f"**{first}** {second}" for first, second in zip(words[::2], words[1::2], strict=True))
    assert " ".join(said(text)).split() == words
    code = "```\n" + "a = [1]\n\n" * 300 + "```\n\n# end"
    assert said(code)[-1] == "end"


@pytest.mark.parametrize("sign", ["[", "![", "*a ", "`", "> ", "<", "- ", "|a", "&", "_a_b", "\\"])
def test_hostile_texts_are_read(sign: str) -> None:
    read_markdown((sign * 4_000)[:4_000])


@given(st.text(st.sampled_from("ab *_`#[]()<>!|~\n-1.&;\\"), max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    read_markdown(text)
