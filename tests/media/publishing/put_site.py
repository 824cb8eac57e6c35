"""A server that takes uploads and answers them as a test says, also badly."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Upload:
    """One request that came in. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer; ``broken`` closes the connection instead."""

    status: int = 200
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    broken: bool = False


@dataclass
class PutSite:
    url: str
    uploads: list[Upload] = field(default_factory=list)


@contextmanager
def put_site(reply: Callable[[int, Upload], Reply]) -> Iterator[PutSite]:
    """``reply`` is asked with the number of the upload, from 0, on a thread per connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            upload = Upload(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            site.uploads.append(upload)
            answer = reply(len(site.uploads) - 1, upload)
            if answer.broken:
                self.close_connection = True
                return
            self.send_response(answer.status)
            text = answer.text.encode()
            for name, value in {**answer.headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = PutSite(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
