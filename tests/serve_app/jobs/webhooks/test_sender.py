"""Senders and real receivers on the loopback."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy.exc import OperationalError
from standardwebhooks.webhooks import Webhook

from serve_app.jobs.storage.database import Database
from serve_app.jobs.webhooks import queue
from serve_app.jobs.webhooks.signature import read_secrets
from tests.serve_app.jobs.webhooks.conftest import Rows, StartSender
from tests.serve_app.jobs.webhooks.receiver import Receiver, receiving, until

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
START: dict[str, Any] = {"recording_id": "r1", "status": "transcribing", "timestamp": None}
DONE: dict[str, Any] = {
    "recording_id": "r1",
    "status": "completed",
    "transcription": [{"start": 0.0, "end": 2.5, "text": "שלום ☕ \u2028"}],
    "timestamp": None,
}


def hanging(released: asyncio.Event | None = None) -> Any:
    """Answers when it is released."""

    async def answer(number: int) -> web.StreamResponse:
        await (released or asyncio.Event()).wait()
        return web.Response()

    return answer


async def test_webhooks_arrive_in_order_and_verify(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    rows.add("job", f"{receiver.url}/hook", START, DONE)
    start_sender(read_secrets({"WEBHOOK_SECRET": SECRET}))
    await rows.become("delivered", "delivered")
    assert receiver.payloads("/hook") == [START, DONE]
    assert receiver.calls[0].headers["Content-Type"] == "application/json"
    ids = set()
    for call, row in zip(receiver.calls, rows.all(), strict=True):
        again = json.dumps(call.payload, sort_keys=True).encode()
        assert again == call.body  # so both ways to check the old signature are one
        expected = hmac.new(SECRET.encode(), again, hashlib.sha256).hexdigest()
        assert call.headers["X-Webhook-Signature"] == expected
        assert Webhook(SECRET).verify(call.body, dict(call.headers)) == call.payload
        assert abs(int(call.headers["webhook-timestamp"]) - time.time()) < 60
        assert (row.id, row.attempts, row.last_status) == (call.id, 1, 200)
        ids.add(call.id)
    assert len(ids) == 2


async def test_without_a_secret_there_is_no_signature(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    rows.add("job", f"{receiver.url}/hook", START)
    start_sender()
    await rows.become("delivered")
    (call,) = receiver.calls
    assert {"webhook-id", "webhook-timestamp"} <= set(call.headers)
    assert not {"webhook-signature", "X-Webhook-Signature"} & set(call.headers)


async def test_a_poke_is_enough(rows: Rows, receiver: Receiver, start_sender: StartSender) -> None:
    sender = start_sender(poll_s=3_600.0)
    rows.add("job", f"{receiver.url}/hook", START)
    sender.poke()
    await rows.become("delivered")
    rows.add("job", f"{receiver.url}/hook", DONE)
    sender.poke()
    await rows.become("delivered", "delivered")


async def test_tries_again_have_the_same_id_and_a_time_of_their_own(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    receiver.statuses("/hook", 500, 404, 302, 200, 200, Location="/elsewhere")
    rows.add("job", f"{receiver.url}/hook", START, DONE)
    start_sender(read_secrets({"WEBHOOK_SECRET": SECRET}))
    for attempt, (status, delay) in enumerate([(500, 5), (404, 30), (302, 120)], 1):
        await until(lambda n=attempt: len(receiver.calls) == n and rows.all()[0].lease_until == 0)  # type: ignore[misc]
        row = rows.all()[0]
        assert (row.state, row.attempts, row.last_status) == ("pending", attempt, status)
        assert f"HTTP status {status}" in str(row.last_error)
        wait = row.next_at - rows.clock()
        assert delay * 0.9 < wait <= delay * 1.2
        rows.clock.ahead_s += wait
    await rows.become("delivered", "delivered")
    assert receiver.payloads("/hook") == [START, START, START, START, DONE]
    first, *others = receiver.calls[:4]
    assert {call.id for call in others} == {first.id}
    times = [int(call.headers["webhook-timestamp"]) for call in receiver.calls[:4]]
    assert times == sorted(times)
    assert times[3] - times[0] > 150
    assert len({call.headers["webhook-signature"] for call in receiver.calls[:4]}) == 4
    assert not receiver.payloads("/elsewhere")


async def test_it_is_given_up_after_the_last_attempt_and_the_next_one_goes_on(
    rows: Rows, receiver: Receiver, start_sender: StartSender, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses("/down", 503, 503, 503, 200)
    rows.add("job", f"{receiver.url}/down?token=hidden", {"words": "confidential"})
    rows.add("job", f"{receiver.url}/down?token=hidden", DONE)
    with caplog.at_level(logging.DEBUG, "serve_app"):
        start_sender(read_secrets({"WEBHOOK_SECRET": SECRET}), attempts=3)
        for attempt in range(1, 3):
            await until(lambda n=attempt: rows.all()[0].attempts == n and rows.all()[0].lease_until == 0)  # type: ignore[misc]
            assert rows.states() == ["pending", "pending"]
            rows.clock.ahead_s += 40
        dead, _ = await rows.become("dead", "delivered")
    assert (dead.attempts, dead.last_status, dead.finished is not None) == (3, 503, True)
    assert [call.payload for call in receiver.calls] == [{"words": "confidential"}] * 3 + [DONE]
    assert f"{dead.id} of job job is given up" in caplog.text
    assert not [
        word for word in ("hidden", "confidential", SECRET, SECRET[6:], "0123456789") if word in caplog.text
    ]
    rows.database.transact(lambda c: queue.replay(c, rows.clock(), dead=True))
    receiver.statuses("/down", 200)
    await rows.become("delivered", "delivered")
    assert len({call.id for call in receiver.calls if call.payload != DONE}) == 1


async def test_410_is_the_end(rows: Rows, receiver: Receiver, start_sender: StartSender) -> None:
    receiver.statuses("/gone", 410)
    rows.add("job", f"{receiver.url}/gone", START)
    rows.add("job", f"{receiver.url}/hook", DONE)
    start_sender()
    gone, _ = await rows.become("dead", "delivered")
    assert (gone.attempts, gone.last_status) == (1, 410)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(
    rows: Rows, receiver: Receiver, start_sender: StartSender, form: str
) -> None:
    wanted = "100" if form == "seconds" else formatdate(time.time() + 100, usegmt=True)
    receiver.statuses("/busy", 429, 200, Retry_After=wanted)
    rows.add("job", f"{receiver.url}/busy", START)
    start_sender()
    await until(lambda: rows.all()[0].last_status == 429)
    assert 90 < rows.all()[0].next_at - time.time() <= 121
    rows.clock.ahead_s += 60
    rows.add("other", f"{receiver.url}/hook", START)
    await rows.become("delivered", owner="other")
    assert len(receiver.payloads("/busy")) == 1
    rows.clock.ahead_s += 70
    await rows.become("delivered", owner="job")
    assert len(receiver.payloads("/busy")) == 2


async def test_a_receiver_that_is_down_is_waited_for(rows: Rows, start_sender: StartSender) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    rows.add("job", f"http://127.0.0.1:{port}/hook", START)
    start_sender()
    await until(lambda: rows.all()[0].last_error is not None)
    row = rows.all()[0]
    assert (row.state, row.last_status) == ("pending", None)
    assert "does not accept connections" in str(row.last_error)


async def test_slow_receivers_are_given_up_in_time_and_hold_up_nobody(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    receiver.answers["/slow"] = hanging()
    for number in range(6):
        rows.add(f"a{number:02}", f"{receiver.url}/slow", START)
    async with receiving("127.0.0.2") as other:
        for number in range(10):
            rows.add(f"b{number:02}", f"{other.url}/fast", START, DONE)
        start_sender(concurrency=8, timeout_s=1)
        await until(lambda: all(row.state == "delivered" for row in rows.all() if row.owner.startswith("b")))
        assert len(other.payloads("/fast")) >= 20
        await until(lambda: all(row.last_error for row in rows.all() if row.owner.startswith("a")))
    assert 2 <= receiver.together["/slow"] <= 4  # a fourth of all, and those whose end the receiver has yet to see
    row = rows.all("a00")[0]
    assert (row.state, row.last_status) == ("pending", None)
    assert "did not answer in 1 s" in str(row.last_error)


async def test_a_slow_receiver_delays_only_what_it_gets_itself(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    released = asyncio.Event()
    receiver.answers["/slow"] = hanging(released)
    rows.add("slow", f"{receiver.url}/slow", START)
    rows.add("slow", f"{receiver.url}/slow", DONE)
    rows.add("slow", f"{receiver.url}/hook", DONE)
    rows.add("other", f"{receiver.url}/hook", START)
    start_sender()
    await rows.become("delivered", owner="other")
    await rows.become("pending", "pending", "delivered", owner="slow")
    released.set()
    await rows.become("delivered", "delivered", "delivered", owner="slow")
    assert receiver.payloads("/slow") == [START, DONE]


async def test_private_addresses_are_refused_by_default(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    rows.add("a", f"{receiver.url}/hook", START)
    rows.add("b", receiver.url.replace("127.0.0.1", "localhost"), START)
    rows.add("c", "http://169.254.169.254/latest/meta-data", START)
    start_sender(allowed_networks=())
    for row in await rows.become("dead", "dead", "dead"):
        assert "not on the public internet" in str(row.last_error)
        assert row.attempts == 1
    assert receiver.calls == []


async def test_a_redirect_inside_is_not_followed(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    async with receiving("127.0.0.2") as inside:
        receiver.statuses("/hook", 307, Location=f"{inside.url}/admin")
        rows.add("job", f"{receiver.url}/hook", START)
        start_sender(allowed_networks=("127.0.0.1/32",))
        await until(lambda: rows.all()[0].last_status == 307)
        assert "give the final URL" in str(rows.all()[0].last_error)
        assert inside.calls == []


async def test_several_senders_share_a_queue_on_both_databases(
    opened: Database, receiver: Receiver, start_sender: StartSender, rows: Rows, tmp_path: Any
) -> None:
    """Each row is sent once, none by two at once, and every job's in order."""
    own = Rows(opened, rows.clock)
    failures = 0

    async def answer(number: int) -> web.StreamResponse:
        nonlocal failures
        await asyncio.sleep(0.002)
        failures += (fails := number % 7 == 0)
        return web.Response(status=500 if fails else 200)

    receiver.answers["/hook"] = answer
    jobs = [f"job{number:02}" for number in range(30)]
    for job in jobs:
        own.add(job, f"{receiver.url}/hook", *({"job": job, "number": n} for n in range(3)))
    others = [Database(opened.url) for _ in range(2)]
    try:
        for database in (opened, *others):
            start_sender(database=database)
        async with asyncio.timeout(60):
            while not all(state == "delivered" for state in own.states()):
                rows.clock.ahead_s += 3
                await asyncio.sleep(0.05)
    finally:
        for database in others:
            await asyncio.to_thread(database.close)
    assert len(receiver.calls) == 90 + failures
    assert all(most == 1 for key, most in receiver.together.items() if key.startswith("msg_"))
    for job in jobs:
        numbers = [call.payload["number"] for call in receiver.calls if call.payload["job"] == job]
        assert numbers == sorted(numbers)
        assert set(numbers) == {0, 1, 2}


