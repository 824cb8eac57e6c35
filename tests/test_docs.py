"""The documents say what the code says: fields, keys, variables, links."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from deployments.whisper.config import EngineConfig, WhisperConfig
from serve_app.config import AppConfig, FetchConfig, HttpConfig, WhisperEntry
from serve_app.http.docs import _kind
from serve_app.http.form_field import FormField
from serve_app.http.transcription_fields import AUDIO, FIELDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = (*ROOT.glob("*.md"), *DOCS.glob("*.md"))
SOURCES = [
    path.read_text() for name in ("media", "deployments", "serve_app") for path in (ROOT / name).rglob("*.py")
]


def fields_table() -> str:
    """The table of ``docs/http.md``. After a change of the fields: ``python -m tests.test_docs``."""
    return "\n".join(["| Field | Value | Default | Meaning |", "|---|---|---|---|", *map(_row, (AUDIO, *FIELDS))])


def _row(field: FormField) -> str:
    names = " or ".join(f"`{name}`" for name in (field.name, *field.aliases))
    value = field.schema.get("default")
    default = "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"
    return f"| {names} | {_kind(field.schema)} | {default} | {field.description} |"


def test_every_field_of_the_api_is_documented() -> None:
    current = fields_table() in (DOCS / "http.md").read_text()
    assert current, "run python -m tests.test_docs"


def _keys(section: str) -> Iterator[tuple[str, str]]:
    """Key and default of every row of a section of ``docs/configuration.md``."""
    text = (DOCS / "configuration.md").read_text()
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    for key, default in re.findall(r"^\| `(\w+)` \| ([^|]*) \|", body, re.MULTILINE):
        yield key, default.strip()


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("The application", AppConfig),
        ("A model", WhisperEntry),
        ("A model's `config`", WhisperConfig),
        ("The `engine` of a model", EngineConfig),
        ("`http`", HttpConfig),
        ("`fetch`", FetchConfig),
    ],
)
def test_every_key_of_the_configuration_is_documented(section: str, model: type[BaseModel]) -> None:
    assert dict(_keys(section)) == {name: _default(field.default) for name, field in model.model_fields.items()}


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "see below"
    if value is None or value in ("", ()):
        return "none"
    return f"`{json.dumps(value)}`"


@pytest.mark.parametrize(
    "variable",
    sorted({name for path in DOCUMENTS for name in re.findall(r"\bANTIPHON_[A-Z_]+\b", path.read_text())}),
)
def test_every_variable_is_read_somewhere(variable: str) -> None:
    assert any(f'"{variable}"' in source for source in SOURCES)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    anchors = {
        "#" + re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("#"):
            assert link in anchors, link
        elif not link.startswith("http"):
            assert (path.parent / link.partition("#")[0]).exists(), link


def test_modules_named_in_the_tour_exist() -> None:
    for name in re.findall(
        r"`((?:media|deployments|serve_app|tests|configs|samples)/[\w./]*)`",
        (DOCS / "architecture.md").read_text(),
    ):
        assert (ROOT / name).exists(), name


if __name__ == "__main__":
    document = DOCS / "http.md"
    found = re.sub(r"^\| Field \|.*?(?=\n\n)", lambda _: fields_table(), document.read_text(), flags=re.M | re.S)
    document.write_text(found)
