"""The library of voices of a running server."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from deployments.errors import AntiphonError
from serve_app.cli.servers import CONNECT_S, ServerClient, check
from serve_app.tasks.speech.voice_fields import VOICES_PATH

Fields = dict[str, Any]


class VoiceLibraryClient(ServerClient):
    """Asks a server about voices. Every method raises AntiphonError with a sentence."""

    async def list(self) -> "Sequence[Fields]":
        """All voices."""
        voices: Sequence[Fields] = (await self._ask("GET", VOICES_PATH))["data"]
        return voices

    async def add(self, recordings: "Sequence[Path]", texts: Sequence[str], fields: Fields) -> Fields:
        """Keep a voice; without ``texts`` the server writes down what is said in the recordings."""
        with ExitStack() as stack:
            files = [("audio_sample", (path.name, stack.enter_context(path.open("rb")))) for path in recordings]
            data = {**self._model, **fields, **({"text": list(texts)} if texts else {})}
            return await self._ask("POST", VOICES_PATH, data=data, files=files)

    async def delete(self, voice_id: str) -> None:
        """Remove a voice."""
        await self._ask("DELETE", f"{VOICES_PATH}/{quote(voice_id)}")

    async def _ask(self, method: str, path: str, **body: Any) -> Fields:
        async def attempt() -> Fields:
            timeout = httpx.Timeout(None, connect=CONNECT_S)
            response = await self._client.request(method, path, params=self._model, timeout=timeout, **body)
            await check(response)
            return answer if isinstance(answer := response.json(), dict) else {}

        answer = await self._patiently(attempt)
        if not answer:
            raise AntiphonError(f"The server at {self._server} did not answer with voices; is it an Antiphon?")
        return answer
