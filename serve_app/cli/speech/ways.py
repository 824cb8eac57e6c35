"""The two ways to speech, and which of them is taken."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from serve_app.cli.progress import Bar
from serve_app.cli.servers import choose_server
from serve_app.cli.speech.remote import RemoteSpeaker
from serve_app.cli.speech.sound import Sound, Spoken


class Speaker(Protocol):
    """Speaks."""

    async def speak(self, body: Mapping[str, Any], sound: Sound) -> Spoken:
        """Give all samples to ``sound``. ``body`` has fields of the speech route, those of its container apart.

        Raises AntiphonError with a sentence.
        """
        ...


Way = Callable[[Bar], AbstractAsyncContextManager[Speaker]]


def choose_way(server: str | None, *, local: bool, config: Path | None, model: str | None) -> Way:
    """A server, or this process where there is none. Raises UsageError."""
    url = choose_server(server, local=local, config=config, model=model)
    if url is None:
        return _in_process(config, model)
    return lambda bar: RemoteSpeaker(url, model, bar)


def _in_process(config: Path | None, model: str | None) -> Way:
    def way(bar: Bar) -> AbstractAsyncContextManager[Speaker]:
        from serve_app.cli.speech.local import LocalSpeaker, choose  # imports Ray and PyTorch

        return LocalSpeaker(choose(model, config), bar)

    return way
