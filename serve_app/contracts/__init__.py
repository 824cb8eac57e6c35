"""The job contracts: a file or a folder for each, and a line here."""

from collections.abc import Mapping

from deployments.errors import InvalidRequest
from serve_app.config.jobs import ContractName
from serve_app.config.tasks import ModelTask
from serve_app.contracts.contract import Contract
from serve_app.contracts.faster_whisper.contract import FasterWhisperContract
from serve_app.contracts.fish_speech.contract import FishSpeechContract
from serve_app.contracts.hate_speech import HateSpeechContract
from serve_app.contracts.ivrit.contract import IvritContract
from serve_app.contracts.openai.contract import OpenAiContract

__all__ = ["ALL", "by_name", "choose"]

# Of those of one task, the first is what an input of unknown shape is taken for.
ALL: tuple[Contract, ...] = (
    OpenAiContract(),
    IvritContract(),
    IvritContract("ivrit-legacy", legacy=True),
    FasterWhisperContract(),
    FishSpeechContract(),
    HateSpeechContract(),
)
_BY_NAME = {contract.name: contract for contract in ALL}


def by_name(name: ContractName) -> Contract:
    """The contract of this name."""
    return _BY_NAME[name]


def choose(job_input: object, task: ModelTask | None, contract: ContractName | None) -> Contract:
    """The contract of a job: the endpoint's own one, else the first that has the input's shape among those of the
    endpoint's task (None: of any), else the task's default, which then says what is missing.

    Raises InvalidRequest if the input is no object, or if there is no task and it has no shape that is known.
    """
    if not isinstance(job_input, Mapping):
        raise InvalidRequest("`input` has to be an object.", param="input")
    if contract is not None:
        return by_name(contract)
    suitable = [one for one in ALL if task is None or one.task in (task, None)]
    for one in suitable:
        if one.accepts(job_input):
            return one
    if task is None:
        raise InvalidRequest(
            "The input has no shape that is known here. Send `transcribe_args` (with `url` or `blob`) or `audio` "
            "to transcribe, `prompt` or `text` to classify, `text` and another field of speech (such as `format`) "
            "to speak, or `openai_route` and `openai_input` for any request."
        )
    return next(one for one in suitable if one.task == task)
