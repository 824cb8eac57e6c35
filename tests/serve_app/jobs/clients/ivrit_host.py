"""ivrit's clients know one host only; here their requests go to another one."""

from typing import Any

import aiohttp
import requests

HOST = "https://api.runpod.ai"


def send_to(base: str, patch: Any) -> None:
    """Replace the host of every request, of either library, by ``patch(owner, name, replacement)``."""
    sync, asynchronous = requests.Session.request, aiohttp.ClientSession._request

    def request(self: Any, method: Any, url: Any, *args: Any, **options: Any) -> Any:
        return sync(self, method, url.replace(HOST, base), *args, **options)

    async def request_async(self: Any, method: Any, url: Any, **options: Any) -> Any:
        return await asynchronous(self, method, str(url).replace(HOST, base), **options)

    patch(requests.Session, "request", request)
    patch(aiohttp.ClientSession, "_request", request_async)
