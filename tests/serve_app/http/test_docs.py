"""The page made from the OpenAPI document."""

from html.parser import HTMLParser

from serve_app.tasks.classification.fields import CLASSIFICATION, MODERATION
from serve_app.tasks.speech.fields import SPEECH
from serve_app.tasks.speech.voice_fields import NEW_VOICE
from serve_app.tasks.transcription.fields import FIELDS
from tests.serve_app.http.stub import (
    StubGateway,
    app_of,
    client_of,
)


async def test_the_page_is_complete_and_needs_no_other_server() -> None:
    async with client_of(app_of(StubGateway())) as client:
        page = (await client.get("/docs")).text
        index = (await client.get("/")).json()
        document = (await client.get("/openapi.json")).json()
    assert index["docs"] == "docs"
    assert document["openapi"] == "3.1.0"
    links: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "img", "iframe")
            links.extend(value or "" for name, value in attrs if name in ("href", "src"))

    Links().feed(page)
    assert links == ["openapi.json"]
    for name in (field.name for field in (*FIELDS, *CLASSIFICATION, *MODERATION, *SPEECH, *NEW_VOICE)):
        assert f"<code>{name}</code>" in page
    assert "text or a list of texts or a list of objects of type, text" in page
    assert "Also <code>prompt</code>, <code>text</code>." in page
