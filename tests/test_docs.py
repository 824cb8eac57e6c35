"""The documents say what the code says: fields, keys, variables, links. What they show can be used: configuration
files, command lines, a unit of systemd. What needs a server is in ``tests/e2e/test_readme.py``.
"""

import configparser
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from deployments.fish_speech.config import FishSpeechConfig, SpeechEngineConfig, VoicesConfig
from deployments.fish_speech.segment_limits import SegmentLimits
from deployments.model_config import ModelConfig
from deployments.text_classification.config import ClassifierEngineConfig, TextClassificationConfig
from deployments.whisper.config import WhisperConfig, WhisperEngineConfig
from media.files.kinds import CODECS, CONTAINERS, names
from serve_app.cli import main
from serve_app.config.app import AppConfig, FetchConfig, GrpcConfig, HttpConfig
from serve_app.config.jobs import EndpointConfig, JobsConfig, PublishConfig, WebhooksConfig
from serve_app.config.models import (
    FishSpeechEntry,
    ModelEntry,
    ModerationConfig,
    TextClassificationEntry,
    WhisperEntry,
)
from serve_app.config.serve_yaml.load import load
from serve_app.fields.form_field import FormField
from serve_app.fields.json_field import JsonField
from serve_app.fields.schema_words import expectation
from serve_app.grpc.health import LIVENESS
from serve_app.grpc.services import SERVICES
from serve_app.tasks.classification.fields import CLASSIFICATION, MODERATION
from serve_app.tasks.speech.fields import SPEECH
from serve_app.tasks.speech.voice_fields import NEW_VOICE, VOICE_CHANGE
from serve_app.tasks.transcription.fields import AUDIO, FIELDS
from tests.documents import BLOCKS, DOCS, PAGES, README, Block, of
from tests.serving import ROOT

FIELD_TABLE = re.compile(r"^\| Field \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)
KIND_LIST = re.compile(r"^(?:Containers|Codecs): .*$", re.MULTILINE)
DOCUMENTS = sorted({*ROOT.glob("*.md"), *PAGES})
RUN = {"console", "python", "yaml", "sh", "ini"}
DRAWN = {"mermaid", "tree", "py"}  # py: parts of a program; tests/test_architecture.py uses them
SOURCES = [
    path.read_text() for name in ("media", "deployments", "serve_app") for path in (ROOT / name).rglob("*.py")
]


TABLES = ((AUDIO, *FIELDS), SPEECH, NEW_VOICE, VOICE_CHANGE, CLASSIFICATION, MODERATION)


def field_tables() -> list[str]:
    """The tables of ``docs/http.md``. After a change of the fields: ``python -m tests.test_docs``."""
    return [field_table(table) for table in TABLES]


def field_table(table: Iterable[FormField | JsonField]) -> str:
    """A table of fields."""
    return "\n".join(["| Field | Value | Default | Meaning |", "|---|---|---|---|", *map(_row, table)])


def _row(field: FormField | JsonField) -> str:
    names = " or ".join(f"`{name}`" for name in (field.name, *field.aliases))
    value = field.schema.get("default")
    default = "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"
    return f"| {names} | {expectation(field.schema)} | {default} | {field.description} |"


def kind_lists() -> list[str]:
    """The lists of containers and codecs in ``docs/http.md``. After a change: ``python -m tests.test_docs``."""
    return [f"Containers: {names(CONTAINERS)}.", f"Codecs: {names(CODECS)}."]


def test_every_kind_of_file_is_documented() -> None:
    current = KIND_LIST.findall((DOCS / "http.md").read_text()) == kind_lists()
    assert current, "run python -m tests.test_docs"


def test_no_document_promises_more_kinds_of_files() -> None:
    protocols = [path.read_text() for path in (ROOT / "serve_app/grpc/protos").glob("*.proto")]
    for text in (*SOURCES, *protocols, *(path.read_text() for path in DOCUMENTS)):
        assert not re.search(r"(any|every) (container|codec)|FFmpeg reads", text)


def test_every_field_of_the_api_is_documented() -> None:
    current = FIELD_TABLE.findall((DOCS / "http.md").read_text()) == field_tables()
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
        ("A model's `config`", ModelConfig),
        ("The `engine` of a transcription model", WhisperEngineConfig),
        ("The `engine` of a text-classification model", ClassifierEngineConfig),
        ("The `engine` of a speech model", SpeechEngineConfig),
        ("The `segments` of a speech model", SegmentLimits),
        ("`voices`", VoicesConfig),
        ("`moderation`", ModerationConfig),
        ("`http`", HttpConfig),
        ("`grpc`", GrpcConfig),
        ("`fetch`", FetchConfig),
        ("`jobs`", JobsConfig),
        ("An entry of `jobs.endpoints`", EndpointConfig),
        ("`jobs.webhooks`", WebhooksConfig),
        ("`jobs.publish`", PublishConfig),
    ],
)
def test_every_key_of_the_configuration_is_documented(section: str, model: type[BaseModel]) -> None:
    assert dict(_keys(section)) == _fields(model)


