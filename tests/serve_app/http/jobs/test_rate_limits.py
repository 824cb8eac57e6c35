"""RunPod's rates, by the clock and over HTTP."""

import contextlib
import threading

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import Overloaded
from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.http.app import create_app
from serve_app.http.jobs import routes
from serve_app.http.jobs.rate_limits import WINDOW_S, Rate, RateLimits
from serve_app.keys import ApiKeys
from tests.serve_app.http.jobs.conftest import sentence
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.server import serving, wait_until
from tests.serve_app.http.stub import StubGateway, client_of

IN_WINDOW, AT_ONCE = 4, 2
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 12)),
        st.tuples(st.just("enter"), st.sampled_from(["a", "b"])),
        st.tuples(st.just("leave"), st.sampled_from(["a", "b"])),
    ),
    max_size=60,
)


@given(STEPS)
def test_every_window_and_every_moment_keep_the_rate(steps: list[tuple[str, object]]) -> None:
    """Nobody is refused below the rate, nobody admitted above it, and the wait that is told is enough."""
    now = 1_000.0
    limits = RateLimits({"run": Rate(IN_WINDOW, AT_ONCE)}, lambda: now)
    admitted: dict[str, list[float]] = {"a": [], "b": []}
    inside: dict[str, list[contextlib.ExitStack]] = {"a": [], "b": []}
    for kind, value in steps:
        if kind == "wait":
            now += float(str(value))
        elif kind == "leave":
            if inside[str(value)]:
                inside[str(value)].pop().close()
        else:
            name = str(value)
            recent = [time for time in admitted[name] if time > now - WINDOW_S]
            stack = contextlib.ExitStack()
            if len(recent) < IN_WINDOW and len(inside[name]) < AT_ONCE:
                stack.enter_context(limits.admitted(name, "run"))
                admitted[name].append(now)
                inside[name].append(stack)
                continue
            with pytest.raises(Overloaded) as refused:
                stack.enter_context(limits.admitted(name, "run"))
            assert 0 <= refused.value.retry_after_s <= WINDOW_S
            if len(recent) == IN_WINDOW:
                assert recent[0] <= now + refused.value.retry_after_s - WINDOW_S + 1e-6
    for name in inside:
        for stack in inside[name]:
            stack.close()


def test_what_has_no_rate_is_admitted() -> None:
    limits = RateLimits({})
    with contextlib.ExitStack() as stack:
        for _ in range(5_000):
            stack.enter_context(limits.admitted("a", "run"))


@pytest.mark.parametrize("on", [True, False])
async def test_purging_too_often(on: bool) -> None:
    config = JobsConfig(rate_limits=on)
    app = create_app(StubGateway(), HttpConfig(), ApiKeys(), jobs=FakeJobs(), jobs_config=config)
    async with client_of(app) as client:
        first = [(await client.post("/v2/classify/purge-queue")).status_code for _ in range(2)]
        third = await client.post("/v2/classify/purge-queue")
        other = await client.post("/v2/transcribe/purge-queue")
    assert first == [200, 200]
    assert other.status_code == 200
    if on:
        assert "takes 2 purge-queue requests in 10 s" in sentence(third, 429)
        assert 1 <= int(third.headers["retry-after"]) <= 10
    else:
        assert third.status_code == 200


async def test_unknown_endpoints_are_not_remembered() -> None:
    app = create_app(StubGateway(), HttpConfig(), ApiKeys(), jobs=FakeJobs(), jobs_config=JobsConfig())
    async with client_of(app) as client:
        for _ in range(20):
            answer: httpx.Response = await client.get("/v2/nowhere/requests")
            assert "There is no endpoint 'nowhere'" in sentence(answer, 404)


@pytest.mark.parametrize("path", ["/v2/classify/stream/{id}", "/v2/classify/openai/v1/x"])
def test_a_request_counts_until_its_response_is_sent(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    one = Rate(100, 1)
    monkeypatch.setattr(routes, "RATES", {"stream": one, "openai": one})
    jobs = FakeJobs()
    app = create_app(StubGateway(), HttpConfig(), ApiKeys(), jobs=jobs, jobs_config=JobsConfig())
    with serving(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        job = client.post("/v2/classify/run", json={}).json()["id"]
        path = path.format(id=job)

        def hold() -> None:
            with pytest.raises(httpx.ReadTimeout):
                client.post(path, json={"stream": True}, timeout=httpx.Timeout(20, read=0.5))

        holding = threading.Thread(target=hold)
        holding.start()
        wait_until(lambda: jobs.streaming == 1)
        refused = client.post(path, json={"stream": True})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert jobs.streaming == 1
        holding.join(20)
        wait_until(lambda: jobs.streaming == 0)
        jobs.change(job, status="COMPLETED", output=1)
        if "openai" not in path:
            wait_until(lambda: client.post(path).status_code == 200)
