"""Every option of a transcription arrives in the request, and nothing that was not sent."""

import json
import re
from typing import Any

import pytest

from deployments.whisper.types import Clip, DecodingOptions, VadOptions
from tests.serve_app.tasks.transcription.forms import asked, parse, refusal

LADDER = DecodingOptions().temperatures

# One value for every option, different from its default.
DECODING: dict[str, tuple[list[tuple[str, str]], Any]] = {
    "beam_size": ([("beam_size", "3")], 3),
    "best_of": ([("best_of", "2")], 2),
    "patience": ([("patience", "1.5")], 1.5),
    "length_penalty": ([("length_penalty", "-0.5")], -0.5),
    "repetition_penalty": ([("repetition_penalty", "1.1")], 1.1),
    "no_repeat_ngram_size": ([("no_repeat_ngram_size", "4")], 4),
    "temperatures": ([("temperature", "0.1,0.9")], (0.1, 0.9)),
    "compression_ratio_threshold": ([("compression_ratio_threshold", "2")], 2.0),
    "log_prob_threshold": ([("log_prob_threshold", "-2")], -2.0),
    "no_speech_threshold": ([("no_speech_threshold", "None")], None),
    "condition_on_previous_text": ([("condition_on_previous_text", "yes")], True),
    "prompt_reset_on_temperature": ([("prompt_reset_on_temperature", ".25")], 0.25),
    "initial_prompt": ([("prompt", "Glossary: canoe.")], "Glossary: canoe."),
    "prefix": ([("prefix", " So")], " So"),
    "hotwords": ([("hotwords", "canoe, planks")], "canoe, planks"),
    "suppress_blank": ([("suppress_blank", "0")], False),
    "suppress_tokens": ([("suppress_tokens", "1,2,-1")], (1, 2, -1)),
    "without_timestamps": ([("without_timestamps", "TRUE")], True),
    "max_initial_timestamp": ([("max_initial_timestamp", "2.5")], 2.5),
    "max_new_tokens": ([("max_new_tokens", "100")], 100),
    "multilingual": ([("multilingual", "on")], True),
    "language_detection_segments": ([("language_detection_segments", "4")], 4),
    "language_detection_threshold": ([("language_detection_threshold", "0.7")], 0.7),
    "word_timestamps": ([("word_timestamps", "1")], True),
    "prepend_punctuations": ([("prepend_punctuations", "")], ""),
    "append_punctuations": ([("append_punctuations", ".!")], ".!"),
    "token_logprobs": ([("include[]", "logprobs")], True),
}
VAD: dict[str, tuple[str, Any]] = {
    "threshold": ("0.3", 0.3),
    "neg_threshold": ("0.2", 0.2),
    "min_speech_duration_ms": ("250", 250),
    "max_speech_duration_s": ("12.5", 12.5),
    "min_silence_duration_ms": ("500", 500),
    "speech_pad_ms": ("100", 100),
}


@pytest.mark.parametrize("option", DecodingOptions.model_fields)
def test_every_decoding_option_is_settable(option: str) -> None:
    fields, value = DECODING[option]
    request = asked(*fields)
    assert getattr(request.decoding, option) == value
    assert request.decoding.model_fields_set == {option}
    assert request.model_fields_set >= {"decoding"}
    assert "vad" not in request.model_fields_set


@pytest.mark.parametrize("option", VadOptions.model_fields)
def test_every_vad_option_is_settable_in_three_ways(option: str) -> None:
    text, value = VAD[option]
    for fields in (
        [(f"vad_{option}", text)],
        [("vad_parameters", json.dumps({option: value}))],
        [(f"vad_parameters[{option}]", text)],
    ):
        request = asked(*fields)
        assert request.vad is not None
        assert getattr(request.vad, option) == value
        assert request.vad.model_fields_set == {option}


def test_nothing_is_set_that_was_not_sent() -> None:
    request = asked()
    assert not request.model_fields_set & {"decoding", "vad", "clips", "language", "languages", "model", "url"}
    assert (request.file_name, request.content_type) == (None, None)
    assert asked(("language", ""), ("temperature", ""), ("stream", ""), ("vad_filter", " ")) == request


