"""What users see of the project, written out: help, checks, OpenAPI, gRPC descriptors, bodies of errors.

``python -m tests.surface.surface`` writes it to ``saved``, where a review sees what a change does to users.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import click
import httpx
from click.testing import CliRunner
from google.protobuf import descriptor_pb2, json_format

from deployments import errors
from serve_app.cli import main
from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.grpc.services import SERVICES
from serve_app.http.app import create_app
from serve_app.http.openapi import openapi
from serve_app.keys import ApiKeys
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.speech_stub import SPEECH_MODEL, StubSpeech
from tests.serve_app.http.stub import MODELS, WAV, ModelIndex, StubGateway, client_of

ROOT = Path(__file__).parents[2]
SAVED = Path(__file__).parent / "saved"
KEY = "the-key"
JSON = {"content-type": "application/json"}
FAILURES: tuple[Exception, ...] = (
    errors.InvalidRequest("It is wrong.", param="field"),
    errors.UndecodableAudio("It is no audio.", param="file"),
    errors.AudioTooLong("It is too long."),
    errors.PayloadTooLarge("It is too large."),
    errors.ForbiddenUrl("It is private.", param="url"),
    errors.FetchFailed("It does not answer.", param="url"),
    errors.AuthenticationFailed("It is the wrong key."),
    errors.ContentRefused("It is not to be said."),
    errors.ModelNotFound("It is unknown.", param="model"),
    errors.VoiceNotFound("It is unknown.", param="voice"),
    errors.VoiceConflict("It exists.", param="id"),
    errors.Overloaded("It is full.", retry_after_s=3),
    errors.DeadlineExceeded("It is late."),
    errors.ModelUnavailable("It is loading."),
    errors.InternalError("It is our fault."),
    errors.PublishFailed("It cannot be put."),
    RuntimeError("a bug"),
)
Request = tuple[str, str, Mapping[str, Any]]
MISTAKES: tuple[Request, ...] = (
    ("POST", "/v1/audio/transcriptions", {"data": {"language": "en"}}),
    ("POST", "/v1/audio/transcriptions", {"files": {"file": WAV}, "data": {"temperature": "warm"}}),
    ("POST", "/v1/audio/transcriptions", {"files": {"file": WAV}, "data": {"diarize": "true"}}),
    ("POST", "/v1/audio/transcriptions", {"files": {"file": WAV}, "data": {"model": "nobody"}}),
    ("POST", "/v1/audio/transcriptions", {"json": {"file": 1}}),
    ("POST", "/v1/audio/translations", {"data": {"url": "file:///etc/passwd", "response_format": "docx"}}),
    ("POST", "/v1/audio/speech", {"json": {}}),
    ("POST", "/v1/audio/speech", {"json": {"input": "hello", "speed": 9}}),
    ("POST", "/v1/audio/speech", {"json": {"input": "", "voice": "nobody"}}),
    ("POST", "/v1/audio/speech", {"content": b"{", "headers": JSON}),
    ("POST", "/v1/audio/voices", {"data": {"name": "one"}}),
    ("GET", "/v1/audio/voices/nobody", {}),
    ("POST", "/v1/moderations", {"json": {}}),
    ("POST", "/v1/moderations", {"json": {"input": [1]}}),
    (
        "POST",
        "/v1/classify",
        {"content": rb'{"input": "\ud800"}', "headers": JSON},
    ),
    ("POST", "/v1/classify", {"json": {"input": "one", "model": "nobody"}}),
    ("POST", "/v1/tts", {"json": {"text": 1}}),
    ("POST", "/v1/tts", {"json": {"text": "hello", "format": "midi"}}),
    ("POST", "/v1/tts", {"content": b"text", "headers": {"content-type": "text/plain"}}),
    ("POST", "/v1/asr", {"data": {"language": "en"}}),
    ("POST", "/v1/vqgan/encode", {"json": {}}),
    ("GET", "/model/nobody", {}),
    ("POST", "/model", {"data": {"title": "one"}}),
    ("GET", "/v1/models/nobody", {}),
    ("GET", "/v1/nothing", {}),
    ("GET", "/v1/classify", {}),
    ("POST", "/v2/nobody/run", {"json": {"input": {}}}),
    ("POST", "/v2/classify/run", {"json": []}),
    ("POST", "/v2/classify/run", {"content": b"{", "headers": JSON}),
    ("POST", "/v2/classify/run", {"json": {"input": {}, "policy": {"ttl": 1}}}),
    ("POST", "/v2/classify/run", {"json": {"input": {}, "webhook": "ftp://example.com"}}),
    ("GET", "/v2/classify/status/nobody", {}),
    ("POST", "/v2/classify/batches/nobody/finalize", {"json": {}}),
)
CALLS: tuple[Request, ...] = (
    ("POST", "/v1/audio/transcriptions", {"files": {"file": WAV}}),
    ("POST", "/v1/audio/speech", {"json": {"input": "hello"}}),
    ("POST", "/v1/classify", {"json": {"input": "hello"}}),
    ("POST", "/v1/moderations", {"json": {"input": "hello"}}),
    ("POST", "/v1/tts", {"json": {"text": "hello"}}),
    ("POST", "/v1/asr", {"files": {"audio": WAV}}),
    ("POST", "/v2/classify/run", {"json": {"input": {"prompt": "hello"}}}),
)


class _StubGateway(StubSpeech, StubGateway):
    """Transcribes, speaks and classifies as it is told, or fails."""

    def __init__(self) -> None:
        StubGateway.__init__(self)
        StubSpeech.__init__(self)
        self.models = ModelIndex((*MODELS, SPEECH_MODEL))
        self.failure: Exception | None = None

    async def speak(self, request: Any, references: Any = ()) -> Any:
        if self.failure is not None:
            raise self.failure
        async for event in super().speak(request, references):
            yield event

    async def classify(self, request: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return await super().classify(request)


def help_texts() -> str:
    """``--help`` of the command line and of every command."""
    return "\n".join(_help(main, "antiphon"))


def _help(command: click.Command, name: str) -> list[str]:
    result = CliRunner().invoke(main, [*name.split()[1:], "--help"], prog_name="antiphon", terminal_width=100)
    texts = [f"$ {name} --help\n{result.output}"]
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for each in command.list_commands(context):
                found = command.get_command(context, each)
                assert found is not None
                texts.extend(_help(found, f"{name} {each}"))
    return texts


def checks() -> str:
    """``antiphon check`` of every configuration that is shipped."""
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "configs").glob("*.yaml"))
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return CliRunner().invoke(main, ["check", *files]).output
    finally:
        os.chdir(before)


def documents() -> str:
    """The OpenAPI document, the job API included."""
    return _json(openapi("0", jobs=True))


def descriptors() -> str:
    """Every gRPC service and message."""
    files = {service.file.name: service.file for service in SERVICES}
    return _json(
        {
            name: json_format.MessageToDict(descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb))
            for name, file in sorted(files.items())
        }
    )


def error_bodies() -> str:
    """Status, headers and body of clients' mistakes, and of every failure at every API."""
    return asyncio.run(_error_bodies())


