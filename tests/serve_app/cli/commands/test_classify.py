"""``antiphon classify`` as its users see it, against the real routes before a scripted classifier."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from deployments.errors import AntiphonError, InvalidRequest
from serve_app.cli import servers
from serve_app.cli.classification.run import AT_ONCE
from serve_app.cli.classification.texts import BATCH_TEXTS
from tests.serve_app.cli.classification.stub import LONGEST, answers, classify, printed, read_some, server, start
from tests.serve_app.cli.terminal import ROOT
from tests.serve_app.http.server import serving, wait_until


def test_texts_files_and_standard_input_come_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "posts.txt"
    file.write_text("three\nfour\n")
    with server() as (gateway, url):
        result = classify("--server", url, "one", "zwei 🙂", file, "-", "last", input="five\nsix\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert printed(result.stdout) == answers(["one", "zwei 🙂", "three", "four", "five", "six", "last"])
    assert len(gateway.asked) == 1


def test_a_line_is_what_the_server_answers(tmp_path: Path) -> None:
    with server() as (_, url):
        asked = subprocess.run(
            ["curl", "-s", f"{url}/v1/classify", "--json", json.dumps({"input": "ünï\u2028code"})],
            stdout=subprocess.PIPE,
            check=True,
        )
        assert classify("--server", url, "ünï\u2028code").stdout_bytes == asked.stdout + b"\n"


def test_the_model_and_the_key_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(keys=["sesame"]) as (gateway, url):
        refused = classify("--server", url, "a text")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "This server wants an API key" in refused.stderr
        assert gateway.asked == []
        monkeypatch.setenv("ANTIPHON_API_KEY", "sesame")
        monkeypatch.setenv("ANTIPHON_SERVER", f"{url}/v1/")
        assert classify("--model", "tweets", "a text").exit_code == 0
        (request,) = gateway.asked
    assert (request.model, request.texts) == ("tweets", ("a text",))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("nobody", "The model 'nobody' is not served here. Models for classification: tweets."),
        ("sample-asr", "The model 'sample-asr' does transcription, not classification."),
    ],
)
def test_a_wrong_model_is_told_once(model: str, sentence: str) -> None:
    with server() as (_, url):
        result = classify("--server", url, "--model", model, "one", "two", "three")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")


def test_a_refused_text_is_told_with_its_place_and_stops_no_other(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(300)]
    texts[17] = texts[199] = "x" * (LONGEST + 1)
    file = tmp_path / "posts.txt"
    file.write_text("\n".join(texts))
    with server() as (_, url):
        result = classify("--server", url, file)
    assert result.exit_code == 1
    assert printed(result.stdout) == answers([text for text in texts if len(text) <= LONGEST])
    assert result.stderr.splitlines() == [
        f"Error: {file}, line {line}: The text is too long; cut it." for line in (18, 200)
    ]


def test_a_server_that_takes_few_texts_at_a_time_gets_few() -> None:
    texts = [f"text {number}" for number in range(50)]
    with server(max_texts=7) as (_, url):
        result = classify("--server", url, *texts)
    assert (result.exit_code, printed(result.stdout)) == (0, answers(texts))


def test_a_server_that_takes_few_bytes_at_a_time_gets_few() -> None:
    texts = [f"text {number}" for number in range(100)]
    with server(upload_bytes=300) as (_, url):
        result = classify("--server", url, *texts, "x" * 400)
    assert (result.exit_code, printed(result.stdout)) == (1, answers(texts))
    assert result.stderr.startswith("Error: argument 101: The request body is larger than the 300 bytes")


def test_a_refused_argument_needs_a_place_only_among_others() -> None:
    long = "x" * (LONGEST + 1)
    with server() as (_, url):
        assert classify("--server", url, long).stderr == "Error: The text is too long; cut it.\n"
        result = classify("--server", url, "one", long, " ")
    assert printed(result.stdout) == answers(["one"])
    assert result.stderr == (
        "Error: argument 2: The text is too long; cut it.\nError: argument 3: The text is blank; leave it out.\n"
    )


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AntiphonError("It broke."), "It broke."),
        (InvalidRequest("Name the model to load.", param="model"), "Name the model to load."),
    ],
)
def test_what_concerns_all_texts_ends_the_command(error: Exception, sentence: str) -> None:
    lines = "\n".join(f"text {number}" for number in range(3 * BATCH_TEXTS))
    with server(0.2, error) as (_, url):
        result = classify("--server", url, "-", input=lines)
    assert result.exit_code == 1
    done = printed(result.stdout)  # the batch whose turn it was to fail is the first or the second to arrive
    resume = f" Resume at standard input, line {len(done) + 1}; what comes before is answered." if done else ""
    assert result.stderr == f"Error: {sentence}{resume}\n"
    assert done == answers(lines.split("\n"))[: len(done)]
    assert len(done) in (0, BATCH_TEXTS)


def test_no_server_at_the_given_address() -> None:
    result = classify("--server", "http://127.0.0.1:9", "a text")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "The server at http://127.0.0.1:9 cannot be reached" in result.stderr


@pytest.mark.parametrize("body", [{"ok": True}, [], [1, 2]])
def test_a_server_of_another_kind(body: object) -> None:
    async def answer(_: object) -> JSONResponse:
        return JSONResponse(body)

    with serving(Starlette(routes=[Route("/v1/classify", answer, methods=["POST"])])) as url:
        result = classify("--server", url, "a text")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "did not answer with scores; is it an Antiphon?" in result.stderr


def test_results_go_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "scores.jsonl"
    empty = tmp_path / "empty.txt"
    empty.touch()
    with server() as (_, url):
        result = classify("--server", url, "one", "zwei ü", "-o", target)
        assert (result.exit_code, result.stdout) == (0, "")
        assert classify("--server", url, empty, "-o", tmp_path / "none.jsonl").exit_code == 0
    assert printed(target.read_text(encoding="utf-8")) == answers(["one", "zwei ü"])
    assert (tmp_path / "none.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument"),
        (["-", "-"], "can be read once"),
        ([str(ROOT)], "is a folder; name the files in it"),
        (["-o", "README.md", "README.md"], "is also an input, and would be lost"),
        (["-o", str(ROOT), "a text"], "is a directory"),
        (["--server", "localhost:8000", "a text"], "is no URL such as"),
    ],
)
def test_wrong_usage_is_a_sentence_and_2(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = classify(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", " ").split())


def test_a_server_at_the_usual_place_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as (_, url):
        monkeypatch.setattr(servers, "DEFAULT_SERVER", url)
        result = classify("a text")
    assert (printed(result.stdout), result.stderr) == (answers(["a text"]), "")


def test_many_lines_with_few_requests_at_a_time(tmp_path: Path) -> None:
    texts = [f"text {number} " + "word " * (number % 50) for number in range(10_000)]
    file = tmp_path / "posts.txt"
    file.write_text("".join(f"{text}\n" for text in texts))
    together = asyncio.Barrier(AT_ONCE)
    with server(*[together] * AT_ONCE, 0.2) as (gateway, url):
        result = classify("--server", url, file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert printed(result.stdout) == answers(texts)
    assert gateway.most_active == AT_ONCE
    assert max(len(request.texts) for request in gateway.asked) == BATCH_TEXTS
    assert len(gateway.asked) < 10_000 / BATCH_TEXTS * 1.1


def test_a_slow_writer_gets_its_answers_at_once() -> None:
    with server() as (_, url), start("--server", url, "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for text in ("one", "two"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert printed(read_some(process).decode()) == answers([text])
        process.stdin.write(b"three")
        process.stdin.close()
        assert printed(read_some(process).decode()) == answers(["three"])
    assert process.returncode == 0


def test_standard_input_that_does_not_wait() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with server() as (_, url), start("--server", url, "-", stdin=reader) as process:
        os.close(reader)
        os.write(writer, b"one\n")
        assert printed(read_some(process).decode()) == answers(["one"])
        os.close(writer)
    assert process.returncode == 0


def test_when_nobody_reads_any_more_it_ends_quietly() -> None:
    with server() as (_, url), start("--server", url, "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"a text\n")
        process.stdin.flush()
        read_some(process)
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            while True:  # until the program has gone
                process.stdin.write(b"a text\n" * 1_000)
        assert process.stderr.read() == b""
        process.stdin.close()
    assert process.returncode == 1


def test_ctrl_c_ends_it_at_once_and_stops_the_server() -> None:
    with server(asyncio.Event()) as (gateway, url), start("--server", url, "a text") as process:
        wait_until(lambda: gateway.active == 1)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        wait_until(lambda: gateway.left == 1)
    assert (process.returncode, b"Traceback" in error) == (1, False)


def test_ctrl_c_while_it_waits_for_a_line() -> None:
    with server() as (_, url), start("--server", url, "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        read_some(process)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 1
        assert time.monotonic() - began < 2
        assert process.stderr is not None
        assert process.stderr.read().strip() == b"Aborted!"
        process.stdin.close()