def test_aliases() -> None:
    assert asked(("initial_prompt", "x")).decoding.initial_prompt == "x"
    assert asked(("logprob_threshold", "-3")).decoding.log_prob_threshold == -3
    assert asked(("prompt", "")).decoding.initial_prompt == ""
    assert refusal(("prompt", "a"), ("initial_prompt", "b")).param == "initial_prompt"
    assert asked(("prompt", "a"), ("initial_prompt", "a")).decoding.initial_prompt == "a"


@pytest.mark.parametrize(
    ("fields", "ladder"),
    [
        ([("temperature", "0")], LADDER),
        ([("temperature", "0.0")], LADDER),
        ([("temperature", "0.4")], (0.4,)),
        ([("temperature[]", "0")], (0.0,)),
        ([("temperature", "[0]")], (0.0,)),
        ([("temperature", "0, 0.4")], (0.0, 0.4)),
        ([("temperature", "0"), ("temperature", "1")], (0.0, 1.0)),
    ],
)
def test_temperature(fields: list[tuple[str, str]], ladder: tuple[float, ...]) -> None:
    assert asked(*fields).decoding.temperatures == ladder


@pytest.mark.parametrize(
    ("text", "code"), [("de", "de"), ("DE", "de"), ("German", "de"), (" haitian creole ", "ht"), ("jv", "jw")]
)
def test_languages_are_codes_or_english_names(text: str, code: str) -> None:
    assert asked(("language", text)).language == code
    assert asked(("languages[]", text), ("languages[]", "en")).languages == (code, "en")


def test_automatic_language() -> None:
    assert asked(("language", "auto")).language is None
    assert asked(("languages", "en,de,english")).languages == ("en", "de")


@pytest.mark.parametrize("text", ["klingon", "en-", "xx", "e" * 500, "\0"])
def test_unknown_languages(text: str) -> None:
    for name in ("language", "languages"):
        error = refusal((name, text))
        assert error.param == name
        assert len(error.message) < 300
    assert refusal(("language", "en"), ("languages[]", "de")).param == "languages"


@pytest.mark.parametrize(
    "fields",
    [
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.4"),
         ("chunking_strategy[prefix_padding_ms]", "200"), ("chunking_strategy[silence_duration_ms]", "700")],
        [("chunking_strategy", '{"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 200,'
                               ' "silence_duration_ms": 700.0}')],
    ],
)  # fmt: skip
def test_chunking_strategy_objects(fields: list[tuple[str, str]]) -> None:
    vad = asked(*fields).vad
    assert vad == VadOptions(threshold=0.4, speech_pad_ms=200, min_silence_duration_ms=700)


def test_vad_switches() -> None:
    assert asked(("chunking_strategy", "auto")).vad == VadOptions()
    assert asked(("chunking_strategy", '"auto"')).vad == VadOptions()
    assert asked(("vad_filter", "true")).model_fields_set >= {"vad"}
    assert asked(("vad_filter", "false")).vad is None
    assert asked(("vad_filter", "true"), ("chunking_strategy", "auto")).vad == VadOptions()
    assert refusal(("vad_filter", "false"), ("chunking_strategy", "auto")).param == "chunking_strategy"
    assert refusal(("vad_filter", "false"), ("vad_threshold", "0.5")).param == "vad_threshold"
    assert asked(("vad_threshold", "0.1"), ("vad_parameters", '{"speech_pad_ms": 5}')).vad == VadOptions(
        threshold=0.1, speech_pad_ms=5
    )
    refusal(("vad_threshold", "0.1"), ("chunking_strategy[threshold]", "0.2"))


def test_clips() -> None:
    spans = (Clip(start=0, end=5.2), Clip(start=10, end=20))
    assert asked(("clip_timestamps", "0,5.2,10,20")).clips == spans
    assert asked(("clip_timestamps", "[0, 5.2, 10, 20]")).clips == spans
    assert asked(("clip_timestamps", '[{"start": 0, "end": 5.2}, {"start": 10, "end": 20}]')).clips == spans
    assert asked(("clip_timestamps[]", "0"), ("clip_timestamps[]", "5.2")).clips == spans[:1]
    assert asked(("clip_timestamps", "3")).clips == (Clip(start=3),)
    assert asked(("clip_timestamps", "0")).clips == ()
    assert asked(("clip_timestamps", "1,2"), ("vad_filter", "false")).clips == (Clip(start=1, end=2),)
    assert refusal(("clip_timestamps", "1,2"), ("vad_threshold", "0.2")).param == "vad_threshold"
    assert refusal(("clip_timestamps", "1,2"), ("vad_filter", "true")).param == "vad_filter"


