"""Bodies that nobody sends by accident."""

import base64
import binascii
import json
import threading
from typing import Any

import ormsgpack
import pytest

from serve_app.http.fish.bodies import MAX_JSON_BYTES, MAX_VALUES
from serve_app.http.fish.msgpack_size import count_values
from tests.serve_app.http.fish.support import WAV, gateway_with, send, sentence

REFERENCE = {"audio": "", "text": "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "`text` is empty; send what to say."),
        (" \t\n\u2003", "`text` is blank; send what to say."),
        ("a\ud800", "`text` holds half of a surrogate pair at character 2; send whole characters."),
    ],
)
async def test_texts_that_cannot_be_spoken(text: str, words: str) -> None:
    gateway = gateway_with()
    response = await send(gateway, {"text": text})
    assert (response.status_code, sentence(response)) == (400, words)
    assert gateway.speech_requests == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "The request body is empty; send a JSON object."),
        (b"\xff", "The request body is not UTF-8: byte 1 cannot be read."),
        (b"\xef\xbb\xbf{}", "The request body begins with a byte order mark;"),
        (b'{"text": "a', "Unterminated string starting at: line 1 column 10 (char 9)"),
        (b'{"text": "a"} {}', "Extra data: line 1 column 15 (char 14)"),
        (b'{"text": "a", "top_p": NaN}', "The JSON in the request body holds NaN, which is no JSON."),
        (b'{"text": "a", "top_p": 1e999}', "The JSON in the request body holds '1e999', which is too large"),
        (b'{"text": "a", "seed": ' + b"9" * 5_000 + b"}", "The JSON in the request body holds a number with too"),
        (b"[" * 100_000, "The JSON in the request body is nested too deeply."),
        (b'{"text": "a", "text": "b"}', "The JSON in the request body has the key 'text' twice; send it once."),
    ],
)
async def test_json_that_cannot_be_read(body: bytes, words: str) -> None:
    response = await send(gateway_with(), body)
    assert response.status_code == 400
    assert sentence(response).startswith(words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "unexpected end of file"),
        (ormsgpack.packb({"text": "a" * 100})[:50], "unexpected end of file"),
        (b"\xdf\xff\xff\xff\xff", "unexpected end of file"),
        (b"\xdd\xff\xff\xff\xff" + b"\x90" * 100, "unexpected end of file"),
        (b"\xc6\xff\xff\xff\xff", "unexpected end of file"),
        (b"\x91" * 100_000, "Recursion limit reached"),
        (b"\x81\x01\x01", "invalid type FixPos(1)"),
        (b"\x81\xa4text\xa2\xff\xfe", "invalid UTF-8 string"),
        (b"\x81\xa4text\xc7\x01\x05a", "ext_hook missing"),
    ],
)
async def test_msgpack_that_cannot_be_read(body: bytes, words: str) -> None:
    response = await send(gateway_with(), body, msgpack=True)
    assert response.status_code == 400
    assert sentence(response) == f"The msgpack in the request body cannot be read: {words}."


@pytest.mark.parametrize("body", [[], [{"text": "a"}], "text", 3, None, True])
async def test_bodies_that_are_no_objects(body: Any) -> None:
    for response in (
        await send(gateway_with(), json.dumps(body).encode()),
        await send(gateway_with(), ormsgpack.packb(body), msgpack=True),
    ):
        assert response.status_code == 422
        assert response.json() == [
            {"type": "dict_type", "loc": [], "msg": "Input should be a valid dictionary", "in": "body"}
        ]


@pytest.mark.parametrize(
    ("fields", "kind", "loc"),
    [
        ({"text": None}, "string_type", ["text"]),
        ({"text": ["a"]}, "string_type", ["text"]),
        ({"text": b"a\xff"}, "string_unicode", ["text"]),
        ({"top_p": float("nan")}, "finite_number", ["top_p"]),
        ({"temperature": float("inf")}, "finite_number", ["temperature"]),
        ({"prosody": {"speed": float("nan")}}, "finite_number", ["prosody", "speed"]),
        ({"prosody": {"speed": 2.5}}, "less_than_equal", ["prosody", "speed"]),
        ({"prosody": {"volume": -30}}, "greater_than_equal", ["prosody", "volume"]),
        ({"prosody": 3}, "model_type", ["prosody"]),
        ({"chunk_length": -1}, "greater_than_equal", ["chunk_length"]),
        ({"chunk_length": 2.5}, "int_from_float", ["chunk_length"]),
        ({"max_new_tokens": "many"}, "int_parsing", ["max_new_tokens"]),
        ({"seed": 2**64 - 1, "streaming": 7}, "bool_parsing", ["streaming"]),
        ({"sample_rate": 100}, "greater_than_equal", ["sample_rate"]),
        ({"mp3_bitrate": 0}, "greater_than_equal", ["mp3_bitrate"]),
        ({"opus_bitrate": 3}, "opus_bitrate", ["opus_bitrate"]),
        ({"format": "ogg"}, "literal_error", ["format"]),
        ({"reference_id": 5}, "string_type", ["reference_id"]),
        ({"references": {}}, "list_type", ["references"]),
        ({"references": [3]}, "model_type", ["references", 0]),
        ({"references": [{"audio": WAV, "text": "a"}] * 65}, "too_long", ["references"]),
        ({"references": [{"audio": WAV}]}, "missing", ["references", 0, "text"]),
        ({"references": [{"audio": b"", "text": "a"}]}, "audio_empty", ["references", 0, "audio"]),
        ({"references": [{"audio": [1], "text": "a"}]}, "bytes_type", ["references", 0, "audio"]),
        ({"model": "m" * 257}, "string_too_long", ["model"]),
    ],
)
async def test_wrong_fields(fields: dict[str, Any], kind: str, loc: list[Any]) -> None:
    response = await send(gateway_with(), {"text": "a", **fields}, msgpack=True)
    assert response.status_code == 422
    (error,) = response.json()
    assert (error["type"], error["loc"], error["in"]) == (kind, loc, "body")
    assert error["msg"]
    assert len(response.content) < 2_000


