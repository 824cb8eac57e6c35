"""Classification by a running server."""

import json
from collections.abc import Sequence
from typing import Any

import httpx

from deployments.errors import AntiphonError
from serve_app.cli.progress import Bar
from serve_app.cli.servers import CONNECT_S, ENDLESS, ServerClient, check

PATH = "/v1/classify"


class RemoteClassifier(ServerClient):
    """Sends batches of texts to a server, which may be full for as long as it says so."""

    def __init__(self, server: str, model: str | None, bar: Bar) -> None:
        super().__init__(server, model, bar, ENDLESS)

    async def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """An object per text. Raises AntiphonError with a sentence."""
        return await self._patiently(lambda: self._attempt(texts))

    async def _attempt(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        body = {**self._model, "input": list(texts)}
        response = await self._client.post(PATH, json=body, timeout=httpx.Timeout(None, connect=CONNECT_S))
        await check(response)
        try:
            answers = json.loads(response.content)
        except ValueError:
            answers = None
        if not isinstance(answers, list) or len(answers) != len(texts):
            raise AntiphonError(f"The server at {self._server} did not answer with scores; is it an Antiphon?")
        return answers
