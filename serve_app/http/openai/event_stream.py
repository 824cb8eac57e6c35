"""A stream of server-sent events in OpenAI's format."""

from collections.abc import Mapping
from typing import Any

from deployments.errors import AntiphonError
from serve_app.http.openai.errors import error_object
from serve_app.http.responses.message_stream import MessageStream


class EventStream(MessageStream):
    """Ends with ``data: [DONE]``, or with an error as OpenAI's clients read it."""

    last_words = b"data: [DONE]\n\n"

    def _error(self, error: AntiphonError) -> Mapping[str, Any]:
        return error_object(error)
