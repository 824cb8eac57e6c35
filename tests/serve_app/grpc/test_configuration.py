"""What the configuration file and the launcher know of gRPC."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from serve_app.config.app import GrpcConfig
from serve_app.config.serve_yaml.document import ConfigProblems
from serve_app.config.serve_yaml.load import ServeConfig, load
from serve_app.launch import server
from serve_app.launch.server import ServerOptions, run

OURS = "serve_app.grpc:add_services"


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    """A configuration with such ``grpc_options``, and such settings of the application."""

    def read(grpc_options: Any, **grpc: Any) -> ServeConfig:
        file = {
            "http_options": {"host": "127.0.0.1", "port": 8000},
            "grpc_options": grpc_options,
            "applications": [
                {
                    "name": "antiphon",
                    "import_path": "serve_app:build",
                    "args": {"grpc": grpc, "models": [{"id": "a", "config": {"source": "samples/asr/model"}}]},
                }
            ],
        }
        path = tmp_path / "serve.yaml"
        path.write_text(yaml.safe_dump(file))
        return load(path)

    return read


def test_our_services_raise_no_doubt(loaded: Any) -> None:
    config = loaded({"port": 9001, "grpc_servicer_functions": [OURS]}, remote_clients=True)
    assert not config.warnings
    assert config.grpc_options["port"] == 9001
    assert config.applications[0].config.grpc.remote_clients


def test_others_are_allowed_with_a_warning(loaded: Any) -> None:
    path = "serve_app.grpc.services:add_services"
    (warning,) = loaded({"grpc_servicer_functions": [path]}).warnings
    assert str(warning) == (
        f"grpc_options.grpc_servicer_functions[0]: is not Antiphon's; calls of Antiphon need {OURS}"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"grpc_servicer_functions": ["serve_app.grcp:add_services"]},
            f"grpc_options.grpc_servicer_functions[0]: must be {OURS}; serve_app.grcp:add_services cannot be "
            "imported: ModuleNotFoundError: No module named 'serve_app.grcp'",
        ),
        (
            {"grpc_servicer_functions": [OURS, "serve_app.grpc.services:SERVICES"]},
            f"grpc_options.grpc_servicer_functions[1]: must be {OURS}; serve_app.grpc.services:SERVICES is no "
            "function",
        ),
        ({"prot": 9000}, "grpc_options.prot: unknown key; did you mean port?"),
    ],
)
def test_what_serve_would_stumble_over_is_reported(loaded: Any, options: Any, said: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        loaded(options)
    assert [str(problem) for problem in caught.value.problems] == [said]


@pytest.mark.parametrize(
    "options", [None, [], {"grpc_servicer_functions": OURS}, {"grpc_servicer_functions": [7]}]
)
def test_what_is_no_mapping_or_list_is_reported_too(loaded: Any, options: Any) -> None:
    with pytest.raises(ConfigProblems):
        loaded(options)


@pytest.mark.parametrize("size", [0, 4 * 1024**2 - 1, 2 * 1024**3, "much"])
def test_the_size_of_messages_has_limits(size: Any) -> None:
    with pytest.raises(ValidationError):
        GrpcConfig(message_bytes=size)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_found_before_anything_starts(
    loaded: Any, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    config = loaded({"grpc_servicer_functions": [OURS]})
    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
        assert run(config, ServerOptions(port=0, grpc_port=port)) == 1
    said = f"Another program listens on port {port} of 0.0.0.0. Stop it, or choose another --grpc-port."
    assert capsys.readouterr().err.strip() == said


def test_two_entrances_need_two_ports(loaded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = loaded({"port": port, "grpc_servicer_functions": [OURS]})
    assert run(config, ServerOptions(port=port)) == 1
    assert capsys.readouterr().err.strip() == f"HTTP and gRPC cannot both listen on port {port}."


def test_a_port_that_nobody_uses_is_not_looked_at(loaded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def build(*_: object) -> Any:
        raise RuntimeError("far enough")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = ServerOptions(port=0, grpc_port=taken.getsockname()[1])
        assert run(loaded({}), options, build=build) == 1
    assert "far enough" in capsys.readouterr().err
    assert server.GRPC_LIMIT not in os.environ
