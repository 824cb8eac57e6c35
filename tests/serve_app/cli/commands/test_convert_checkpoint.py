"""``antiphon convert-checkpoint``: what it prints, and how it refuses."""

import hashlib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from deployments.text_classification.checkpoint import file_hash, read_checkpoint
from serve_app.cli import main
from tests.deployments.text_classification.conversion import original


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    original.save(original.build(), tmp_path / "model_7")
    original.write_tokenizer(tmp_path / "tokenizer")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["convert-checkpoint", *arguments])


def test_it_says_what_it_found(folder: Path) -> None:
    digest = hashlib.sha256((folder / "model_7").read_bytes()).hexdigest()
    result = run("model_7", "out", "--tokenizer", "tokenizer", "--sha256", digest)
    assert result.exit_code == 0
    _, tensors = read_checkpoint(folder / "out")
    parameters = sum(tensor.numel() for tensor in tensors.values())
    lines = result.output.splitlines()
    assert lines[:2] == [
        f"model_7: sha256 {digest}",
        f"  {len(tensors)} tensors, {parameters:,} parameters, float32",
    ]
    assert lines[2].startswith("  left out: model.")
    assert "model.pooler.dense.weight" in lines[2]
    assert lines[3].endswith(" globals were named; nothing was imported or executed")
    assert lines[4:] == [
        "out: labels hate, abusing, neutral, spam",
        f"  model.safetensors: sha256 {file_hash(folder / 'out' / 'model.safetensors')}",
        f"  tokenizer.json: sha256 {file_hash(folder / 'out' / 'tokenizer.json')}",
    ]


def test_it_says_what_it_assumed(folder: Path) -> None:
    torch.save(original.build(num_attention_heads=1).state_dict(), folder / "tensors")
    result = run("tensors", "out", "--tokenizer", "tokenizer")
    assert result.exit_code == 0
    assert (
        "  assumed, since the file does not say: num_attention_heads = 1, layer_norm_eps = 1e-05, "
        "pad_token_id = 1, hidden_act = gelu, is_decoder = False\n"
    ) in result.output
    assert "assumed" not in run("model_7", "other", "--tokenizer", "tokenizer").output


def test_refusals_are_sentences(folder: Path) -> None:
    result = run("model_7", "out", "--tokenizer", "tokenizer", "--sha256", "1" * 64)
    assert result.exit_code == 1
    assert result.output.startswith("Error: The SHA-256 of model_7 is ")
    result = run("none", "out", "--tokenizer", "tokenizer")
    assert (result.exit_code, result.output) == (1, "Error: none is no file.\n")
    result = run("model_7", "out", "--tokenizer", "nowhere")
    assert (result.exit_code, result.output) == (1, "Error: There is no folder 'nowhere'.\n")
    result = run("model_7", "tokenizer", "--tokenizer", "tokenizer")
    assert result.exit_code == 1
    assert "is there already; name a folder that is new or empty" in result.output
    assert not (folder / "out").exists()


def test_hostile_files_are_refused_with_their_names(folder: Path) -> None:
    payload = original.name("os", "system") + original.text("touch marker") + b"\x85R."
    original.pickled(folder / "hostile", payload)
    result = run("hostile", "out", "--tokenizer", "tokenizer")
    assert (result.exit_code, result.output) == (
        1,
        "Error: The file wants to call os.system, which no tensor needs. "
        "The file names os.system; none of it was run.\n",
    )
    assert not (folder / "marker").exists()


def test_the_tokenizer_has_to_be_named(folder: Path) -> None:
    result = run("model_7", "out")
    assert result.exit_code == 2
    assert "Missing option '--tokenizer'" in result.output
    assert "vinai/bertweet-large" in run("--help").output


def test_the_command_has_one_name(folder: Path) -> None:
    assert "\n  convert-checkpoint " in CliRunner().invoke(main, ["--help"]).output
    assert CliRunner().invoke(main, ["convert_checkpoint", "--help"]).exit_code == 2
