"""What is said in the recordings of a new voice."""

import pytest

from deployments.errors import InvalidRequest, ModelNotFound
from serve_app.fields.audio import uploads_of
from serve_app.tasks.speech.recordings import transcripts_of
from tests.serve_app.http.stub import SCRIPT, TEXT, StubBackend

RECORDINGS = uploads_of([b"one", b"two"])


async def test_every_recording_is_written_down() -> None:
    backend = StubBackend(SCRIPT)
    assert await transcripts_of(RECORDINGS, backend.transcribe, "r-1") == (TEXT, TEXT)
    assert [upload.data.tobytes() for upload in backend.uploads if upload] == [b"one", b"two"]
    assert [request.request_id for request in backend.requests] == ["r-1"] * 2


async def test_silence() -> None:
    silent = StubBackend((SCRIPT[0], SCRIPT[-1]))
    assert await transcripts_of(RECORDINGS, silent.transcribe, "r-1") == ("", "")
    with pytest.raises(InvalidRequest, match="no words"):
        await transcripts_of(RECORDINGS, silent.transcribe, "r-1", silence=InvalidRequest("no words"))
    assert len(silent.uploads) == 3


async def test_no_model() -> None:
    with pytest.raises(ModelNotFound):
        await transcripts_of(RECORDINGS, StubBackend((ModelNotFound("none"),)).transcribe, "r-1")
