"""What ``antiphon classify`` does about a server that is full, away, or not ready: it waits, and gives up late."""

import os
import pty
import signal
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.errors import AntiphonError, DeadlineExceeded, ModelUnavailable, Overloaded
from deployments.text_classification.types import ClassificationRequest, TextScores
from serve_app.cli import servers
from serve_app.cli.classification.texts import BATCH_TEXTS
from serve_app.cli.servers import ENDLESS
from tests.serve_app.cli.classification.stub import Classifying, answers, classify, printed, server, start
from tests.serve_app.http.server import serving
from tests.serve_app.http.stub import app_of

MARKED = "the text that the server fails on"


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the command would have waited."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds:
            waits.append(seconds)

    monkeypatch.setattr(servers, "sleep", sleep)
    monkeypatch.delenv("ANTIPHON_API_KEY", raising=False)
    return waits


class Failing(Classifying):
    """Raises the errors, one after the other, for requests with the text MARKED."""

    def __init__(self, errors: Sequence[AntiphonError]) -> None:
        super().__init__()
        self.errors = list(errors)

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        if MARKED in request.texts and self.errors:
            raise self.errors.pop(0)
        return await super().classify(request)


class Dropping:
    """Drops the connection of so many requests with the text MARKED, in the middle of the answer."""

    def __init__(self, app: ASGIApp, times: float) -> None:
        self.app = app
        self.times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []
        while not messages or messages[-1].get("more_body"):
            messages.append(await receive())
        if self.times and MARKED.encode() in b"".join(message.get("body", b"") for message in messages):
            self.times -= 1
            headers = [(b"content-type", b"application/json"), (b"content-length", b"9")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, again, send)


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], list[str]]:
    """Two files of several batches, a marked text in the third one, and all texts."""
    texts = [[f"{name} {number}" for number in range(2 * BATCH_TEXTS)] for name in "ab"]
    texts[1][BATCH_TEXTS // 2] = MARKED
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, lines in zip(paths, texts, strict=True):
        path.write_text("\n\n" + "\n".join(lines) + "\n")
    return paths, [*texts[0], *texts[1]]


def test_a_full_server_is_waited_for_as_long_as_it_says_so(slept: list[float]) -> None:
    waits = [5, 590, 700, *range(1, 30)]
    with server(*(Overloaded("Full.", retry_after_s=wait) for wait in waits)) as (gateway, url):
        result = classify("--server", url, "a text")
    assert (result.exit_code, printed(result.stdout), result.stderr) == (0, answers(["a text"]), "")
    assert len(gateway.asked) == len(waits) + 1
    assert sum(slept) == sum(waits)


@pytest.mark.parametrize("said", [{"Retry-After": "0"}, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, {}])
def test_a_full_server_that_names_no_seconds_is_not_asked_all_the_time(
    said: dict[str, str], slept: list[float]
) -> None:
    left = [JSONResponse(answers(["a text"])), *[JSONResponse({}, 429, said)] * 9]

    async def answer(_: object) -> JSONResponse:
        return left.pop()

    with serving(Starlette(routes=[Route("/v1/classify", answer, methods=["POST"])])) as url:
        result = classify("--server", url, "a text")
    assert (result.exit_code, printed(result.stdout)) == (0, answers(["a text"]))
    assert slept == [1.0] * 9


def test_a_server_that_is_not_ready_is_asked_again(slept: list[float]) -> None:
    errors = [ModelUnavailable("It is loading.")] * len(ENDLESS.pauses_s)
    with server(*errors) as (_, url):
        result = classify("--server", url, "a text")
    assert (result.exit_code, printed(result.stdout), result.stderr) == (0, answers(["a text"]), "")
    assert sum(slept) == sum(ENDLESS.pauses_s)
    assert list(ENDLESS.pauses_s) == sorted(ENDLESS.pauses_s)


def test_it_gives_up_on_a_server_that_never_gets_ready() -> None:
    errors = [ModelUnavailable("It is loading.")] * (len(ENDLESS.pauses_s) + 1)
    with server(*errors) as (_, url):
        result = classify("--server", url, "one", "two")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: It is loading.\n")


def test_a_full_server_is_there_and_gets_all_tries_again() -> None:
    away = [ModelUnavailable("It is loading.")] * len(ENDLESS.pauses_s)
    with server(*away, Overloaded("Full.", retry_after_s=1), *away) as (_, url):
        result = classify("--server", url, "a text")
    assert (result.exit_code, printed(result.stdout)) == (0, answers(["a text"]))


def test_a_connection_that_is_lost_before_any_answer_is_made_again() -> None:
    with serving(Dropping(app_of(Classifying()), 2)) as url:
        result = classify("--server", url, MARKED)
    assert (result.exit_code, printed(result.stdout)) == (0, answers([MARKED]))


def test_a_lost_connection_is_made_again(files: tuple[list[Path], list[str]]) -> None:
    paths, texts = files
    app = Dropping(app_of(Classifying()), len(ENDLESS.pauses_s))
    with serving(app) as url:
        result = classify("--server", url, *paths)
    assert (result.exit_code, result.stderr, app.times) == (0, "", 0)
    assert printed(result.stdout) == answers(texts)


def test_a_server_that_is_gone_for_good_is_told_with_the_place_to_resume(
    files: tuple[list[Path], list[str]], slept: list[float]
) -> None:
    paths, texts = files
    with serving(Dropping(app_of(Classifying()), float("inf"))) as url:
        result = classify("--server", url, *paths)
    assert result.exit_code == 1
    assert f"Error: The server at {url} cannot be reached: " in result.stderr
    assert result.stderr.endswith(f" Resume at {paths[1]}, line 3; what comes before is answered.\n")
    assert printed(result.stdout) == answers(texts[: 2 * BATCH_TEXTS])
    assert sum(slept) == sum(ENDLESS.pauses_s)


def test_what_was_written_and_what_is_left_are_the_whole(
    files: tuple[list[Path], list[str]], tmp_path: Path
) -> None:
    """Also when a file for the results is named, which the second run must not overwrite."""
    paths, texts = files
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    with serving(app_of(Failing([DeadlineExceeded("Too slow.")]))) as url:
        result = classify("--server", url, *paths, "-o", first)
        assert result.exit_code == 1
        assert result.stderr == (
            f"Error: Too slow. Resume at {paths[1]}, line 3, with another --output; "
            "what comes before is answered.\n"
        )
        rest = "".join(paths[1].read_text().splitlines(keepends=True)[2:])
        assert classify("--server", url, "-", "-o", second, input=rest).exit_code == 0
    assert printed(first.read_text() + second.read_text()) == answers(texts)


def test_a_server_that_is_not_there_is_told_at_once(slept: list[float]) -> None:
    result = classify("--server", "http://127.0.0.1:9", "a text")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The server at http://127.0.0.1:9 cannot be reached: ")
    assert "Resume" not in result.stderr
    assert slept == []


@pytest.mark.parametrize("ending", ["answer", "failure", "interrupt"])
def test_the_bar_says_that_it_waits_and_goes(ending: str) -> None:
    """Also when the server was full from the start, before there was a bar."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    last = 600.0 if ending == "interrupt" else 2.0
    failure = [AntiphonError("It broke.")] if ending == "failure" else []
    with (
        server(Overloaded("Full.", retry_after_s=last), *failure) as (_, url),
        start("--server", url, "a text", stderr=terminal) as process,
    ):
        shown = b""
        limit = time.monotonic() + 20
        while b"waiting for the server" not in shown:
            assert time.monotonic() < limit
            shown += os.read(controller, 10_000)
        if ending == "interrupt":
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == (0 if ending == "answer" else 1)
    os.write(terminal, b"|")
    while not shown.endswith(b"|"):
        shown += os.read(controller, 10_000)
    os.close(controller)
    os.close(terminal)
    last_line = shown.decode().replace("\r\n", "\n").rstrip("|").rpartition("\r")[2].strip()
    assert last_line == {"answer": "", "failure": "Error: It broke.", "interrupt": "Aborted!"}[ending]
