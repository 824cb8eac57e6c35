"""Our errors as the exceptions of the ``openai`` package, and its retries."""

import http.client
import io

import httpx
import openai
import pytest
from openai import OpenAI

from deployments import errors
from tests.serve_app.http.conftest import KEY, Server
from tests.serve_app.http.stub import PATH, SCRIPT, SEGMENTS, TEXT, WAV


def test_an_error_in_the_middle_of_a_stream(client: OpenAI, server: Server) -> None:
    server.gateway.script = (SEGMENTS[0], errors.ModelUnavailable("The model lost its replica."))
    stream = client.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
    assert next(stream).type == "transcript.text.delta"
    with pytest.raises(openai.APIError, match="lost its replica") as caught:
        next(stream)
    assert caught.value.code == "model_unavailable"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.UndecodableAudio("No audio.", param="file"), openai.BadRequestError),
        (errors.ModelNotFound("No model."), openai.NotFoundError),
        (errors.PayloadTooLarge("Too much."), openai.APIStatusError),
        (errors.Overloaded("Full.", retry_after_s=3), openai.RateLimitError),
        (errors.InternalError("Our fault."), openai.InternalServerError),
        (errors.ModelUnavailable("Loading."), openai.InternalServerError),
        (errors.DeadlineExceeded("Too late."), openai.InternalServerError),
        (RuntimeError("a bug"), openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_errors_become_the_clients_own(
    client: OpenAI, server: Server, error: Exception, kind: type[openai.APIStatusError], stream: bool
) -> None:
    server.gateway.script = (error,)
    with pytest.raises(kind) as caught:
        client.audio.transcriptions.create(file=WAV, model="whisper-1", stream=stream)
    if isinstance(error, errors.AntiphonError):
        assert caught.value.status_code == error.status
        assert (caught.value.code, caught.value.param) == (error.code, error.param)
        assert error.message in str(caught.value)
    assert caught.value.request_id == server.gateway.request.request_id


def test_keys(server: Server) -> None:
    for key in ("wrong", "the-key2"):
        with (
            OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client,
            pytest.raises(openai.AuthenticationError) as caught,
        ):
            client.audio.transcriptions.create(file=WAV, model="whisper-1")
        assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("status", [429, 503])
def test_retries_wait_as_long_as_we_say(server: Server, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        server.gateway.script = SCRIPT

    monkeypatch.setattr("openai._base_client.time.sleep", wait)
    error = errors.Overloaded("Full.", retry_after_s=6.5) if status == 429 else errors.ModelUnavailable("Loading.")
    server.gateway.script = (error,)
    with OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=2) as client:
        assert client.audio.transcriptions.create(file=WAV, model="whisper-1").text == TEXT
    assert waits == [7.0 if status == 429 else 5.0]


def test_what_is_over_is_not_tried_again(server: Server) -> None:
    server.gateway.script = (errors.DeadlineExceeded("Too late."),)
    with (
        OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=2) as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.audio.transcriptions.create(file=WAV, model="whisper-1")
    assert len(server.gateway.requests) == 1


def test_files_that_are_too_large(client: OpenAI, server: Server) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.audio.transcriptions.create(file=io.BytesIO(bytes(20_000_000)), model="whisper-1")
    assert (caught.value.status_code, caught.value.code) == (413, "payload_too_large")
    assert not server.gateway.requests


def test_one_connection_for_answers_of_every_kind(server: Server) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.connect()
    connection.auto_open = False  # so that one that was closed is an error
    wrong = {"content-type": "text/csv"}
    for path, fields, headers, status in (
        (PATH, {}, {}, 200),
        (PATH, {"beam_size": "many"}, {}, 400),
        (PATH, {"model": "nobody"}, {}, 404),
        ("/v1/nothing", {}, {}, 404),
        (PATH, {}, wrong, 415),
        (PATH, {"response_format": "srt"}, {}, 200),
    ):
        sent = httpx.Request("POST", server.url + path, data=fields, files={"file": WAV})
        known = {"content-type": sent.headers["content-type"], "authorization": f"Bearer {KEY}"}
        connection.request("POST", path, sent.read(), {**known, **headers})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    connection.close()
