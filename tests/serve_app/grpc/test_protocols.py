"""The protocols: generated code is fresh, shipped, and the hate-speech one is the one its guide shows."""

import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FieldDescriptor

from serve_app.grpc.protos import hate_speech_pb2
from serve_app.grpc.servicer import Servicer
from serve_app.grpc.services import SERVICES

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "serve_app/grpc/protos"
PROTOCOLS = sorted(FOLDER.glob("*.proto"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of all protocols, generated anew, by the command of the Makefile."""
    folder = tmp_path_factory.mktemp("protos")
    (command,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "grpc_tools.protoc" in line]
    command = command.strip().replace("$(BIN)/python", sys.executable).replace("_out=.", f"_out={folder}")
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True)
    return folder / FOLDER.relative_to(ROOT)


def test_generated_code_is_fresh(generated: Path) -> None:
    fresh = {path.name: path.read_text() for path in generated.iterdir()}
    kept = {path.name: path.read_text() for path in FOLDER.glob("*_pb2*")}
    assert len(fresh) == 3 * len(PROTOCOLS)
    assert kept == fresh, "run `make protos`"


def test_generated_code_runs_with_the_oldest_allowed_libraries() -> None:
    oldest = {
        name: version for name, _, version in (d.partition(">=") for d in PROJECT["project"]["dependencies"])
    }
    stub = (FOLDER / "hate_speech_pb2_grpc.py").read_text()
    assert f"GRPC_GENERATED_VERSION = '{oldest['grpcio']}'" in stub
    assert f"# Protobuf Python Version: {oldest['protobuf']}\n" in (FOLDER / "hate_speech_pb2.py").read_text()


def test_protocols_and_types_are_shipped() -> None:
    assert PROJECT["tool"]["setuptools"]["package-data"]["serve_app.grpc.protos"] == ["*.proto", "*.pyi"]


def test_every_method_has_a_name_and_a_servicer_of_its_own() -> None:
    names = Counter(method.name for service in SERVICES for method in service.methods)
    assert set(names.values()) == {1}, "Serve tells methods apart by their names only"
    assert all(callable(getattr(Servicer, name)) for name in (*names, "List"))
    assert [service.full_name for service in SERVICES] == [
        "service.runsync",
        "antiphon.v1.Classification",
        "antiphon.v1.Transcription",
        "antiphon.v1.Speech",
    ]


def test_hate_speech_is_the_protocol_that_its_guide_shows() -> None:
    described = descriptor_pb2.FileDescriptorProto()
    hate_speech_pb2.DESCRIPTOR.CopyToProto(described)
    kinds = {FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_FLOAT: "float"}

    def fields(message: Any) -> dict[str, tuple[int, str]]:
        return {f.name: (f.number, kinds.get(f.type, f.type_name)) for f in message.field}

    assert (described.syntax, described.package) == ("proto3", "service")
    assert {message.name: fields(message) for message in described.message_type} == {
        "data": {"input": (1, ".service.Input")},
        "Input": {"prompt": (1, "string")},
        "output": {"output": (1, ".service.results"), "status": (2, "string")},
        "results": {
            "abusing": (1, "float"),
            "hate": (2, "float"),
            "neutral": (3, "float"),
            "spam": (4, "float"),
            "text": (5, "string"),
        },
    }
    (service,) = described.service
    (method,) = service.method
    assert (service.name, method.name, method.input_type, method.output_type) == (
        "runsync",
        "runsync",
        ".service.data",
        ".service.output",
    )
    assert (method.client_streaming, method.server_streaming) == (False, False)
