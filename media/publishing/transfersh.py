"""Results to a transfer.sh, or to a server that speaks as it does: PUT a file, read a link."""

import base64
import math
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import httpx

from media.errors import ForbiddenUrl
from media.publishing.put import PutRequest
from media.publishing.upload import Content, Uploader, UploadRefused
from media.web import parse_url

PUBLIC_SERVER = "https://transfer.sh"
_LONGEST_LINK = 2_048


@dataclass(frozen=True, slots=True)
class TransferShDestination:
    """A server as a place for results. ``login`` is ``name:password``, for servers that want one for uploads."""

    base: httpx.URL
    login: str | None = field(default=None, repr=False)

    async def upload(self, name: str, content: Content, uploader: Uploader) -> str:
        """Upload the content; a link that gives the file itself, not a page about it.

        Raises UploadRefused.
        """
        path = f"{self.base.path.rstrip('/')}/{quote(name.rsplit('/', 1)[-1], safe='~')}"
        headers = {"Content-Type": content.content_type}
        headers["Max-Days"] = str(math.ceil(uploader.policy.link_s / 86_400))
        if self.login is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(self.login.encode()).decode()
        request = PutRequest(self.base.copy_with(raw_path=path.encode()), headers)
        answer = await uploader.put(lambda: request, content)
        if not answer.good:
            raise UploadRefused(f"{self.base.host} answered the upload with HTTP status {answer.status}.")
        return direct_link(answer.text, self.base.host)


def find_server(url: str) -> TransferShDestination:
    """The server at a base URL, which may have a login. Raises ``ValueError`` with a sentence without it."""
    try:
        given = httpx.URL(url.strip())
        login = f"{unquote(given.username)}:{unquote(given.password)}" if given.userinfo else None
        base = parse_url(str(given.copy_with(userinfo=b"")), use="uploaded to")
    except (httpx.InvalidURL, ForbiddenUrl) as error:
        raise ValueError(
            "The transfer.sh server is an http or https URL such as https://transfer.example.com."
        ) from error
    if base.query:
        raise ValueError("The transfer.sh server's URL has a host and perhaps a path, but nothing after them.")
    return TransferShDestination(base, login)


def direct_link(text: str, host: str) -> str:
    """``https://server/<token>/<name>`` as the server tells it -> ``https://server/get/<token>/<name>``.

    Raises UploadRefused for an answer that is no such link.
    """
    refused = UploadRefused(f"{host} answered the upload without a link; is it a transfer.sh server?")
    text = text.strip()
    if len(text) > _LONGEST_LINK or len(text.split()) != 1:
        raise refused
    try:
        link = parse_url(text)
    except ForbiddenUrl as error:
        raise refused from error
    *before, token, name = link.raw_path.decode().split("/")
    if not token or not name:
        raise refused
    if before[-1:] != ["get"]:
        before.append("get")
    return str(link.copy_with(raw_path="/".join((*before, token, name)).encode()))
