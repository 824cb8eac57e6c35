"""``antiphon models``: the table, and a sentence for whatever keeps it from being drawn."""

from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from serve_app.cli import main

MODELS = [
    {
        "id": "sample-asr",
        "task": "transcription",
        "aliases": ["whisper-1", "tiny"],
        "source": "local",
        "on_demand": [],
        "state": {"phase": "ready", "progress": 1.0},
    },
    {
        "id": "other",
        "task": "transcription",
        "aliases": [],
        "source": None,
        "on_demand": ["org/*"],
        "state": {"phase": "downloading", "progress": 0.256},
    },
    {"id": "of-another-server", "object": "model"},
]


def ask(monkeypatch: pytest.MonkeyPatch, answer: Any, *arguments: str) -> Result:
    """Run the command against a server that gives one answer."""

    def get(url: str, headers: dict[str, str], timeout: float) -> httpx.Response:
        return httpx.Client(transport=httpx.MockTransport(answer)).get(url, headers=headers, timeout=timeout)

    monkeypatch.setattr(httpx, "get", get)
    return CliRunner().invoke(main, ["models", *arguments])


def test_models_are_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://server:1/v1/models"
        assert request.headers["Authorization"] == "Bearer secret"
        return httpx.Response(200, json={"data": MODELS})

    result = ask(monkeypatch, answer, "--server", "http://server:1/", "--api-key", "secret")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "model               state             task            source   also known as",
        "sample-asr          ready             transcription   local    whisper-1 tiny",
        "other               downloading 26%   transcription   org/*",
        "of-another-server   -                 -               -",
    ]


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (httpx.Response(401, json={"error": {"message": "Send a key."}}), "answered 401: Send a key."),
        (httpx.Response(502, text="bad"), "answered 502: Bad Gateway"),
        (httpx.Response(200, text="hello"), "does not speak the OpenAI API"),
        (httpx.Response(200, json=[]), "does not speak the OpenAI API"),
    ],
)
def test_a_refusal_is_a_sentence(monkeypatch: pytest.MonkeyPatch, response: httpx.Response, sentence: str) -> None:
    result = ask(monkeypatch, lambda _: response)
    assert result.exit_code == 1
    assert sentence in result.output


def test_no_server_is_a_sentence() -> None:
    result = CliRunner().invoke(main, ["models", "--server", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "http://127.0.0.1:9 cannot be reached" in result.output