def test_keywords_become_hotwords() -> None:
    assert (
        asked(("keywords[]", "Smith, John"), ("keywords[]", "[laughs]")).decoding.hotwords
        == "Smith, John, [laughs]"
    )
    assert asked(("keywords", '["a", "b"]')).decoding.hotwords == "a, b"
    assert refusal(*[("keywords[]", "x" * 900)] * 10).param == "keywords"
    assert refusal(("keywords[]", "a"), ("hotwords", "b")).param == "hotwords"


def test_models_and_addresses() -> None:
    assert asked(("model", "org/name")).model == "org/name"
    assert asked(("model", "")).model is None
    assert parse(("url", "https://example.com/a.mp3"), audio=False).request.url == "https://example.com/a.mp3"
    assert refusal(("url", "https://example.com/a.mp3")).param == "url"
    assert refusal(("url", "x" * 9_000), audio=False).param == "url"
    assert "missing" in refusal(audio=False).message


def test_the_task_is_the_paths() -> None:
    assert parse(("task", "translate"), task="translate").request.task == "translate"
    assert "/v1/audio/translations" in refusal(("task", "translate")).message
    assert "/v1/audio/transcriptions" in refusal(("task", "transcribe"), task="translate").message


GRANULARITIES = "timestamp_granularities"
WORD, BOTH = (False, True), (True, True)  # whether segments and words are listed


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ([(GRANULARITIES, "word")], WORD),
        ([(f"{GRANULARITIES}[]", "word")], WORD),
        ([(f"{GRANULARITIES}[0]", "word")], WORD),
        ([(f"{GRANULARITIES}[0]", '["word"]')], WORD),
        ([(GRANULARITIES, '["word"]')], WORD),
        ([(f"{GRANULARITIES}[]", '["word"]')], WORD),
        ([(GRANULARITIES, " word ")], WORD),
        ([(GRANULARITIES, "word"), (GRANULARITIES, "word")], WORD),
        ([(GRANULARITIES, "word"), (GRANULARITIES, "segment")], BOTH),
        ([(f"{GRANULARITIES}[]", "word"), (f"{GRANULARITIES}[]", "segment")], BOTH),
        ([(f"{GRANULARITIES}[0]", "word"), (f"{GRANULARITIES}[1]", "segment")], BOTH),
        ([(GRANULARITIES, "word,segment")], BOTH),
        ([(f"{GRANULARITIES}[]", "segment, word")], BOTH),
        ([(GRANULARITIES, '["segment","word"]')], BOTH),
        ([(GRANULARITIES, "segment")], (True, False)),
        ([(GRANULARITIES, "")], (True, False)),
    ],
)
def test_every_spelling_of_granularities(fields: list[tuple[str, str]], listed: tuple[bool, bool]) -> None:
    form = parse(("response_format", "verbose_json"), *fields)
    assert (form.output.segments, form.output.words) == listed
    assert form.request.decoding.word_timestamps is listed[1]


@pytest.mark.parametrize("value", ["words", "[word]", "char", '["word", 1]'])
def test_what_is_no_granularity(value: str) -> None:
    error = refusal(("response_format", "verbose_json"), (GRANULARITIES, value))
    assert re.match(
        "`timestamp_granularities` (has to be a list of word or segment, not|is not valid JSON: )", error.message
    )


def test_names_in_camel_case_are_unknown() -> None:
    fields = {"timestampGranularities[]": "word", "responseFormat": "srt", "wordTimestamps": "true"}
    form = parse(*fields.items())
    assert form.ignored == tuple(fields)
    assert (form.output.response_format, form.output.words) == ("json", False)


def test_verbose_json_lists_segments_unless_told_otherwise() -> None:
    form = parse(("response_format", "verbose_json"))
    assert (form.output.segments, form.output.words) == (True, False)


def test_empty_fields_ask_for_nothing() -> None:
    names = ("language", "response_format", "temperature", "model", "vad_parameters", GRANULARITIES)
    assert asked(*((name, "") for name in names)) == asked()
    assert asked(("prompt", "")).decoding.initial_prompt == ""
