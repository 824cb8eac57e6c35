"""``/v1/tts/live`` message by message, without a server."""

import asyncio

import ormsgpack
import pytest

from tests.serve_app.http.fish.live.support import SPOKEN, Live, size_of
from tests.serve_app.http.fish.support import WAV, gateway_with, voice
from tests.serve_app.http.speech_stub import CHUNK


async def test_a_session() -> None:
    gateway = gateway_with(voice("anna"))
    session = Live(gateway, model="s1").start(reference_id="anna", seed=-5, temperature=0.3)
    sound, last, closed = await session.text("One, two,", " three.").stop().finished()
    assert len(sound) == size_of("One, two, three.")
    assert (last, closed["code"]) == ({"event": "finish", "reason": "stop", "cut": False}, 1000)
    request = gateway.spoken
    assert (request.text, request.voice, request.model) == ("One, two, three.", "anna", "s1")
    assert (request.sampling.seed, request.sampling.temperature) == (5, 0.3)
    assert (gateway.speaking, gateway.closed) == (0, 0)


async def test_the_last_message_says_that_a_piece_was_cut() -> None:
    gateway = gateway_with()
    gateway.cut = True
    session = Live(gateway).start(min_chunk_length=0, format="wav", streaming=False).text("One.")
    await session.audio(44 + size_of("One."))
    gateway.cut = False
    _, last, _ = await session.text("Two.").stop().finished()
    assert last == {"event": "finish", "reason": "stop", "cut": True}
    assert not any(asked.whole for asked in gateway.speech_requests), "pieces are heard while they are made"


async def test_sentences_are_spoken_before_the_text_ends() -> None:
    gateway = gateway_with()
    session = Live(gateway).start(min_chunk_length=0).text("One. Tw")
    await session.audio(size_of("One."))
    session.text("o. Three")
    await session.audio(size_of("Two."))
    session.send({"event": "flush"})
    await session.audio(size_of("Three"))
    session.text("four").stop()
    sound, last, _ = await session.finished()
    assert (len(sound), last["reason"]) == (size_of("four"), "stop")
    assert [one.text for one in gateway.speech_requests] == ["One.", "Two.", "Three", "four"]


async def test_one_voice_for_the_whole_session() -> None:
    """The seed is drawn once, and references come with every piece."""
    gateway = gateway_with()
    reference = {"audio": WAV, "text": "Silence."}
    session = Live(gateway).start(min_chunk_length=0, references=[reference], prosody={"speed": 1.5})
    await session.text("One.").audio(size_of("One."))
    await session.text("Two.").stop().finished()
    first, second = gateway.speech_requests
    assert first.sampling.seed is not None
    assert "seed" in first.sampling.model_fields_set
    assert second == first.model_copy(update={"text": "Two.", "before": "One."})
    assert first.reference_texts == ("Silence.",)
    assert gateway.references == [[WAV], [WAV]]


async def test_one_file_for_the_whole_session() -> None:
    session = Live(gateway_with()).start(min_chunk_length=0, format="wav").text("One.")
    first = await session.audio(44 + size_of("One."))
    rest, _, _ = await session.text("Two.").stop().finished()
    assert first[:4] == b"RIFF"
    assert len(rest) == size_of("Two.")


async def test_text_of_the_first_message() -> None:
    sound, _, _ = await Live(gateway_with()).start(text=SPOKEN).stop().finished()
    assert len(sound) == size_of(SPOKEN)


async def test_nothing_to_say() -> None:
    gateway = gateway_with()
    for texts in ((), ("", " \n")):
        sound, last, closed = await Live(gateway).start().text(*texts).stop().finished()
        assert (sound, last["reason"], closed["code"]) == (b"", "stop", 1000)
    for texts in (("... ", "***"), ("…", "🤔"), ("\u200b", "\ufeff")):
        sound, last, closed = await Live(gateway).start().text(*texts).stop().finished()
        assert (sound, last["status"], closed["code"]) == (b"", 400, 1008)
        assert last["message"] == "The text has nothing that can be spoken; send words."
    assert gateway.speech_requests == []


async def test_signs_without_words_are_left_out_between_words() -> None:
    gateway = gateway_with()
    session = Live(gateway).start(min_chunk_length=0)
    session.text("One.").send({"event": "flush"})
    await session.audio(size_of("One."))
    session.text("… 🤔").send({"event": "flush"})
    for _ in range(50):  # it is left out before more comes
        await asyncio.sleep(0)
    await session.text("Two.").stop().finished()
    assert [one.text for one in gateway.speech_requests] == ["One.", "Two."]


async def test_ssml_is_spoken_from_flush_to_flush() -> None:
    gateway = gateway_with()
    session = Live(gateway).start(min_chunk_length=0, text_format="ssml")
    session.text("<speak>One. ", "Two.<break/>", "</speak>").send({"event": "flush"})
    session.text("<speak><break/></speak>").send({"event": "flush"})
    await session.text("<s>Three</s>").stop().finished()
    first, second = gateway.speech_requests
    assert (first.text, first.before) == ("<speak>One. Two.<break/></speak>", "")
    assert (second.text, second.before) == ("<s>Three</s>", "One. Two.")
    _, last, closed = await Live(gateway).start(text_format="ssml").text("<b>One</b>").stop().finished()
    assert (last["status"], closed["code"]) == (400, 1008)
    assert last["message"].startswith("`<b>` is not understood here")


async def test_small_messages() -> None:
    """Clients take 64 KiB."""
    session = Live(gateway_with()).start(sample_rate=48_000).text(SPOKEN).stop()
    sizes = []
    while (event := await session.received())["event"] == "audio":
        sizes.append(len(ormsgpack.packb(event)))
    assert max(sizes) < 65_536
    assert sum(sizes) > size_of(SPOKEN) * 3


async def test_texts_come_in_while_speech_goes_out() -> None:
    gateway = gateway_with()
    waiting = gateway.hindrances[1] = asyncio.Event()
    session = Live(gateway).start(min_chunk_length=0).text("One, two, three.")
    await session.audio(CHUNK * 2)
    session.text("Four.", "Five.", " Six.").stop()
    while gateway.speaking and session.call.unread:
        await asyncio.sleep(0)
    waiting.set()
    sound, _, _ = await session.finished()
    assert len(sound) == size_of("One, two, three.") - CHUNK * 2 + size_of("Four.Five. Six.")
    assert [one.text for one in gateway.speech_requests] == ["One, two, three.", "Four.Five. Six."]


@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_leaves_stops_the_work(begun: bool) -> None:
    gateway = gateway_with()
    gateway.hindrances = {1 if begun else 0: asyncio.Event()}
    session = Live(gateway).start().text(SPOKEN)
    if begun:
        await session.audio(CHUNK * 2)
    while not gateway.speaking:
        await asyncio.sleep(0)
    session.call.deliver({"type": "websocket.disconnect", "code": 1001})
    await session.call.finished()
    assert (gateway.speaking, gateway.closed) == (0, 1)


async def test_a_client_that_leaves_while_nothing_is_said() -> None:
    for session in (
        Live(gateway_with()),
        Live(gateway_with()).start().text("a"),
        Live(gateway_with()).start().stop(),
    ):
        session.call.deliver({"type": "websocket.disconnect", "code": 1006})
        await session.call.finished()
