"""Running servers: whether a command uses one, how it is asked, what its refusals mean."""

import functools
import json
import math
import os
from asyncio import sleep
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import click
import httpx

from deployments.errors import AntiphonError, InvalidRequest, ModelUnavailable, Overloaded, PayloadTooLarge
from serve_app.cli.progress import PATIENCE_S, Bar

DEFAULT_SERVER = "http://127.0.0.1:8000"
HEALTH_TIMEOUT_S = 0.5
SILENCE_S = 120.0  # a stream sends something every fifteen seconds
CONNECT_S = 10.0
WAITING = "waiting for the server"
REFUSALS: dict[int, type[AntiphonError]] = {400: InvalidRequest, 413: PayloadTooLarge, 503: ModelUnavailable}
LOST = (httpx.ReadError, httpx.WriteError, httpx.ReadTimeout, httpx.RemoteProtocolError)  # there was a connection

T = TypeVar("T")
ClientT = TypeVar("ClientT")
BarT = TypeVar("BarT", bound=Bar)


@dataclass(frozen=True, slots=True)
class Patience:
    """When a command gives up: when a full server has been tried so often or asks for a longer wait, and when one
    that was there before stays lost or unavailable after a try at the end of each of the pauses.
    """

    full_tries: float
    longest_wait_s: float
    pauses_s: Sequence[float]


BRIEF = Patience(full_tries=4, longest_wait_s=60.0, pauses_s=())
ENDLESS = Patience(full_tries=math.inf, longest_wait_s=math.inf, pauses_s=(1, 2, 5, 10, 20, 40))


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The model that a command uses, and where it runs."""

    server: str | None
    local: bool
    model: str | None
    config: Path | None


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options --server, --local, --model and --config, which the command gets as ``options: ModelOptions``."""

    @functools.wraps(command)
    def with_options(
        *, server: str | None, local: bool, model: str | None, config: Path | None, **others: Any
    ) -> None:
        command(options=ModelOptions(server, local, model, config), **others)

    at = click.option(
        "--server", envvar="ANTIPHON_SERVER", help="Use this server; without it the one at port 8000, if any."
    )
    here = click.option("--local", is_flag=True, help="Use no server: load the model in this process.")
    name = click.option(
        "--model", help="Id or alias; with --local also a folder, hf://org/name@revision or s3://..."
    )
    file = click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Configuration of the models for --local, which it implies.  [default: configs/local.yaml]",
    )
    return at(here(name(file(with_options))))


def choose_client(
    options: ModelOptions,
    remote: Callable[[str, str | None, BarT], ClientT],
    local: Callable[[ModelOptions, BarT], ClientT],
) -> Callable[[BarT], ClientT]:
    """What makes the client of a server, from its URL and the model's name, or that of a model in this process.

    Raises UsageError.
    """
    url = choose_server(options)
    if url is None:
        return lambda bar: local(options, bar)
    return lambda bar: remote(url, options.model, bar)


def choose_server(options: ModelOptions) -> str | None:
    """The URL of the server to use, None for this process: a named server is used, whatever happens; else the one
    at the usual place if it answers. Raises UsageError.
    """
    if options.local or options.config is not None:
        return None
    if options.server is not None:
        return server_url(options.server or DEFAULT_SERVER)
    if options.model is not None and _is_source(options.model):
        return None
    if not answers(DEFAULT_SERVER):
        click.echo(f"There is no server at {DEFAULT_SERVER}; the model runs in this process.", err=True)
        return None
    return DEFAULT_SERVER


def server_url(server: str) -> str:
    """A server's URL without what may stand at its end. Raises UsageError for what is none."""
    url = server.rstrip("/").removesuffix("/v1")
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--server {url} is no URL such as {DEFAULT_SERVER}.")
    return url


def answers(server: str) -> bool:
    """Whether an Antiphon is there, and quick to say so."""
    try:
        with httpx.Client(timeout=HEALTH_TIMEOUT_S, trust_env=not _is_loopback(server)) as client:
            return bool(client.get(f"{server}/healthz").json() == {"status": "ok"})
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False


class ServerClient:
    """Asks one server, with the key of ANTIPHON_API_KEY. Leaving a call closes its connection, which stops the
    server's work on it.
    """

    def __init__(self, server: str, model: str | None, bar: Bar, patience: Patience = BRIEF) -> None:
        api_key = os.environ.get("ANTIPHON_API_KEY")
        self._server, self._bar, self._patience = server, bar, patience
        self._reached = False
        self._waiting = 0
        self._model = {"model": model} if model else {}
        self._client = httpx.AsyncClient(
            base_url=server,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(SILENCE_S, write=None, pool=None, connect=CONNECT_S),
            trust_env=not _is_loopback(server),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The attempt's result; it is made again as the patience says. Raises AntiphonError with a sentence."""
        full, pauses = 0, iter(self._patience.pauses_s)
        while True:
            wait: float | None
            try:
                result = await attempt()
            except Overloaded as error:
                full += 1
                if full >= self._patience.full_tries or error.retry_after_s > self._patience.longest_wait_s:
                    raise
                wait, pauses = error.retry_after_s, iter(self._patience.pauses_s)
            except ModelUnavailable:
                if (wait := next(pauses, None)) is None:
                    raise
            except httpx.HTTPError as error:
                # A server that has never been reached is rather a wrong address, which is said at once.
                reached = self._reached or isinstance(error, LOST)
                if not reached or (wait := next(pauses, None)) is None:
                    reason = str(error) or type(error).__name__
                    raise ModelUnavailable(f"The server at {self._server} cannot be reached: {reason}") from error
            else:
                self._reached = True
                return result
            self._reached = True
            await self._pause(wait)

    async def _pause(self, wait_s: float) -> None:
        """Wait while the bar says so, also a bar that appears only now."""
        self._waiting += 1
        try:
            for part_s in (min(wait_s, PATIENCE_S), max(wait_s - PATIENCE_S, 0.0)):
                self._bar.say(WAITING)
                await sleep(part_s)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._bar.say("")


async def check(response: httpx.Response) -> None:
    """Raise what a response says that is no result: InvalidRequest and PayloadTooLarge with the field at fault,
    Overloaded, ModelUnavailable, else AntiphonError.
    """
    if response.status_code == httpx.codes.OK:
        return
    try:
        error: dict[str, Any] = json.loads(await response.aread())["error"]
        message, param = str(error["message"]), error.get("param")
    except (ValueError, KeyError, TypeError):
        message, param = f"The server answered {response.status_code} {response.reason_phrase}.", None
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        wait = response.headers.get("retry-after", "")
        raise Overloaded(message, retry_after_s=max(1.0, float(wait)) if wait.isdecimal() else 1.0)
    raise REFUSALS.get(response.status_code, AntiphonError)(message, param=param)


async def messages(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Server-sent events. Raises AntiphonError if one of them is an error."""
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            message: dict[str, Any] = json.loads(line.removeprefix("data: "))
            if "error" in message:
                raise AntiphonError(message["error"]["message"])
            yield message


def _is_source(model: str) -> bool:
    return "://" in model or Path(model).expanduser().is_dir()


def _is_loopback(server: str) -> bool:
    """Whether no proxy could help to reach a server."""
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
