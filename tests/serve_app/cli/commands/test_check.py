"""``antiphon check``, and what ``antiphon serve`` does with a wrong file."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from serve_app.cli import main
from serve_app.launch import environment

GOOD = """
http_options: {host: 127.0.0.1}
applications:
  - import_path: serve_app:build
    args: {models: [{id: sample-asr, config: {source: samples/asr/model}}]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD.replace("host:", "hots:").replace("source:", "sorce:"))
    (tmp_path / "doubtful.yaml").write_text(GOOD.replace("samples/asr/model", '"hf://org/name@main"'))
    return tmp_path


def test_a_good_file_is_ok(folder: Path) -> None:
    result = CliRunner().invoke(main, ["check", "good.yaml"])
    assert (result.exit_code, result.output) == (0, "good.yaml: ok (1 model, 3 deployments)\n")


def test_every_problem_of_every_file_is_told(folder: Path) -> None:
    result = CliRunner().invoke(main, ["check", "bad.yaml", "good.yaml", "none.yaml"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "bad.yaml:2: http_options.host: must be given; Serve's own default is 0.0.0.0, "
        "every network the machine is in",
        "bad.yaml:2: http_options.hots: unknown key; did you mean host?",
        "bad.yaml:5: applications[0].args.models[0]: a model needs either `source` or a list of `allow` patterns",
        "bad.yaml:5: applications[0].args.models[0].config.sorce: unknown key; did you mean source?",
        "good.yaml: ok (1 model, 3 deployments)",
        "none.yaml: cannot be read: No such file or directory",
    ]


def test_a_doubt_is_a_warning(folder: Path) -> None:
    result = CliRunner().invoke(main, ["check", "doubtful.yaml"])
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "doubtful.yaml:5: warning: applications[0].args.models[0].config.source: the revision 'main' can move; "
        "pin a commit hash",
        "doubtful.yaml: ok (1 model, 3 deployments)",
    ]


def test_serve_checks_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "prepare", lambda new_cluster: None)
    result = CliRunner().invoke(main, ["serve", "bad.yaml"])
    assert result.exit_code == 2
    assert "http_options.hots: unknown key; did you mean host?" in result.output


def test_commands_are_found_by_their_modules() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name in ("check", "models", "serve"):
        assert f"\n  {name} " in result.output
    assert CliRunner().invoke(main, ["nonsense"]).exit_code == 2
