"""A form of the transcription routes: its texts, and which of its files is the audio."""

from collections.abc import Iterator

from starlette.datastructures import FormData, UploadFile

from deployments.errors import InvalidRequest
from deployments.whisper.types import Task
from serve_app.tasks.transcription.fields import AUDIO, BY_NAME
from serve_app.tasks.transcription.parse import ParsedTranscription, parse_form


def read_transcription_form(
    form: FormData, task: Task, request_id: str = ""
) -> tuple[ParsedTranscription, UploadFile | None]:
    """What a form asks for, and its file, None if it names a URL.

    Raises InvalidRequest with the name of a field that is wrong or cannot be honoured.
    """
    files = _audio_files(form)
    parsed = parse_form(_texts(form), task, files=len(files), request_id=request_id)
    if not files:
        return parsed, None
    return parsed.with_file(files[0].filename, files[0].content_type), files[0]


def _audio_files(form: FormData) -> list[UploadFile]:
    """Files of audio; browsers send an empty one without a name when none was chosen."""
    return [
        value
        for wire_name, value in form.multi_items()
        if isinstance(value, UploadFile) and _name(wire_name) == AUDIO.name and (value.size or value.filename)
    ]


def _texts(form: FormData) -> Iterator[tuple[str, str]]:
    """The texts in their order; a file under a name that nobody knows is there by its name alone."""
    for wire_name, value in form.multi_items():
        if isinstance(value, str):
            yield wire_name, value
        elif (name := _name(wire_name)) in BY_NAME:
            raise InvalidRequest(f"`{name}` has to be text, not a file.", param=name)
        elif name != AUDIO.name:
            yield wire_name, ""


def _name(wire_name: str) -> str:
    """A field's name without brackets."""
    return wire_name.partition("[")[0]
