"""One question at every entrance: HTTP, the job API, a RunPod worker, gRPC. The answers are equal to the byte."""

import base64
import json
from typing import Any

import grpc
import httpx
import numpy as np
import ormsgpack
import pytest
from websockets.sync.client import connect

from serve_app.config.tasks import BUILT_IN_ENDPOINTS
from serve_app.contracts import choose
from serve_app.grpc.protos import speech_pb2
from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from serve_app.grpc.protos.speech_pb2_grpc import SpeechStub
from serve_app.grpc.protos.transcription_pb2 import TranscribeRequest
from serve_app.grpc.protos.transcription_pb2_grpc import TranscriptionStub
from tests.e2e.conftest import Server
from tests.serve_app.runpod_worker.job_source import JobSource
from tests.serve_app.runpod_worker.jobs import ivrit_job
from tests.serve_app.runpod_worker.running import Worker
from tests.serving import AUDIO, WEB

ROUTES = {
    "/v1/moderations": "classification",
    "/v1/audio/transcriptions": "transcription",
    "/v1/audio/speech": "speech",
}
TEXTS = ("Good morning.", "The Zorites are vermin, all of them.", "ünïcödé 😀 \u2028 @anna", "two words " * 300)
WAV = (AUDIO / "utt09.wav").read_bytes()
BLOB = base64.b64encode(WAV).decode()
FIELDS = {"language": "en", "response_format": "verbose_json", "timestamp_granularities[]": ["segment", "word"]}
FILE = {"name": "utt09.wav", "content_type": "audio/wav", "data": BLOB}
SPEECH = "/v1/audio/speech"
WORDS = "seven two green window. stop the water."
SPOKEN = {"text": WORDS, "format": "wav", "seed": 7, "temperature": 0.6, "chunk_length": 30}
ASKED = {"input": WORDS, "seed": 7, "temperature": 0.6, "chunk_length": 30, "stream": False}
JOBS: dict[str, Any] = {
    "one text": {"prompt": TEXTS[0]},
    "texts": {"text": list(TEXTS)},
    "ivrit": ivrit_job("utt09.wav"),
    "ivrit, whole": {**ivrit_job("utt09.wav"), "streaming": False},
    "ivrit, older": {"type": "blob", "data": BLOB, "model": "sample-asr"},
    "faster-whisper": {"audio_base64": BLOB, "model": "sample-asr", "language": "en", "word_timestamps": True},
    "openai, speech": {"openai_route": "/v1/audio/transcriptions", "openai_input": {**FIELDS, "file": FILE}},
    "openai, texts": {"openai_route": "/v1/moderations", "openai_input": {"input": list(TEXTS)}},
    "openai, stream": {
        "openai_route": "/v1/audio/transcriptions",
        "openai_input": {"language": "en", "stream": True, "file": FILE},
    },
    "a voice": SPOKEN,
    "a voice, streamed": {**SPOKEN, "format": "pcm", "streaming": True},
    "openai, a voice": {"openai_route": SPEECH, "openai_input": {**ASKED, "response_format": "wav"}},
    "openai, a voice in events": {
        "openai_route": SPEECH,
        "openai_input": {**ASKED, "response_format": "wav", "stream_format": "sse"},
    },
    "no text": {"text": " ", "format": "wav"},
    "a mistake": {"audio_base64": "AAAA", "model": "sample-asr"},
    "another": {"prompt": 7},
}


@pytest.fixture(scope="module")
def by_worker(runpod: Worker, source: JobSource) -> dict[str, dict[str, Any]]:
    """What a RunPod worker posts for each of the jobs: output or error."""
    found = {}
    for name, job_input in JOBS.items():  # one by one: batches of several may round otherwise
        body = source.job(name.replace(" ", "-"), job_input).final()
        found[name] = {key: body[key] for key in ("output", "error") if key in body}
    return found


