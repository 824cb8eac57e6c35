"""The two ways to the scores of texts, and which of them is taken."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from serve_app.cli.classification.remote import RemoteClassifier
from serve_app.cli.progress import Bar
from serve_app.cli.servers import choose_server


class Classifier(Protocol):
    """Scores batches of texts."""

    async def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """An object per text, as ``POST /v1/classify`` answers. Raises AntiphonError with a sentence."""
        ...


Way = Callable[[Bar], AbstractAsyncContextManager[Classifier]]


def choose_way(server: str | None, *, local: bool, config: Path | None, model: str | None) -> Way:
    """A server, or this process where there is none. Raises UsageError."""
    url = choose_server(server, local=local, config=config, model=model)
    if url is None:
        return _in_process(config, model)
    return lambda bar: RemoteClassifier(url, model, bar)


def _in_process(config: Path | None, model: str | None) -> Way:
    def way(bar: Bar) -> AbstractAsyncContextManager[Classifier]:
        from serve_app.cli.classification.local import LocalClassifier, choose  # imports Ray and PyTorch

        return LocalClassifier(choose(model, config), bar)

    return way
