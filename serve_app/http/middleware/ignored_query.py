"""Parameters in the query that nobody reads."""

from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.fields.json_field import ignored_header
from serve_app.http.jobs.credentials import MAX_PARAMETERS, NAMES
from serve_app.http.paths import is_job_path
from serve_app.http.query import is_read


class IgnoredQuery:
    """Middleware that names in ``X-Ignored-Fields`` what a client sent in the query and no handler reads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not scope.get("query_string"):
            await self._app(scope, receive, send)
            return

        async def send_with_names(message: Message) -> None:
            if message["type"] == "http.response.start" and "endpoint" in scope:
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                for header, names in ignored_header(_ignored(scope)).items():
                    headers[header] = ", ".join(filter(None, (headers.get(header), names)))
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, send_with_names)


def _ignored(scope: Scope) -> list[str]:
    text = scope["query_string"].decode("latin-1")
    try:
        sent = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS))
    except ValueError:  # far too many
        return []
    credentials = NAMES if is_job_path(scope) else ()
    return [name for name in sent if name not in credentials and not is_read(name, scope)]
