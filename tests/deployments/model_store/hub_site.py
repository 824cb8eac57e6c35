"""A tiny imitation of the Hugging Face Hub: one repository, served over real HTTP on loopback."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class HubSite:
    """``org/name`` with ``files`` at COMMIT, and at the branch ``main``, which ``main`` lets move.

    ``broken_after`` cuts the connection after that many bytes of a file, once per file. ``answers`` maps a
    repository to the status and error code that every request for it gets.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = {COMMIT: files}
        self.main = COMMIT
        self.answers: dict[str, tuple[int, str]] = {}
        self.token: str | None = None
        self.broken_after: int | None = None
        self.broken: set[str] = set()
        self.requests: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                site._answer(self)

            do_GET = do_HEAD  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.requests.append(f"{request.command} {path}")
        match = re.fullmatch(r"/(?:api/models/)?([^/]+/[^/]+)/(revision|tree|resolve)/([^/]+)(?:/(.*))?", path)
        repo, what, revision, name = match.groups() if match else ("", "", "", "")
        if repo in self.answers:
            status, code = self.answers[repo]
            return self._send(request, status, b"{}", {"X-Error-Code": code} if code else {})
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return self._send(request, 401, b"{}", {"X-Error-Code": "RepoNotFound"})
        if repo != "org/name":
            return self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})
        commit = self.main if revision == "main" else revision
        if commit not in self.files:
            return self._send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        files = self.files[commit]
        if what == "revision":
            return self._send(request, 200, json.dumps({"id": repo, "sha": commit, "siblings": []}).encode())
        if what == "tree":
            tree = [
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for path, data in files.items()
            ]
            return self._send(request, 200, json.dumps(tree).encode())
        etag = hashlib.sha1(files[name]).hexdigest()
        return self._send(request, 200, files[name], {"ETag": f'"{etag}"', "X-Repo-Commit": commit}, name)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        name: str = "",
    ) -> None:
        size = len(body)
        first = 0
        if ranged := re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "")):
            first, status = int(ranged[1]), 206
        request.send_response(status)
        for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
            request.send_header(key, value)
        if first:
            request.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        request.send_header("Content-Length", str(size - first))
        request.end_headers()
        if request.command == "HEAD":
            return
        if name and self.broken_after is not None and size > self.broken_after and name not in self.broken:
            self.broken.add(name)
            request.wfile.write(body[first : self.broken_after])
            request.close_connection = True
            return
        request.wfile.write(body[first:])
