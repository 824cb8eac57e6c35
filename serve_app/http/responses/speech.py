"""Speech as the body of a response: sent while it is being made, or as a whole file."""

import contextlib
from collections.abc import AsyncGenerator, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.fish_speech.types import SpeechEvent, Started
from media.encode import CONTENT_TYPES
from serve_app.failures import error_for_client
from serve_app.http.request_id import request_id_of
from serve_app.http.responses.disconnect import while_connected
from serve_app.http.responses.late import LateResponse
from serve_app.tasks.speech.encoding import encode_events, encode_file
from serve_app.tasks.speech.parsed import ParsedSpeech


async def speech_response(
    request: Request, events: AsyncGenerator[SpeechEvent, None], parsed: ParsedSpeech
) -> Response:
    """The response for an utterance; the request's body has to be read already. Raises what the events raise.

    ``X-Sample-Rate`` is that of the speech in Hz, ``X-Seed`` repeats it, ``X-Judged-Pieces`` tells in how many
    pieces a classifier has read the text, if there is one. A whole file also has ``X-Cut``, which nobody knows yet
    when a stream begins.
    """
    kind = parsed.called or parsed.container.format
    headers = {"Content-Disposition": f"attachment; filename=audio.{kind}", **parsed.headers}
    if parsed.streamed:
        return SpeechStream(events, parsed, headers)
    file = await while_connected(request.receive, encode_file(events, parsed.container))
    facts = {**_facts(file.started), "X-Cut": "true" if file.finished.cut else "false"}
    return Response(file.data, headers={**headers, **facts}, media_type=CONTENT_TYPES[kind])


class SpeechStream(LateResponse):
    """Sends audio as soon as it is encoded.

    The response begins with the first bytes. Until then an error is raised, so that it becomes an ordinary
    response with its own status; after it, the connection breaks, which is all that is left to tell the client.
    A client that leaves closes the events.
    """

    def __init__(
        self, events: AsyncGenerator[SpeechEvent, None], parsed: ParsedSpeech, headers: Mapping[str, str]
    ) -> None:
        super().__init__(headers, CONTENT_TYPES[parsed.called or parsed.container.format])
        self._events, self._container = events, parsed.container

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises what the events raise before the first bytes."""
        await while_connected(receive, self._run(send, request_id_of(scope)))

    async def _run(self, send: Send, request_id: str) -> None:
        try:
            async with contextlib.aclosing(encode_events(self._events, self._container)) as parts:
                async for part in parts:
                    if isinstance(part.event, Started):
                        self.headers.update(_facts(part.event))
                    if part.data:
                        await self._write(send, part.data)
            await self._write(send, b"", more=False)
        except ClientDisconnect:
            raise
        except Exception as error:
            if not self._begun:
                raise
            # A body that does not end says that something went wrong; the log says what.
            error_for_client(error, request_id)


def _facts(started: Started) -> dict[str, str]:
    facts = {"X-Sample-Rate": str(started.sample_rate), "X-Seed": str(started.seed)}
    if started.judged_pieces:
        facts["X-Judged-Pieces"] = str(started.judged_pieces)
    return facts
