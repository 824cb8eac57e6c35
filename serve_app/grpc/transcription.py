"""Transcription's messages: a request as the fields that it stands for, and what is answered."""

from deployments.errors import InvalidRequest
from deployments.whisper.sound.choice import HeardTrack
from deployments.whisper.types import (
    Finished,
    Progress,
    Segment,
    Started,
    Task,
    Transcript,
    TranscriptionEvent,
    Word,
)
from serve_app.fields.audio import Upload, uploads_of
from serve_app.fields.form_values import MAX_FIELDS, MAX_TEXT_BYTES
from serve_app.grpc.protos import transcription_pb2 as protocol
from serve_app.tasks.transcription.parse import ParsedTranscription, parse_form

TASKS: dict[int, Task] = {
    protocol.TASK_UNSPECIFIED: "transcribe",
    protocol.TASK_TRANSCRIBE: "transcribe",
    protocol.TASK_TRANSLATE: "translate",
}
OWN_FIELDS = {"file": "audio"} | {name: name for name in ("url", "model", "language", "task")}
ONLY_HTTP = frozenset({"include", "response_format", "stream", "timestamp_granularities"})


def read_request(
    message: protocol.TranscribeRequest, request_id: str
) -> tuple[ParsedTranscription, Upload | None]:
    """What a request asks for, read by the parser of the form, and its audio, None if it names a URL.

    Raises InvalidRequest.
    """
    if message.task not in TASKS:
        raise InvalidRequest(f"`task` is {int(message.task)}, which is no task.", param="task")
    if not (message.audio or message.url):
        raise InvalidRequest("The audio is missing: send it as `audio`, or its address as `url`.", param="audio")
    _check_fields(message)
    texts = [*message.fields.items()]
    texts += [(name, getattr(message, name)) for name in ("model", "language", "url") if getattr(message, name)]
    parsed = parse_form(texts, TASKS[message.task], files=int(bool(message.audio)), request_id=request_id)
    if not message.audio:
        return parsed, None
    kind = message.content_type.encode("latin-1", "replace").decode("latin-1")  # as HTTP's headers have it
    return parsed.with_file(message.file_name, kind), uploads_of([message.audio])[0]


def response_of(transcript: Transcript, model: str) -> protocol.TranscribeResponse:
    """A whole transcript."""
    return protocol.TranscribeResponse(
        text=transcript.text,
        language=transcript.language,
        language_probability=transcript.language_probability,
        duration=transcript.duration,
        speech_duration=transcript.speech_duration,
        segments=map(_segment, transcript.segments),
        model=model,
        audio_track=_track(transcript.track),
    )


def event_of(event: TranscriptionEvent, model: str) -> protocol.TranscriptionEvent:
    """One event of a stream."""
    match event:
        case Started(language, probability, duration, track):
            started = protocol.Started(
                language=language,
                language_probability=probability,
                duration=duration,
                model=model,
                audio_track=_track(track),
            )
            return protocol.TranscriptionEvent(started=started)
        case Segment():
            return protocol.TranscriptionEvent(segment=_segment(event))
        case Progress(processed, total):
            return protocol.TranscriptionEvent(progress=protocol.Progress(processed=processed, total=total))
        case Finished(language, probability, duration, speech_duration, track):
            finished = protocol.Finished(
                language=language,
                language_probability=probability,
                duration=duration,
                speech_duration=speech_duration,
                audio_track=_track(track),
            )
            return protocol.TranscriptionEvent(finished=finished)


def _check_fields(message: protocol.TranscribeRequest) -> None:
    sizes = (len(name) + len(text.encode()) for name, text in message.fields.items())
    if len(message.fields) > MAX_FIELDS or sum(sizes) > MAX_TEXT_BYTES:
        raise InvalidRequest(
            f"`fields` may have {MAX_FIELDS} entries and {MAX_TEXT_BYTES // 1024} KiB.", param="fields"
        )
    for wire_name in message.fields:
        name = wire_name.partition("[")[0]
        if name in OWN_FIELDS:
            raise InvalidRequest(
                f"`fields` holds `{name}`; send it as the request's own `{OWN_FIELDS[name]}`.", param="fields"
            )
        if name in ONLY_HTTP:
            raise InvalidRequest(
                f"`fields` holds `{name}`, which is about the format of HTTP's answers; leave it out.",
                param="fields",
            )


def _segment(segment: Segment) -> protocol.Segment:
    return protocol.Segment(
        id=segment.id,
        start=segment.start,
        end=segment.end,
        text=segment.text,
        language=segment.language,
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
        compression_ratio=segment.compression_ratio,
        temperature=segment.temperature,
        words=map(_word, segment.words),
        classification=segment.classification,
        channel=segment.channel,
    )


def _word(word: Word) -> protocol.Word:
    return protocol.Word(word=word.word, start=word.start, end=word.end, probability=word.probability)


def _track(track: HeardTrack | None) -> protocol.AudioTrack | None:
    if track is None:
        return None
    return protocol.AudioTrack(
        index=track.index,
        codec=track.codec,
        sample_rate=track.sample_rate,
        channels=track.channels,
        heard=track.heard,
        apart=track.apart,
        language=track.language,
        title=track.title,
    )
