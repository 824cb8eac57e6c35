"""A replica without Ray: refusals, limits, voices, effects, moderation, and what becomes of one who leaves."""

import asyncio
import contextlib
import io
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.calls import Calls
from deployments.errors import (
    AudioTooLong,
    ContentRefused,
    DeadlineExceeded,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
    UndecodableAudio,
    VoiceConflict,
    VoiceNotFound,
)
from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.deployment import FishSpeechReplica
from deployments.fish_speech.types import (
    NewVoice,
    SamplingOptions,
    Speech,
    SpeechEvent,
    SpeechRequest,
    Started,
    VoiceChange,
    collect,
)
from deployments.model_state import ModelState
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.deployment import TextClassificationReplica
from tests.deployments.fish_speech.support import MODEL, VOICE, recordings, until_true

CLASSIFIER = Path(__file__).parents[3] / "samples" / "classifier" / "model"
DATA = Path(__file__).parent / "text" / "data"
SHIPPED = str(VOICE.parent)
RATE = 16_000


class Board:
    """Takes the place of the board of states."""

    def __init__(self) -> None:
        self.reports: list[ModelState] = []
        self.report = SimpleNamespace(remote=self._report)

    async def _report(self, model: str, replica: str, state: ModelState) -> None:
        self.reports.append(state)


@contextlib.asynccontextmanager
async def replica(
    *,
    board: Board | None = None,
    classifier: Calls | None = None,
    refuse: dict[str, float] | None = None,
    **config: Any,
) -> AsyncIterator[FishSpeechReplica]:
    engine = {"device": "cpu", **config.pop("engine", {})}
    voices = {"shipped": [SHIPPED], **config.pop("voices", {})}
    settings = FishSpeechConfig.model_validate(
        {"source": str(MODEL), "engine": engine, "voices": voices, "default_voice": "slt", **config}
    )
    running = FishSpeechReplica("voice", settings, board or Board(), classifier, refuse)
    try:
        await running.start()
        yield running
    finally:
        await running.close()


def request(text: str = "seven", **options: Any) -> SpeechRequest:
    sampling = SamplingOptions(**{"seed": 1, "temperature": 0.0, **options.pop("sampling", {})})
    return SpeechRequest(text=text, sampling=sampling, **options)


async def spoken(running: FishSpeechReplica, asked: SpeechRequest, *references: bytes) -> Speech:
    async def events() -> AsyncIterator[SpeechEvent]:
        async for events_of_chunk in running.speak(asked, *map(uint8, references)):
            for event in events_of_chunk:
                yield event

    return await collect(events())


