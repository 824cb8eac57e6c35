"""A body of ``/v1/tts`` as what the gateway is asked for, and how the speech is sent."""

from collections.abc import Mapping
from typing import Any

from deployments.errors import VoiceNotFound
from deployments.fish_speech.types import LARGEST_SEED, SamplingOptions, SpeechRequest
from media.encode import AudioFormat
from serve_app.fields.audio import uploads_of
from serve_app.fields.json_field import ignored_header
from serve_app.fields.model_fields import unknown_fields, validated
from serve_app.tasks.speech.encoding import Container
from serve_app.tasks.speech.fish_fields import AUTOMATIC, CloudTtsBody, TtsBody
from serve_app.tasks.speech.parsed import ParsedSpeech, check_speakable

SENT_AS_MADE: frozenset[AudioFormat] = frozenset({"mp3", "opus", "aac", "pcm"})  # no sizes at their beginning
SAMPLED = ("chunk_length", "max_new_tokens", "top_p", "repetition_penalty", "temperature")
LARGEST_MAX_NEW_TOKENS = 32_768
LEAST_TOP_P = 1e-6  # takes the most probable code, as 0 does
LONGEST_VOICE = 512


def parse_tts(
    fields: Mapping[str, Any], *, request_id: str = "", model: str | None = None, cloud: bool = False
) -> ParsedSpeech:
    """What the fields of a body ask for. ``model`` is that of the header; ``cloud`` takes the hosted service's
    defaults and ranges.

    Raises Unprocessable for wrong fields, InvalidRequest for a text that cannot be spoken, VoiceNotFound for an id
    that none can have.
    """
    body = validated(CloudTtsBody if cloud else TtsBody, fields)
    check_speakable(body.text)
    return parse_tts_body(body, request_id=request_id, model=model, unknown=unknown_fields(body, fields))


def parse_tts_body(
    body: TtsBody, *, request_id: str = "", model: str | None = None, unknown: tuple[str, ...] = ()
) -> ParsedSpeech:
    """The same for a body that is validated. Raises VoiceNotFound."""
    voice = body.reference_id or None
    if voice is not None and (len(voice) > LONGEST_VOICE or not voice.isprintable()):
        raise VoiceNotFound("There is no voice with such an id.", param="reference_id")
    references = [] if voice else body.references
    prosody = body.prosody
    streamed = body.streaming if "streaming" in body.model_fields_set else body.format in SENT_AS_MADE
    request = SpeechRequest(
        text=body.text,
        text_format=body.text_format,
        normalize=None if isinstance(body.normalize, bool) else body.normalize,
        reference_texts=tuple(one.text for one in references),
        voice=voice,
        speaker=body.speaker or None,
        sampling=_sampling(body),
        speed=prosody.speed if prosody else 1.0,
        volume_db=prosody.volume if prosody else 0.0,
        sample_rate=body.sample_rate,
        whole=not streamed,
        model=body.model or model or None,
        request_id=request_id,
    )
    bare = streamed and body.format == "wav" and not body.wav_header
    return ParsedSpeech(
        request,
        uploads_of([one.audio for one in references]),
        Container("pcm" if bare else body.format, _bit_rate(body)),
        streamed,
        ignored_header(unknown),
        called=body.format,
    )


def _sampling(body: TtsBody) -> SamplingOptions:
    """Only what was sent, so that all else is the model's default."""
    given: dict[str, Any] = {name: getattr(body, name) for name in SAMPLED if name in body.model_fields_set}
    if "max_new_tokens" in given:
        given["max_new_tokens"] = min(max(given["max_new_tokens"], 0), LARGEST_MAX_NEW_TOKENS)
    if "top_p" in given:
        given["top_p"] = max(given["top_p"], LEAST_TOP_P)
    if body.seed is not None:
        given["seed"] = min(abs(body.seed), LARGEST_SEED)
    return SamplingOptions(**given)


def _bit_rate(body: TtsBody) -> int | None:
    """In bits per second; None is the format's own."""
    if body.format == "mp3" and "mp3_bitrate" in body.model_fields_set:
        return body.mp3_bitrate * 1_000
    if body.format == "opus" and body.opus_bitrate != AUTOMATIC:
        return body.opus_bitrate * 1_000
    return None
