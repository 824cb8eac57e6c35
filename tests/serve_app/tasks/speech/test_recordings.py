"""What is said in the recordings of a new voice."""

import pytest

from deployments.errors import InvalidRequest, ModelNotFound
from serve_app.fields.audio import uploads_of
from serve_app.tasks.speech.recordings import transcripts_of
from tests.serve_app.http.stub import SCRIPT, TEXT, StubGateway

RECORDINGS = uploads_of([b"one", b"two"])


async def test_every_recording_is_written_down() -> None:
    gateway = StubGateway(SCRIPT)
    assert await transcripts_of(RECORDINGS, gateway.transcribe, "r-1") == (TEXT, TEXT)
    assert [upload.data.tobytes() for upload in gateway.uploads if upload] == [b"one", b"two"]
    assert [request.request_id for request in gateway.requests] == ["r-1"] * 2


async def test_silence() -> None:
    silent = StubGateway((SCRIPT[0], SCRIPT[-1]))
    assert await transcripts_of(RECORDINGS, silent.transcribe, "r-1") == ("", "")
    with pytest.raises(InvalidRequest, match="no words"):
        await transcripts_of(RECORDINGS, silent.transcribe, "r-1", silence=InvalidRequest("no words"))
    assert len(silent.uploads) == 3


async def test_no_model() -> None:
    with pytest.raises(ModelNotFound):
        await transcripts_of(RECORDINGS, StubGateway((ModelNotFound("none"),)).transcribe, "r-1")