def uint8(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def tone(seconds: float) -> bytes:
    """A WAV of a hum."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        samples = 8_000 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE)) / RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


async def test_speech_has_a_beginning_sound_and_an_end() -> None:
    board = Board()
    async with replica(board=board) as running:
        speech = await spoken(running, request("good morning world"))
        assert speech.started.sample_rate == RATE
        assert (speech.started.seed, speech.started.segments) == (1, 1)
        assert speech.started.text_tokens > 2
        assert len(speech.samples) == speech.finished.samples == speech.finished.frames * 640
        assert 0.3 < speech.seconds < 3
        assert not speech.finished.cut
        assert np.abs(speech.samples).max() > 0.05
    assert "ready" in {state.phase for state in board.reports}


async def test_what_a_request_leaves_out_is_the_models_default() -> None:
    async with replica(sampling={"temperature": 0.0, "max_new_tokens": 5}) as running:
        few = await spoken(running, SpeechRequest(text="good morning world"))
        assert (few.finished.frames, few.finished.cut) == (5, True)
        more = await spoken(running, request("good morning world", sampling={"max_new_tokens": 8}))
        assert more.finished.frames == 8


async def test_what_takes_too_long_is_cut_and_tried_once_more_if_nobody_has_heard_it() -> None:
    limits = {"pause_s": 0.2, "letter_s": 0.001}
    async with replica(segments=limits, engine={"first_chunk_frames": 1, "chunk_frames": 1}) as running:
        asked = request("good morning world", sampling={"temperature": 2.0, "top_p": 1.0})
        streamed, whole, again = [
            await spoken(running, asked.model_copy(update={"whole": flag})) for flag in (False, True, True)
        ]
    assert [(one.finished.frames, one.finished.cut) for one in (streamed, whole, again)] == [(6, True)] * 3
    np.testing.assert_array_equal(whole.samples, again.samples)
    assert not np.array_equal(whole.samples, streamed.samples), "other draws"


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("", InvalidRequest, "empty"),
        (" \n\t", InvalidRequest, "blank"),
        ("...!?", InvalidRequest, "nothing that can be spoken"),
        ("a" * 101, PayloadTooLarge, "more than the 100"),
        ("half \ud800", InvalidRequest, "surrogate"),
        ("half \ud800" * 20, PayloadTooLarge, "more than the 100"),
        (" " * 101, InvalidRequest, "blank"),
    ],
)
async def test_texts_that_are_refused(text: str, kind: type[Exception], sentence: str) -> None:
    async with replica(max_text_chars=100) as running:
        with pytest.raises(kind, match=sentence):
            await spoken(running, request(text))
        assert (await spoken(running, request())).seconds > 0


async def test_control_tokens_that_a_user_types_are_letters() -> None:
    async with replica() as running:
        typed = await spoken(running, request("seven<|im_end|>", sampling={"max_new_tokens": 40}))
        assert typed.started.text_tokens > 8  # one for every letter of it, and not a single control token


async def test_voices_are_looked_up_and_never_made_up() -> None:
    async with replica() as running:
        default = await spoken(running, request("good evening"))
        named = await spoken(running, request("good evening", voice="slt"))
        np.testing.assert_array_equal(default.samples, named.samples)
        ((text, audio),) = recordings()
        given = await spoken(running, request("good evening", reference_texts=(text,)), audio)
        np.testing.assert_array_equal(given.samples, named.samples)
        for voice in ("nobody", "../slt", "/etc", "slt/../slt", "", "\0", "a" * 300):
            if voice:
                with pytest.raises(VoiceNotFound):
                    await spoken(running, request(voice=voice))
        with pytest.raises(InvalidRequest, match="1 recordings and 0 transcripts"):
            await spoken(running, request(), audio)


@pytest.mark.parametrize(
    ("references", "kind"),
    [
        ([b"no audio at all" * 50], UndecodableAudio),
        ([tone(3)[:40]], UndecodableAudio),
        ([tone(50), tone(45)], AudioTooLong),
        ([tone(0.01)], InvalidRequest),
    ],
)
async def test_references_that_are_refused(references: list[bytes], kind: type[Exception]) -> None:
    async with replica() as running:
        with pytest.raises(kind) as refusal:
            await spoken(running, request(reference_texts=("hm",) * len(references)), *references)
        assert getattr(refusal.value, "param", "") == "references"
        assert (await spoken(running, request())).seconds > 0


async def test_a_voice_is_kept_used_renamed_and_deleted(tmp_path: Path) -> None:
    async with replica(voices={"library": str(tmp_path / "voices")}) as running:
        ((text, audio),) = recordings()
        added = await running.add_voice(None, NewVoice(id="mine", texts=(text,)), uint8(audio))
        assert added.texts == (text,)
        assert [voice.id for voice in await running.voices()] == ["mine", "slt"]
        ours = await spoken(running, request("good evening", voice="mine"))
        shipped = await spoken(running, request("good evening", voice="slt"))
        np.testing.assert_array_equal(ours.samples, shipped.samples)
        with pytest.raises(VoiceConflict):
            await running.add_voice(None, NewVoice(id="mine", texts=(text,)), uint8(audio))
        with pytest.raises(UndecodableAudio):
            await running.add_voice(None, NewVoice(id="broken", texts=(text,)), uint8(b"nothing" * 99))
        await running.change_voice(None, "mine", VoiceChange(id="ours"))
        assert (await running.voice(None, "ours")).texts == (text,)
        with pytest.raises(VoiceNotFound):
            await spoken(running, request(voice="mine"))
        await running.delete_voice(None, "ours")
        assert [voice.id for voice in await running.voices()] == ["slt"]
        with pytest.raises(VoiceConflict):
            await running.delete_voice(None, "slt")


async def test_tempo_volume_and_rate() -> None:
    async with replica() as running:
        plain = await spoken(running, request("good morning world"))
        fast = await spoken(running, request("good morning world", speed=2.0))
        loud = await spoken(running, request("good morning world", volume_db=6.0))
        high = await spoken(running, request("good morning world", sample_rate=44_100))
    assert fast.seconds == pytest.approx(plain.seconds / 2, abs=0.06)
    np.testing.assert_allclose(loud.samples, np.clip(plain.samples * 10 ** (6 / 20), -1, 1), atol=1e-5)
    assert high.started.sample_rate == 44_100
    assert high.seconds == pytest.approx(plain.seconds, abs=0.02)


async def test_codes_of_sound_and_sound_of_codes() -> None:
    async with replica() as running:
        ((_, audio),) = recordings()
        (codes,) = await running.encode(None, uint8(audio))
        assert codes.dtype == np.int32
        assert codes.shape[0] == 4
        (decoded,) = await running.decode(None, codes)
        assert (decoded.sample_rate, len(decoded.samples)) == (RATE, codes.shape[1] * 640)
        for wrong in (codes[:3], codes - 1_000, codes + 200, np.zeros((4, 0), np.int32), codes[0]):
            with pytest.raises(InvalidRequest, match="Codes have to be"):
                await running.decode(None, wrong)


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    async with replica(queue_requests=2) as running:
        speaking = [running.speak(request("one two three four five six seven eight nine")) for _ in range(2)]
        for one in speaking:
            await anext(one)
        with pytest.raises(Overloaded) as refusal:
            await spoken(running, request())
        assert refusal.value.retry_after_s >= 1
        for one in speaking:
            await one.aclose()
        assert (await spoken(running, request())).seconds > 0


async def test_a_leaver_frees_its_slot() -> None:
    async with replica(engine={"slots": 1}) as running:
        speaking = running.speak(request(" ".join(["one two three four five"] * 6), sampling={"chunk_length": 0}))
        await anext(speaking)
        (model,) = running._models._pool.loaded.values()
        assert model.scheduler.live == 1
        await speaking.aclose()
        await asyncio.wait_for(until_true(lambda: model.scheduler.live == 0), 10)
        assert running._admission.requests == 0
        assert (await spoken(running, request())).seconds > 0


async def test_the_deadline_ends_it() -> None:
    async with replica() as running:
        with pytest.raises(DeadlineExceeded):
            await spoken(running, request("one two three four five six seven", deadline=1.0))
        assert (await spoken(running, request())).seconds > 0


class Answer:
    """The response of a handle."""

    def __init__(self, value: Any) -> None:
        self._task = asyncio.ensure_future(asyncio.sleep(0, value))

    def __await__(self) -> Any:
        return self._task.__await__()

    def cancel(self) -> None:
        self._task.cancel()


class Judge:
    """A classifier that looks for a door, and keeps what it has read."""

    def __init__(self, *, unread: bool = False) -> None:
        self.texts: list[str] = []
        self._unread = unread
        self.calls = Calls(SimpleNamespace(judge_text=SimpleNamespace(remote=self._judge)), "words")

    def _judge(self, text: str, deadline: float | None) -> Answer:
        self.texts.append(text)
        return Answer(({"hate": 0.9 if "door" in text else 0.1, "neutral": 0.1}, 3, self._unread))


async def test_a_classifier_reads_what_will_be_spoken() -> None:
    judge = Judge()
    async with replica(classifier=judge.calls, refuse={"hate": 0.5}) as running:
        for options in (
            {"text": "open the door"},
            {"text": "open the d\U0001f600o\u200bo\u00adr"},
            {"text": "go. " * 500 + "door", "sampling": {"chunk_length": 4}},
            {"text": "<s>open</s>the<break time='0s'/>door", "text_format": "ssml"},
            {"text": "go", "before": "open the do\u200bor"},
        ):
            with pytest.raises(ContentRefused, match=r"hate \(0.90\)"):
                await spoken(running, request(**options))
        fine = await spoken(running, request("# good *morning*  3 ", text_format="markdown", normalize="en"))
        assert fine.started.classification == {"hate": 0.1, "neutral": 0.1}
        assert fine.started.judged_pieces == 3
    assert judge.texts[1:2] + judge.texts[3:] == [
        "open the door", "open the door", "open the door go", "good morning three"
    ]  # fmt: skip


async def test_what_a_classifier_cannot_read_is_refused() -> None:
    async with replica(classifier=Judge(unread=True).calls, refuse={"hate": 0.5}) as running:
        with pytest.raises(ContentRefused, match="cannot read all of it"):
            await spoken(running, request("good morning"))
    async with replica(classifier=Judge(unread=True).calls) as running:
        assert (await spoken(running, request("good morning"))).started.judged_pieces == 3


async def test_texts_that_say_the_same_sound_the_same() -> None:
    async with replica() as running:
        plain = await spoken(running, request("good morning, seven"))
        for text, text_format in (
            ("  good\u00a0 mor\u00adning,\tseven\ufeff \U0001f914 ", "plain"),
            ("**good** _morning_, `seven`", "markdown"),
            ("<speak>good <!-- --> morning, seven</speak>", "ssml"),
        ):
            other = await spoken(running, request(text, text_format=text_format))
            assert np.array_equal(other.samples, plain.samples)
        assert plain.started.judged_pieces == 0


@pytest.mark.parametrize("speed", [1.0, 2.0])
async def test_breaks_are_silence_of_their_length(speed: float) -> None:
    async with replica() as running:
        text = "seven<break time='{}s'/>nine"
        short, long = [
            await spoken(running, request(text.format(seconds), text_format="ssml", speed=speed))
            for seconds in (0, 2)
        ]
    assert long.seconds - short.seconds == pytest.approx(2, abs=0.05)
    assert long.finished.frames == short.finished.frames
    quiet = np.convolve(np.abs(long.samples) < 1e-4, np.ones(int(1.8 * RATE)), "valid").max()
    assert quiet > 1.79 * RATE


async def test_the_classifier_of_this_project_hears_all_of_a_text() -> None:
    """Texts from the field: a hateful sentence behind 2,000 harmless characters, one with emoji in its words."""
    hate = "The Zorites are vermin, all of them."
    settings = TextClassificationConfig.model_validate({"source": str(CLASSIFIER), "engine": {"device": "cpu"}})
    reader = TextClassificationReplica("words", settings)
    await reader.start()
    handle = SimpleNamespace(
        judge_text=SimpleNamespace(remote=lambda *args: asyncio.ensure_future(reader.judge_text(*args)))
    )
    harmless = "Good morning. Please turn the light on. " * 50
    inside = json.loads((DATA / "moderation_emoji_inside_words.json").read_text())["input"]
    try:
        async with replica(classifier=Calls(handle, "words"), refuse={"hate": 0.5, "abusing": 0.5}) as running:
            disguised = f"@{hate}".replace(" ", " @")
            for text in (hate, harmless + hate, hate + harmless, harmless + hate + harmless, inside, disguised):
                with pytest.raises(ContentRefused):
                    await spoken(running, request(text, sampling={"max_new_tokens": 1}))
            fine = request(harmless[:200], sampling={"max_new_tokens": 1, "chunk_length": 0})
            assert (await spoken(running, fine)).started.judged_pieces > 1
    finally:
        await reader.close()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{}{"),
        ("config.json", b'{"dim": 7}'),
        ("model.pth", b"no weights"),
        ("model.pth", None),
        ("tokenizer.tiktoken", b"!!! 1"),
        ("special_tokens.json", b"[]"),
        ("firefly.json", b'{"head": 3}'),
        ("firefly-gan-vq-fsq-4x200-25hz-generator.pth", None),
    ],
)
async def test_wrong_checkpoint_files_are_named(tmp_path: Path, file: str, content: bytes | None) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in MODEL.iterdir():
        if path.name != file:
            (folder / path.name).symlink_to(path)
    if content is not None:
        (folder / file).write_bytes(content)
    board = Board()
    with pytest.raises(ModelUnavailable) as failure:
        async with replica(board=board, source=str(folder)):
            pass
    expected = "firefly" if file.startswith("firefly") else file
    assert expected in failure.value.message
    assert board.reports[-1].phase == "failed"


async def test_the_first_parcel_has_sound() -> None:
    async with replica() as running:
        speaking = running.speak(request("good morning"))
        first = await anext(speaking)
        await speaking.aclose()
    assert isinstance(first[0], Started)
    assert len(first) == 2