def test_the_keys_of_every_model_are_documented() -> None:
    family = {"family": _fields(WhisperEntry)["family"]}
    assert dict(_keys("A model")) == _fields(ModelEntry) | family


@pytest.mark.parametrize(
    ("section", "entry", "config"),
    [
        ("Transcription", WhisperEntry, WhisperConfig),
        ("Text classification", TextClassificationEntry, TextClassificationConfig),
        ("Speech synthesis", FishSpeechEntry, FishSpeechConfig),
    ],
)
def test_what_a_family_adds_is_documented(section: str, entry: type[BaseModel], config: type[BaseModel]) -> None:
    assert dict(_keys(section)) == _added(entry, ModelEntry) | _added(config, ModelConfig)


def _fields(model: type[BaseModel]) -> dict[str, str]:
    return {
        name: _default(field.get_default(call_default_factory=True, validated_data={}))
        for name, field in model.model_fields.items()
    }


def _added(model: type[BaseModel], base: type[BaseModel]) -> dict[str, str]:
    return {name: default for name, default in _fields(model).items() if name not in base.model_fields}


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "see below"
    if value is None or value in ("", (), {}):
        return "none"
    return f"`{json.dumps(value)}`"


@pytest.mark.parametrize(
    "variable",
    sorted({name for path in DOCUMENTS for name in re.findall(r"\bANTIPHON_[A-Z_]+\b", path.read_text())}),
)
def test_every_variable_is_read_somewhere(variable: str) -> None:
    assert any(f'"{variable}"' in source for source in SOURCES)


def anchors(path: Path) -> set[str]:
    """Of the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_map_lists_every_page() -> None:
    text = (DOCS / "index.md").read_text()
    assert [path.name for path in DOCS.glob("*.md") if f"]({path.name}" not in text] == ["index.md"]


def test_the_first_screen_leads_to_a_transcript() -> None:
    lines = README.read_text().splitlines()
    first = "\n".join(lines[:25])
    assert "make serve" in first
    assert "$ curl -s http://127.0.0.1:8000/v1/audio/transcriptions" in first
    assert "the green door and the small coffee" in first
    assert len(lines) <= 200


def test_every_block_is_run_or_known() -> None:
    assert {block.language for block in BLOCKS} <= RUN | DRAWN


@pytest.mark.parametrize("block", of("yaml"))
def test_configuration(block: Block, tmp_path: Path) -> None:
    """A whole file of Serve's, a part of what is under ``args``, or probes of a container in Kubernetes."""
    known = {"", LIVENESS, *(service.full_name for service in SERVICES)}
    read = yaml.safe_load(block.text)
    if "livenessProbe" in read:
        assert all(probe["grpc"].get("service", "") in known for probe in read.values())
    elif "applications" in read:
        file = tmp_path / "server.yaml"
        file.write_text(block.text)
        load(file)
    else:
        AppConfig.model_validate(read)


@pytest.mark.parametrize("block", of("sh"))
def test_command_line(block: Block) -> None:
    for line in block.text.replace("\\\n", " ").splitlines():
        words = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)]
        if words and Path(words[0]).name == "antiphon":
            parse(words[1:])


@pytest.mark.parametrize("block", of("ini"))
def test_unit(block: Block) -> None:
    unit = configparser.ConfigParser(strict=True)
    unit.read_string(block.text)
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/.venv/bin/antiphon")
    parse(arguments)


def parse(arguments: list[str]) -> None:
    """Read a command line, without running it. Raises click's exceptions."""
    command: click.Command = main
    context: click.Context | None = None
    while isinstance(command, click.Group):
        context = command.make_context(command.name, arguments, parent=context)
        _, subcommand, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert subcommand is not None
        command = subcommand
    command.make_context(command.name, arguments, parent=context)


if __name__ == "__main__":
    document = DOCS / "http.md"
    tables, lists = iter(field_tables()), iter(kind_lists())
    text = FIELD_TABLE.sub(lambda _: next(tables), document.read_text())
    document.write_text(KIND_LIST.sub(lambda _: next(lists), text))
