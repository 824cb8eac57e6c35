"""A SingularityNET daemon in front: its exact call, and what it makes of the answer."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.serve_app.jobs.clients.site import KEY, Served

FLOATS, TEXTS = ("abusing", "hate", "neutral", "spam"), ("text",)


class Unavailable(Exception):
    """What the caller of the daemon sees for anything but 2xx: the status and the body."""


def call(
    served: Served, message: dict[str, Any], location: str, *, endpoint: str = "classify", **query: str
) -> dict[str, Any]:
    """The rpc ``runsync`` as snet-daemon 6.2.3 passes it on; ``message`` lacks the fields at their default."""
    base = f"{served.url}/v2/{endpoint}/"
    credential = {"api_key": KEY}
    parameters = {**query, **(credential if location == "query" else {})}
    headers = {"content-type": "application/json", "User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}
    if location == "header":
        headers["Authorization"] = KEY
    body = {**message, **(credential if location == "body" else {})}
    target = f"{urlsplit(base).path}runsync" + (f"?{urlencode(parameters)}" if parameters else "")
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=20)
    try:
        connection.putrequest("POST", target, skip_accept_encoding=True)
        content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            connection.putheader(name, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if not 200 <= answer.status <= 299:
        raise Unavailable(answer.status, text)
    found = json.loads(text)
    output = found.get("output", {})
    assert isinstance(output, dict)  # a list would be an internal error of the daemon
    return {
        "status": found["status"],
        **{name: float(output.get(name, 0)) for name in FLOATS},
        **{name: str(output.get(name, "")) for name in TEXTS},
    }


@pytest.mark.parametrize("location", ["header", "query", "body"])
def test_a_call(served: Served, location: str) -> None:
    found = call(served, {"input": {"prompt": "This is spam."}}, location)
    assert (found["status"], found["text"]) == ("COMPLETED", "This is spam.")
    assert found["spam"] > 0.5
    assert abs(sum(found[name] for name in FLOATS) - 1) < 1e-6


@pytest.mark.parametrize("message", [{}, {"input": {}}])
def test_an_empty_prompt(served: Served, message: dict[str, Any]) -> None:
    """Looks like a success with zeros, unless failures get a status of their own."""
    plain = call(served, message, "header")
    assert plain == {"status": "FAILED", "abusing": 0, "hate": 0, "neutral": 0, "spam": 0, "text": ""}
    for options in ({"endpoint": "strict"}, {"http_errors": "true"}):
        with pytest.raises(Unavailable) as failed:
            call(served, message, "query", **options)
        status, body = failed.value.args
        assert status == 400
        assert json.loads(body)["status"] == "FAILED"
        assert "prompt" in json.loads(body)["error"]


def test_not_finished_in_time(served: Served) -> None:
    served.gateway.hindrances = (60.0,)
    plain = call(served, {"input": {"prompt": "a"}}, "header", wait="1000")
    assert plain["status"] == "IN_PROGRESS"
    with pytest.raises(Unavailable) as late:
        call(served, {"input": {"prompt": "a"}}, "header", endpoint="strict", wait="1000")
    assert late.value.args[0] == 504


def test_a_wrong_key(served: Served) -> None:
    with pytest.raises(Unavailable) as refused:
        call(served, {"api_key": "wrong"}, "none")
    assert refused.value.args[0] == 401