async def _error_bodies() -> str:
    lines = [line async for line in _answers()]
    return "\n".join(lines) + "\n"


async def _answers() -> AsyncIterator[str]:
    gateway, jobs = _StubGateway(), FakeJobs()
    app = create_app(gateway, HttpConfig(), ApiKeys([KEY]), jobs=jobs, jobs_config=JobsConfig())
    async with client_of(app, headers={"x-request-id": "the-id"}) as client:
        for method, path, content in CALLS:
            yield _shown(f"no key: {method} {path}", await client.request(method, path, **content))
        client.headers["authorization"] = f"Bearer {KEY}"
        for method, path, content in MISTAKES:
            answer = await client.request(method, path, **content)
            asked = {key: value for key, value in content.items() if key not in ("files", "headers")}
            yield _shown(f"{method} {path} {asked or ''}", answer)
        for failure in FAILURES:
            gateway.failure = jobs.failure = failure
            gateway.script = (failure,)
            for method, path, content in CALLS:
                answer = await client.request(method, path, **content)
                yield _shown(f"{type(failure).__name__}: {method} {path}", answer)


def _shown(title: str, answer: httpx.Response) -> str:
    names = ("content-type", "retry-after", "x-should-retry", "www-authenticate", "allow")
    headers = {name: answer.headers[name] for name in names if name in answer.headers}
    return f"{title}\n    {answer.status_code} {json.dumps(headers)} {answer.text}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


PARTS: Mapping[str, Callable[[], str]] = {
    "help.txt": help_texts,
    "check.txt": checks,
    "openapi.json": documents,
    "grpc.json": descriptors,
    "errors.txt": error_bodies,
}

if __name__ == "__main__":
    for name, part in PARTS.items():
        (SAVED / name).write_text(part())