@pytest.mark.parametrize(
    "audio",
    [
        "!" * 300,
        "Zm9v" * 100 + "Zm=",
        "Zm9v" * 100 + "Z",
        "Zm9=v" * 100,
        "Zm9v" * 100 + "é",
        "data:audio/wav;base64,?",
    ],
)
async def test_broken_base64(audio: str) -> None:
    response = await send(gateway_with(), {"text": "a", "references": [REFERENCE | {"audio": audio}]})
    assert response.status_code == 422
    (error,) = response.json()
    assert error == {
        "type": "base64",
        "loc": ["references", 0, "audio"],
        "msg": "Audio should be bytes, or text in valid base64",
        "input": audio if len(audio) <= 200 else audio[:200] + "…",
        "in": "body",
    }


async def test_what_was_sent_is_not_sent_back_as_a_whole() -> None:
    body = {"other": ["x" * 10_000] * 10_000, "deep": [[[[[[1]]]]]], "bytes": b"x" * 100}
    response = await send(gateway_with(), body, msgpack=True)
    (error,) = response.json()
    assert (error["type"], error["input"]["bytes"], error["input"]["deep"]) == ("missing", "bytes", [[["list"]]])
    assert len(response.content) < 10_000
    many = await send(gateway_with(), {"references": [{}] * 64})
    assert len(many.json()) == 20


async def test_surrogates_do_not_break_the_answer() -> None:
    response = await send(gateway_with(), b'{"text": "a", "format": "\\ud800", "reference_id": "\\udfff"}')
    assert response.status_code == 422
    hostile = await send(gateway_with(), b'{"text": "a", "reference_id": "\\ud800"}')
    assert hostile.status_code == 404


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "a/../b", "anna\0", "C:\\x", "nobody", "x" * 10_000, "\n"]
)
async def test_voices_that_there_are_not(name: str) -> None:
    response = await send(gateway_with(), {"text": "a", "reference_id": name})
    assert response.status_code == 404
    assert sentence(response).startswith("There is no voice")
    assert len(response.content) < 1_000


async def test_limits_of_bodies() -> None:
    response = await send(gateway_with(), {"text": "a" * 2_000}, upload_bytes=1_000)
    assert (response.status_code, sentence(response)[:53]) == (
        413,
        "The request body is larger than the 1000 bytes that t",
    )
    large = b'{"text": "' + b"a" * MAX_JSON_BYTES + b'"}'
    response = await send(gateway_with(), large)
    assert response.status_code == 413
    assert "msgpack carries audio in less" in sentence(response)


@pytest.mark.parametrize("value", [b"\x80", b"\x90", b"\xc0", b"\x01"])
async def test_bodies_that_would_fill_the_memory(value: bytes) -> None:
    body = b"\x81\xaareferences\xdd" + (5_000_000).to_bytes(4, "big") + value * 5_000_000
    response = await send(gateway_with(), body, msgpack=True)
    assert response.status_code == 413
    assert sentence(response).startswith(f"The request body holds more than {MAX_VALUES} values;")


async def test_json_that_would_fill_the_memory() -> None:
    response = await send(gateway_with(), b'{"references": [' + b"[]," * 5_000_000 + b"[]]}")
    assert response.status_code == 413


def test_counting_values() -> None:
    for value in (
        None, True, 1, -1, 200, -200, 70_000, -70_000, 2**40, -(2**40), 0.5, "", "a" * 31, "a" * 200, "a" * 70_000,
        b"", b"x" * 200, b"x" * 300, b"x" * 70_000, [], [1] * 15, [1] * 16, {}, {"a": 1},
        {str(i): [] for i in "abcdefghijklmnop"},
        [0] * 70_000, {str(i): i for i in range(70_000)}, ormsgpack.Ext(5, b"x"), ormsgpack.Ext(5, b"x" * 3),
        *(ormsgpack.Ext(1, b"x" * 2**power) for power in range(5)), ormsgpack.Ext(5, b"x" * 300),
        ormsgpack.Ext(5, b"x" * 70_000),
    ):  # fmt: skip
        assert count_values(ormsgpack.packb([value, value]), 10**6) == 1 + 2 * _count(value)
    assert count_values(ormsgpack.packb([0] * 1_000), 10) == 10


def _count(value: Any) -> int:
    match value:
        case dict():
            return 1 + sum(1 + _count(one) for one in value.values())
        case list():
            return 1 + sum(map(_count, value))
    return 1


@pytest.mark.parametrize("msgpack", [False, True])
async def test_large_bodies_are_read_beside_the_loop(monkeypatch: pytest.MonkeyPatch, msgpack: bool) -> None:
    threads = set()

    def watched(*arguments: Any, **options: Any) -> bytes:
        threads.add(threading.current_thread())
        return decode(*arguments, **options)

    decode = binascii.a2b_base64
    monkeypatch.setattr(binascii, "a2b_base64", watched)
    audio = base64.b64encode(bytes(100_000)).decode()
    body = {"text": "a", "references": [{"audio": audio, "text": "b"}]}
    assert (await send(gateway_with(), body, msgpack=msgpack)).status_code == 200
    assert threads
    assert threading.main_thread() not in threads