async def test_a_closed_sender_leaves_its_work_to_the_next_one(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    receiver.answers["/hook"] = hanging()
    rows.add("job", f"{receiver.url}/hook", START)
    sender = start_sender()
    await until(lambda: len(receiver.calls) == 1)
    await sender.close(grace_s=0)
    row = rows.all()[0]
    assert (row.state, row.attempts, row.lease_until) == ("pending", 0, 0)
    receiver.statuses("/hook", 200)
    start_sender()
    await rows.become("delivered")
    assert receiver.calls[0].id == receiver.calls[1].id


async def test_closing_lets_short_deliveries_end(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    released = asyncio.Event()
    receiver.answers["/hook"] = hanging(released)
    rows.add("job", f"{receiver.url}/hook", START, DONE)
    sender = start_sender()
    await until(lambda: len(receiver.calls) == 1)
    closing = asyncio.create_task(sender.close(grace_s=10))
    await asyncio.sleep(0)
    released.set()
    await closing
    assert rows.states() == ["delivered", "pending"]
    assert len(receiver.calls) == 1


async def test_cancelling_run_and_closing_then_releases_all(
    rows: Rows, receiver: Receiver, start_sender: StartSender
) -> None:
    receiver.answers["/hook"] = hanging()
    for number in range(5):
        rows.add(f"job{number}", f"{receiver.url}/hook", START)
    sender = start_sender()
    await until(lambda: len(receiver.calls) == 5)
    task = next(t for t in asyncio.all_tasks() if getattr(t.get_coro(), "__name__", "") == "run")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sender.close(grace_s=0)
    assert {(row.state, row.lease_until) for row in rows.all()} == {("pending", 0.0)}


async def test_flush_waits_for_what_is_due(rows: Rows, receiver: Receiver, start_sender: StartSender) -> None:
    released = asyncio.Event()
    receiver.answers["/hook"] = hanging(released)
    sender = start_sender()
    assert await sender.flush(5)
    rows.add("job", f"{receiver.url}/hook", START, DONE)
    assert not await sender.flush(0.2)
    released.set()
    assert await sender.flush(10)
    assert rows.states() == ["delivered", "delivered"]
    receiver.statuses("/down", 500)
    rows.add("job", f"{receiver.url}/down", START)
    assert await sender.flush(10)  # its next try is not due yet
    assert rows.states()[-1] == "pending"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite's only thread would be busy
async def test_flush_waits_for_outcomes_to_be_written(
    opened: Database, rows: Rows, receiver: Receiver, start_sender: StartSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered, writing, go_on = queue.delivered, threading.Event(), threading.Event()

    def slow(*args: Any, **options: Any) -> None:
        writing.set()
        go_on.wait(20)
        delivered(*args, **options)

    monkeypatch.setattr(queue, "delivered", slow)
    own = Rows(opened, rows.clock)
    own.add("job", f"{receiver.url}/hook", START)
    sender = start_sender(database=opened)
    await until(writing.is_set)
    assert not await sender.flush(0.2)
    go_on.set()
    assert await sender.flush(20)
    assert own.states() == ["delivered"]


async def test_a_database_that_fails_is_asked_again(
    rows: Rows, receiver: Receiver, start_sender: StartSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, fails = queue.claim, 3

    def failing(*args: Any, **options: Any) -> Any:
        nonlocal fails
        if fails:
            fails -= 1
            raise OperationalError("statement", {"body": "confidential"}, Exception("away"))
        return claim(*args, **options)

    monkeypatch.setattr(queue, "claim", failing)
    rows.add("job", f"{receiver.url}/hook", START, DONE)
    sender = start_sender()
    await until(lambda: sender.poke() or not fails)
    await rows.become("delivered", "delivered")
    assert receiver.payloads("/hook") == [START, DONE]


async def test_outcomes_outlive_a_database_that_fails(
    rows: Rows, receiver: Receiver, start_sender: StartSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered, fails = queue.delivered, 2

    def failing(*args: Any, **options: Any) -> Any:
        nonlocal fails
        if fails:
            fails -= 1
            raise OperationalError("statement", {}, Exception("away"))
        return delivered(*args, **options)

    monkeypatch.setattr(queue, "delivered", failing)
    rows.add("job", f"{receiver.url}/hook", START, DONE)
    start_sender()
    await rows.become("delivered", "delivered")
    assert receiver.payloads("/hook") == [START, DONE]  # once each


async def test_a_row_that_cannot_be_sent_at_all_is_no_end_of_the_sender(
    rows: Rows, receiver: Receiver, start_sender: StartSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serve_app.jobs.webhooks import sender as module

    real = module.deliver

    async def failing(webhook: Any, *args: Any, **options: Any) -> Any:
        if webhook.owner == "bad":
            raise RuntimeError("confidential")
        return await real(webhook, *args, **options)

    monkeypatch.setattr(module, "deliver", failing)
    rows.add("bad", f"{receiver.url}/hook", START)
    rows.add("good", f"{receiver.url}/hook", DONE)
    start_sender()
    await rows.become("delivered", owner="good")
    await until(lambda: rows.all("bad")[0].last_error is not None)
    assert "confidential" not in str(rows.all("bad")[0].last_error)


async def test_what_is_old_is_forgotten(rows: Rows, receiver: Receiver, start_sender: StartSender) -> None:
    rows.add("old", f"{receiver.url}/hook", START)
    sender = start_sender()
    await rows.become("delivered")
    await sender.close()
    rows.clock.ahead_s += 100
    rows.add("new", f"{receiver.url}/hook", START)
    start_sender(keep_s=60)
    await until(lambda: [row.owner for row in rows.all()] == ["new"])
    await rows.become("delivered")


async def test_large_bodies_arrive_whole(rows: Rows, receiver: Receiver, start_sender: StartSender) -> None:
    payload = {"text": "x" * 900_000}
    rows.add("job", f"{receiver.url}/hook", payload)
    start_sender(read_secrets({"WEBHOOK_SECRET": SECRET}))
    await rows.become("delivered")
    Webhook(SECRET).verify(receiver.calls[0].body, dict(receiver.calls[0].headers))
    assert receiver.calls[0].payload == payload


def test_a_network_that_is_none_is_told_when_the_configuration_is_read() -> None:
    from serve_app.config.jobs import WebhooksConfig

    with pytest.raises(ValueError, match="inside"):
        WebhooksConfig(allowed_networks=("inside",))
