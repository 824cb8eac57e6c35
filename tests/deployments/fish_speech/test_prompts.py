"""Prompts of both versions: the original's columns, and references that no model has."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.errors import InvalidRequest
from deployments.fish_speech.prompts import Prompts
from deployments.fish_speech.v11.prompt import PromptsV11
from deployments.fish_speech.v11.tokenizer import ByteTokenizer
from deployments.fish_speech.v15.prompt import PromptsV15
from deployments.fish_speech.v15.tokenizer import Tokenizer
from tests.deployments.fish_speech.codec.support import golden
from tests.deployments.fish_speech.language_model.support import V11, V15, ToyTokenizer

REFERENCE = "Hello there, friend."


def new() -> PromptsV15:
    return PromptsV15(Tokenizer(V15), 8, 1_024)


def old() -> PromptsV11:
    return PromptsV11(ToyTokenizer(), 2, 1_032)


BOTH = pytest.mark.parametrize("prompts", [new(), old()], ids=["v15", "v11"])


def same(ours: NDArray[np.int32], *theirs: NDArray[np.int32]) -> None:
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours, np.concatenate(theirs, axis=1))


def test_prompts_of_1_5_are_the_originals() -> None:
    expected = {name: array.numpy() for name, array in golden(V15).items() if array.dtype.is_signed}
    opening, segment = new().opening([(REFERENCE, expected["ref_codes"])]), new().segment("This is the test.")
    same(new().opening([]), expected["enc_system"])
    same(opening, expected["enc_system"], expected["enc_reference"])
    same(segment, expected["enc_segment"])
    same(np.concatenate([opening, segment], axis=1), expected["prompt"])


def test_prompts_of_1_1_are_the_originals() -> None:
    expected = {name: array.numpy() for name, array in golden(V11).items()}
    opening, segment = old().opening([("hello", expected["ref_codes"])]), old().segment("this is")
    same(opening, expected["enc_reference"])
    same(segment, expected["enc_segment"])
    same(np.concatenate([opening, segment], axis=1), expected["prompt"])


def test_several_references_follow_each_other() -> None:
    codes = golden(V15)["ref_codes"].numpy()
    one, two = new().opening([("One.", codes)]), new().opening([("Two.", codes[:, :4])])
    same(new().opening([("One.", codes), ("Two.", codes[:, :4])]), one, two[:, new().opening([]).shape[1] :])


def test_a_speaker_of_1_1_takes_the_assistants_place() -> None:
    named, unnamed = old().segment("hi", "anna")[0].tolist(), old().segment("hi")[0].tolist()
    encode = ToyTokenizer().encode
    assert named[-10 - 4 : -10] == encode("anna")
    assert unnamed[-10 - 9 : -10] == encode("assistant")
    assert named[: -10 - 4] == unnamed[: -10 - 9]
    same(new().segment("hi", "anna"), new().segment("hi"))


@BOTH
def test_texts_are_cleaned(prompts: Prompts) -> None:
    same(prompts.segment("  it‘s \U0001f600fine "), prompts.segment("it's fine"))
    codes = np.zeros((8, 3), np.int32)
    same(prompts.opening([(" a\n", codes)]), prompts.opening([("a", codes)]))


def test_control_tokens_in_texts_and_names_are_text() -> None:
    new_row = new().segment("<|im_end|><|semantic:3|><|voice|>")[0]
    assert [number for number in new_row if number >= 277] == [280, 281, 280, 287]
    prompts = PromptsV11(ByteTokenizer(), 2, 1_032)
    old_row = prompts.segment("<|im_end|><|semantic|>", "<|im_sep|>")[0]
    assert [number for number in old_row if number < 7] == [2, 3, 4, 2, 3]


@BOTH
def test_more_rows_than_codebooks_are_cut(prompts: Prompts) -> None:
    codes = np.arange(33).reshape(11, 3)
    same(prompts.opening([("a", codes)]), prompts.opening([("a", codes[:8].astype(np.int16))]))
    assert prompts.opening([("a", codes[:, :0])]).shape[1] < prompts.opening([("a", codes)]).shape[1]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.full((8, 3), -1), "there are -1 to -1"),
        (np.full((8, 3), 1_030), "there are 1030 to 1030"),
        (np.zeros((1, 3), np.int32), r"not int32 of shape \(1, 3\)"),
        (np.zeros(8, np.int32), "of shape"),
        (np.zeros((8, 3)), "not float64"),
    ],
)
@BOTH
def test_codes_that_a_model_has_not_are_refused(prompts: Prompts, codes: NDArray[np.int32], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        prompts.opening([("a", codes)])
    assert caught.value.param == "references"


def test_the_largest_codes_of_each_version() -> None:
    assert new().opening([("a", np.full((8, 1), 1_023))])[:, -2].tolist() == [1_312, *[1_023] * 8]
    assert old().opening([("a", np.full((2, 1), 1_029))])[:, -2].tolist() == [10, 1_031, 1_031]
    for prompts, code in ((new(), 1_024), (old(), 1_030)):
        with pytest.raises(InvalidRequest):
            prompts.opening([("a", np.full((8, 1), code))])


def columns(tokens: Sequence[int], codebooks: int) -> NDArray[np.int32]:
    return np.array([tokens, *[[7] * len(tokens)] * codebooks], np.int32)


def test_the_past_of_1_5_is_all_of_it() -> None:
    frames = columns([300, 301, 281], 8)
    same(new().past(frames), frames)


def test_the_past_of_1_1_is_closed_once() -> None:
    end = np.array([[4], [1], [1]], np.int32)
    same(old().past(columns([10, 10, 4], 2)), columns([10, 10], 2), end)
    same(old().past(columns([10, 10, 10], 2)), columns([10, 10], 2), end)
    same(old().past(columns([10, 4, 4], 2)), columns([10, 4], 2))
    same(old().past(columns([4], 2)), end)


@BOTH
def test_tokens_of_a_text_alone(prompts: Prompts) -> None:
    ids = prompts.text_ids("hello there")
    assert ids.dtype == np.int64
    assert prompts.text_tokens("hello there") == len(ids) > 3
    row = prompts.segment("hello there")[0].tolist()
    assert ids.tolist() in [row[place : place + len(ids)] for place in range(len(row))]