def dumped(value: Any) -> bytes:
    """JSON as our HTTP writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def by_job(server: Server, job_input: Any) -> dict[str, Any]:
    """The same from the job API; the endpoint is found by the shape of the input."""
    task = ROUTES.get(job_input.get("openai_route", "")) or choose(job_input, None, None).task
    (endpoint,) = (name for name, does in BUILT_IN_ENDPOINTS.items() if does == task)
    answer = WEB.post(f"{server.url}/v2/{endpoint}/runsync", json={"input": job_input}, timeout=60).json()
    return {key: answer[key] for key in ("output", "error") if key in answer}


@pytest.mark.parametrize("name", JOBS)
def test_the_job_api_and_the_worker_agree(server: Server, by_worker: dict[str, dict[str, Any]], name: str) -> None:
    ours, theirs = by_job(server, JOBS[name]), by_worker[name]
    ids = ("id",) if name == "openai, texts" else ()  # an id of its own for every answer
    for found in (ours, theirs):
        for key in ids:
            assert found["output"].pop(key)
    assert dumped(ours) == dumped(theirs)


def test_texts_at_every_entrance(server: Server, by_worker: dict[str, dict[str, Any]]) -> None:
    url = f"{server.url}/v1/classify"
    answer = WEB.post(url, json={"input": list(TEXTS)}).raise_for_status()
    assert dumped(by_job(server, JOBS["texts"])["output"]) == answer.content
    assert dumped(by_worker["texts"]["output"]) == answer.content
    with grpc.insecure_channel(server.grpc) as channel:
        reply = ClassificationStub(channel).Classify(ClassifyRequest(texts=TEXTS))
    objects = json.loads(answer.content)
    for found, text, result in zip(objects, TEXTS, reply.results, strict=True):
        rebuilt = {"text": text, **{label: result.scores[label] for label in found if label in result.scores}}
        assert dumped({**rebuilt, "label": result.label, "truncated": result.truncated}) == dumped(found)


def test_speech_at_every_entrance(server: Server, by_worker: dict[str, dict[str, Any]]) -> None:
    files = {"file": ("utt09.wav", WAV, "audio/wav")}
    answer = WEB.post(f"{server.url}/v1/audio/transcriptions", data=FIELDS, files=files, timeout=60)
    openai = WEB.post(
        f"{server.url}/v2/transcribe/openai/v1/audio/transcriptions", data=FIELDS, files=files, timeout=60
    )
    assert answer.raise_for_status().content == openai.raise_for_status().content
    assert dumped(by_job(server, JOBS["openai, speech"])["output"]) == answer.content
    assert dumped(by_worker["openai, speech"]["output"]) == answer.content
    whole = answer.json()
    (segment,) = by_worker["ivrit, whole"]["output"][0]["result"]
    assert segment[0]["text"].strip() == whole["text"]
    assert by_worker["faster-whisper"]["output"]["transcription"] == whole["text"]
    with grpc.insecure_channel(server.grpc) as channel:
        fields = {"word_timestamps": "true"}
        reply = TranscriptionStub(channel).Transcribe(TranscribeRequest(audio=WAV, language="en", fields=fields))
    assert reply.text == whole["text"]
    assert round(reply.duration, 3) == whole["duration"]
    for ours, theirs in zip(reply.segments, whole["segments"], strict=True):
        assert (ours.text, round(ours.start, 3), round(ours.end, 3)) == (
            theirs["text"],
            theirs["start"],
            theirs["end"],
        )
        assert ours.avg_logprob == np.float32(theirs["avg_logprob"])
        assert ours.no_speech_prob == np.float32(theirs["no_speech_prob"])
    words = [
        {"word": word.word.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
        for segment in reply.segments
        for word in segment.words
    ]
    assert words == whole["words"]


def test_a_voice_at_every_entrance(server: Server, by_worker: dict[str, dict[str, Any]]) -> None:
    """One text with one seed: the same file, and the same samples in every stream."""

    def over_http(path: str, body: dict[str, Any]) -> bytes:
        return WEB.post(f"{server.url}{path}", json=body, timeout=60).raise_for_status().content

    wav = over_http("/v1/tts", SPOKEN)
    assert wav[:4] == b"RIFF"
    openai = {**ASKED, "response_format": "wav"}
    assert over_http(SPEECH, openai) == over_http(f"/v2/speech/openai{SPEECH}", openai) == wav
    for name, key in (("a voice", "audio"), ("openai, a voice", "data")):
        assert base64.b64decode(by_job(server, JOBS[name])["output"][key]) == wav
        assert base64.b64decode(by_worker[name]["output"][key]) == wav
    events = "".join(by_worker["openai, a voice in events"]["output"]).split("\n\n")[:-3]
    sound = b"".join(base64.b64decode(json.loads(event.removeprefix("data: "))["audio"]) for event in events)
    assert sound[44:] == wav[44:]

    pcm = over_http("/v1/tts", {**SPOKEN, "format": "pcm", "streaming": True})
    assert pcm == wav[44:]
    for chunks in (by_job(server, JOBS["a voice, streamed"]), by_worker["a voice, streamed"]):
        assert len(chunks["output"]) > 2
        assert b"".join(base64.b64decode(chunk["audio_chunk"]) for chunk in chunks["output"]) == pcm
    with grpc.insecure_channel(server.grpc) as channel:
        stub, request = SpeechStub(channel), speech_pb2.SpeakRequest(text=WORDS, seed=7)
        request.temperature, request.chunk_length = 0.6, 30
        whole = stub.Speak(request)
        assert whole.audio == wav
        assert len(pcm) == round(2 * whole.sample_rate * whole.duration)
        request.format = speech_pb2.AUDIO_FORMAT_PCM
        assert b"".join(event.audio for event in stub.StreamSpeech(request)) == pcm


def test_a_cut_is_told_at_every_entrance(server: Server) -> None:
    """Five frames are a fifth of a second. What is streamed as bare audio has no place to say so."""
    short: dict[str, Any] = {"format": "pcm", "seed": 7, "max_new_tokens": 5, "chunk_length": 0}
    said, asked = {"text": WORDS, **short}, {"input": WORDS, "response_format": "pcm", **short}

    def over_http(path: str, body: dict[str, Any]) -> httpx.Response:
        return WEB.post(f"{server.url}{path}", json=body, timeout=60).raise_for_status()

    whole = [over_http("/v1/tts", {**said, "streaming": False}), over_http(SPEECH, {**asked, "stream": False})]
    whole += [
        over_http("/v1/invoke", {"text": WORDS, "max_new_tokens": 5, "format": "wav"}),
        over_http(f"/v2/speech/openai{SPEECH}", asked),
    ]
    assert [answer.headers.get("x-cut") for answer in whole] == ["true"] * 4
    assert "x-cut" not in over_http(SPEECH, asked).headers
    *_, done, _, _ = over_http(SPEECH, {**asked, "stream_format": "sse"}).text.split("\n\n")
    assert json.loads(done.removeprefix("data: "))["cut"] is True
    assert by_job(server, {**said, "streaming": False})["output"]["cut"] is True
    assert by_job(server, {**said, "streaming": True})["output"][-1]["cut"] is True
    assert by_job(server, {"openai_route": SPEECH, "openai_input": asked})["output"]["cut"] is True
    with grpc.insecure_channel(server.grpc) as channel:
        stub, request = SpeechStub(channel), speech_pb2.SpeakRequest(text=WORDS, max_new_tokens=5, chunk_length=0)
        assert stub.Speak(request).cut
        *_, last = stub.StreamSpeech(request)
        assert last.finished.cut
    with connect(f"ws{server.url.removeprefix('http')}/v1/tts/live") as live:
        live.send(ormsgpack.packb({"event": "start", "request": {**said, "text": ""}}))
        live.send(ormsgpack.packb({"event": "text", "text": WORDS}))
        live.send(ormsgpack.packb({"event": "stop"}))
        *_, finish = (ormsgpack.unpackb(message) for message in live if isinstance(message, bytes))
    assert finish == {"event": "finish", "reason": "stop", "cut": True}
