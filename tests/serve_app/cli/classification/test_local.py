"""``antiphon classify`` by itself: a model in this process."""

import asyncio
import contextlib
import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from deployments.text_classification.types import ClassificationRequest, TextScores
from serve_app.cli.classification.local import CLASSIFIER, NO_LIMIT, LocalClassifier
from serve_app.cli.local import find_model
from serve_app.cli.progress import Bar
from serve_app.cli.servers import ModelOptions
from serve_app.config.models import TextClassificationEntry
from serve_app.gateway.model_index import ModelIndex
from tests.deployments.text_classification.support import LABELS, SENTENCES, random_checkpoint
from tests.serve_app.cli.classification.stub import classify, printed, start
from tests.serve_app.cli.terminal import ROOT
from tests.serve_app.http.server import serving
from tests.serve_app.http.stub import StubGateway, app_of

TESTSET = ROOT / "samples" / "classifier" / "testset.jsonl"
LONG = "far too long " * 5_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model."""
    folder = tmp_path_factory.mktemp("models") / "random"
    random_checkpoint(folder)
    return folder


@pytest.fixture
def config(model: Path, tmp_path: Path) -> Path:
    """A configuration in which that model is the default, and refuses nearly everything."""
    entry = {
        "id": "tweets",
        "family": "text_classification",
        "config": {"source": str(model), "max_texts": 1, "queue_requests": 1, "max_chars": 200},
    }
    application = {"name": "app", "import_path": "serve_app:build", "args": {"models": [entry]}}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"http_options": {"host": "127.0.0.1"}, "applications": [application]}))
    return file


def test_a_folder_is_a_model(model: Path, tmp_path: Path) -> None:
    result = classify("--model", model, *SENTENCES)
    assert result.exit_code == 0
    answers = printed(result.stdout)
    assert [answer["text"] for answer in answers] == list(SENTENCES)
    for answer in answers:
        assert list(answer) == ["text", *LABELS, "label", "truncated"]
        assert sum(answer[label] for label in LABELS) == pytest.approx(1, abs=1e-5)
        assert answer["label"] == max(LABELS, key=lambda label: answer[label])
    (tmp_path / "none").mkdir()
    refused = classify("--model", tmp_path / "none", "a text")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "holds none of the files of a model" in refused.stderr


def test_queues_do_not_limit_a_process_of_ones_own(config: Path) -> None:
    local = find_model(CLASSIFIER, "tweets", config)
    (entry,) = local.config.models
    assert (local.name, entry.config.queue_requests) == ("tweets", NO_LIMIT["queue_requests"])
    result = classify("--config", config, "-", input="\n".join(SENTENCES * 100))
    assert [answer["text"] for answer in printed(result.stdout)] == list(SENTENCES * 100)
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_limit_of_a_text_stays_and_stops_no_other(config: Path) -> None:
    result = classify("--config", config, "one", LONG, "two")
    assert result.exit_code == 1
    assert [answer["text"] for answer in printed(result.stdout)] == ["one", "two"]
    assert result.stderr.startswith("Error: argument 2: ")
    assert f"{len(LONG)} characters, more than the 200" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "nobody"], "The model 'nobody' is not served here. Models for classification: tweets."),
        (["--model", "hf://acme/model"], "names no revision; pin one"),
    ],
)
def test_what_cannot_be_done_here_is_a_sentence_and_1(options: list[str], sentence: str, config: Path) -> None:
    result = classify("--config", config, *options, "a text")
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_configuration_is_told() -> None:
    result = classify("--config", ROOT / "pyproject.toml", "a text")
    assert result.exit_code == 1
    assert "The configuration is wrong." in result.stderr


class RealGateway(StubGateway):
    """The model behind the stub's door."""

    def __init__(self, model: Path) -> None:
        super().__init__()
        entry = {"id": "tweets", "family": "text_classification", "config": {"source": str(model)}}
        self.models = ModelIndex([TextClassificationEntry.model_validate(entry)])
        self._options = ModelOptions(server=None, local=True, model=str(model), config=None)
        self._classifier: LocalClassifier | None = None
        self._started = asyncio.Lock()

    async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
        async with self._started:
            if self._classifier is None:
                bar = Bar("texts", shown=False)
                self._classifier = await LocalClassifier(self._options, bar).__aenter__()
        return await self._classifier.gateway.classify(replace(request, model=None))


def test_a_server_and_the_process_itself_print_the_same(model: Path) -> None:
    arguments = [*SENTENCES, "many words " * 100, LONG, "ünï\u2028code 😀", "a\0b", "last"]
    with serving(app_of(RealGateway(model))) as url:
        served = classify("--server", url, *arguments)
    local = classify("--local", "--model", model, *arguments)
    assert (local.exit_code, local.stderr) == (served.exit_code, served.stderr)
    assert local.exit_code == 1
    pairs = list(zip(printed(local.stdout), printed(served.stdout), strict=True))
    assert len(pairs) == len(arguments) - 2
    for mine, theirs in pairs:  # batches differ from run to run, and with them the last digits
        assert list(mine) == list(theirs)
        assert mine == {
            key: pytest.approx(value, abs=1e-5) if isinstance(value, float) else value
            for key, value in theirs.items()
        }
    assert any(mine["truncated"] for mine, _ in pairs)


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_ctrl_c_ends_it_wherever_it_is(seconds: float, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "posts.txt"
    file.write_text(f"{'many words ' * 12}\n" * 200_000)
    with start("--model", model, file, "-o", tmp_path / "scores.jsonl") as process:
        with contextlib.suppress(Exception):
            process.wait(seconds)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"Traceback" not in error


def test_without_a_server_it_works_by_itself() -> None:
    sentences = [json.loads(line) for line in TESTSET.read_text().splitlines()]
    result = classify("-", input="\n".join(sentence["text"] for sentence in sentences))
    assert result.exit_code == 0
    assert "the model runs in this process" in result.stderr
    answers = printed(result.stdout)
    right = sum(answer["label"] == sentence["label"] for answer, sentence in zip(answers, sentences, strict=True))
    assert right > 0.75 * len(sentences)
