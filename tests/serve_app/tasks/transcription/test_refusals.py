"""Every mistake in a form gets a sentence that names the field, and no form is our fault."""

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.errors import ClientError
from serve_app.fields.schema_words import expectation
from serve_app.tasks.transcription.fields import FIELDS
from tests.serve_app.tasks.transcription.forms import TEXTS, WIRE_NAMES, parse, refusal


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("known_speaker_names[]", "agent"),
        ("known_speaker_references[]", "data:audio/wav;base64,AAA="),
        ("diarize", "true"),
        ("hallucination_silence_threshold", "2"),
        ("chunk_length", "30"),
        ("log_progress", "1"),
        ("response_format", "diarized_json"),
    ],
)
def test_what_cannot_be_honoured_is_refused(name: str, value: str) -> None:
    error = refusal((name, value))
    assert error.param == name.removesuffix("[]")
    assert "cannot be" in error.message


@pytest.mark.parametrize(
    "field", [("diarize", "false"), ("log_progress", "no"), ("chunk_length", "none"), ("diarize", "")]
)
def test_what_asks_for_nothing_passes(field: tuple[str, str]) -> None:
    assert parse(field).ignored == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([("timestamp_granularities[]", "word")], "timestamp_granularities"),
        ([("include[]", "logprobs"), ("response_format", "text")], "include"),
        ([("include[]", "logprobs"), ("response_format", "verbose_json")], "include"),
        ([("stream", "true"), ("response_format", "srt")], "stream"),
        ([("stream", "true"), ("response_format", "vtt")], "stream"),
        ([("word_timestamps", "false"), ("timestamp_granularities[]", "word"),
          ("response_format", "verbose_json")], "timestamp_granularities"),
    ],
)  # fmt: skip
def test_combinations_that_contradict(fields: list[tuple[str, str]], param: str) -> None:
    assert refusal(*fields).param == param


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("beam_size", "17", "`beam_size` has to be a whole number from 1 to 16, not '17'."),
        ("beam_size", "2.5", "`beam_size` has to be a whole number from 1 to 16, not '2.5'."),
        ("beam_size", "many", "`beam_size` has to be a whole number from 1 to 16, not 'many'."),
        ("patience", "0", "`patience` has to be a number from 1 to 4, not '0'."),
        ("temperature", "1.5", "`temperature` has to be a list of numbers from 0 to 1, at most 16, not '1.5'."),
        ("no_speech_threshold", "2", "`no_speech_threshold` has to be a number from 0 to 1 or none, not '2'."),
        ("log_prob_threshold", "1", "`log_prob_threshold` has to be a number of at most 0 or none, not '1'."),
        ("stream", "perhaps", "`stream` has to be true or false, not 'perhaps'."),
        ("response_format", "xml",
         "`response_format` has to be one of json, text, srt, verbose_json, vtt, not 'xml'."),
        ("timestamp_granularities[]", "syllable",
         "`timestamp_granularities` has to be a list of word or segment, not 'syllable'."),
        ("include[]", "thoughts", "`include` has to be a list of logprobs, not 'thoughts'."),
        ("prefix", "x" * 2_001, f"`prefix` has to be text of at most 2000 characters, not '{'x' * 60}…'."),
        ("vad_parameters", '{"threshold": "high"}',
         "`vad_parameters[threshold]` has to be a number from 0 to 1, not 'high'."),
        ("vad_parameters", '{"treshold": 1}', "`vad_parameters` has no part 'treshold'; its parts are "
         "threshold, neg_threshold, min_speech_duration_ms, max_speech_duration_s, min_silence_duration_ms, "
         "speech_pad_ms."),
        ("vad_parameters", "[1]", "`vad_parameters` has to be a JSON object, not '[1]'."),
        ("vad_parameters", "{", "`vad_parameters` is not valid JSON: '{'."),
        ("chunking_strategy", '{"type": "semantic"}', "`chunking_strategy` has to be auto, or an object of the "
         "type server_vad, not 'semantic'."),
        ("clip_timestamps", "5,2", "`clip_timestamps` has a span that ends at 2.0 s, before it starts."),
        ("suppress_tokens", "1,x", "`suppress_tokens` has to be a list of whole numbers, at most 1000, not 'x'."),
        ("beam_size[deep]", "1", "`beam_size` has no parts such as `deep`."),
        ("vad_parameters[a][b]", "1", "The field name 'vad_parameters[a][b]' cannot be read."),
    ],
)  # fmt: skip
def test_sentences(name: str, value: str, sentence: str) -> None:
    assert refusal((name, value)).message == sentence


@pytest.mark.parametrize("name", ["languages", "suppress_tokens", "clip_timestamps", "temperature", "include"])
def test_endless_lists(name: str) -> None:
    for text in ("1," * 500_000, f"[{'1,' * 500_000}1]"):
        assert refusal((name, text)).param == name


def test_too_many_spans() -> None:
    spans = json.dumps([{"start": 1}] * 10_001)
    assert "10000 spans" in refusal(("clip_timestamps", spans)).message


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-Infinity", "1e999", "1_0", "٣", "0x1", "--1", "1e", "."])
def test_numbers_are_plain_and_finite(value: str) -> None:
    for name in ("compression_ratio_threshold", "length_penalty", "beam_size", "temperature", "clip_timestamps"):
        assert refusal((name, value)).param == name
    refusal(("vad_parameters", json.dumps({"threshold": float("nan")})))


def test_fields_sent_twice_and_files_as_text() -> None:
    assert "2 times" in refusal(("language", "en"), ("language", "de")).message
    assert "twice" in refusal(("vad_parameters[threshold]", "0"), ("vad_parameters[threshold]", "1")).message
    assert "send it as a file" in refusal(("file", "RIFF"), audio=False).message


def test_unknown_fields_are_named_once_in_order() -> None:
    form = parse(("user", "a"), ("x[]", "b"), ("x[]", "c"), ("other", ""), ("]", ""), ("", ""))
    assert form.ignored == ("user", "x[]", "other", "]", "")
    many = parse(*[(f"field{i}", "") for i in range(500)])
    assert many.headers["X-Ignored-Fields"].count(",") == 31


def test_every_field_says_what_it_has_to_be() -> None:
    for field in FIELDS:
        if field.schema.get("type") != "object":
            assert expectation(field.schema)
        assert field.description.endswith(".")


@example([("clip_timestamps", "10000001")], False)
@given(st.lists(st.tuples(WIRE_NAMES, TEXTS), max_size=6), st.booleans())
def test_any_form_is_parsed_or_refused(pairs: list[tuple[str, str]], audio: bool) -> None:
    with contextlib.suppress(ClientError):
        parsed = parse(*pairs, audio=audio)
        assert audio != (parsed.request.url is not None)
        assert all(value.isascii() and value.isprintable() for value in parsed.headers.values())
