"""Which contract a job's input is taken for."""

from typing import Any, get_args

import pytest

from deployments.errors import InvalidRequest
from serve_app.config.jobs import ContractName
from serve_app.contracts import ALL, by_name, choose

SHAPES = [
    ({"transcribe_args": {"url": "https://example.com"}}, "ivrit"),
    ({"engine": "faster-whisper", "model": "large-v3-turbo"}, "ivrit"),
    ({"type": "blob", "data": "AAAA"}, "ivrit"),
    ({"audio": "https://example.com"}, "faster-whisper"),
    ({"audio_base64": "AAAA", "model": "base"}, "faster-whisper"),
    ({"prompt": "Hello World"}, "hate-speech"),
    ({"text": "Hello World"}, "hate-speech"),
    ({"text": "Hello World", "model": "a", "wrap": True}, "hate-speech"),
    ({"text": "Hello World", "format": "mp3"}, "fish-speech"),
    ({"text": "Hello World", "streaming": True, "model": "a"}, "fish-speech"),
    ({"text": "Hello World", "references": [], "reference_id": None}, "fish-speech"),
    ({"openai_route": "/v1/models"}, "openai"),
    ({"openai_route": "/v1/moderations", "openai_input": {}, "prompt": "a"}, "openai"),
]


@pytest.mark.parametrize(("job_input", "name"), SHAPES)
def test_by_shape(job_input: dict[str, Any], name: str) -> None:
    assert choose(job_input, None, None).name == name


def test_every_name_has_its_contract() -> None:
    assert {contract.name for contract in ALL} == set(get_args(ContractName))
    for name in get_args(ContractName):
        assert by_name(name).name == name
        assert choose({"prompt": "a"}, "transcription", name).name == name


def test_only_contracts_of_the_task() -> None:
    assert choose({"prompt": "a"}, "transcription", None).name == "ivrit"
    assert choose({"audio": "a"}, "transcription", None).name == "faster-whisper"
    assert choose({"audio": "a"}, "classification", None).name == "hate-speech"
    assert choose({"openai_route": "/v1/models"}, "classification", None).name == "openai"


def test_the_tasks_default_says_what_is_missing() -> None:
    assert choose({}, "transcription", None).name == "ivrit"
    assert choose({}, "classification", None).name == "hate-speech"
    assert choose({}, "speech", None).name == "fish-speech"


@pytest.mark.parametrize("job_input", [None, 5, "prompt", ["prompt"]])
@pytest.mark.parametrize("contract", [None, "openai"])
def test_an_input_is_an_object(job_input: Any, contract: Any) -> None:
    with pytest.raises(InvalidRequest, match="has to be an object"):
        choose(job_input, None, contract)


def test_without_a_task_the_shapes_are_listed() -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose({"hello": 1}, None, None)
    for name in ("transcribe_args", "audio", "prompt", "format", "openai_route"):
        assert f"`{name}`" in caught.value.message
