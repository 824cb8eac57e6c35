"""The endpoints of the job service: a name in a path -> a model, a contract and how much is done at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from serve_app.config.jobs import ContractName, EndpointConfig
from serve_app.config.models import ModelEntry
from serve_app.config.tasks import BUILT_IN_ENDPOINTS, ModelTask
from serve_app.gateway.model_index import ModelIndex
from serve_app.jobs.types import EndpointNotFound

LEGACY = "-legacy"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where jobs are sent. ``model`` None: the default of the task; ``contract`` None: by the input's shape.

    ``target`` is the id of the model that this leads to. ``concurrency`` is how many jobs one runner does at once
    for all endpoints of that target: half of what the model admits, so that the other entrances have room, too.
    """

    name: str
    task: ModelTask
    model: str | None
    contract: ContractName | None
    target: str
    concurrency: int
    http_errors: bool = False


class Endpoints(Mapping[str, Endpoint]):
    """Every endpoint by name: one per task, one per model, those of the configuration, and the ``-legacy`` ones,
    which speak to clients of ivrit before 0.2.3.
    """

    def __init__(self, models: ModelIndex, named: Mapping[str, EndpointConfig] | None = None) -> None:
        self._by_name: dict[str, Endpoint] = {}
        for name, task in BUILT_IN_ENDPOINTS.items():
            if (default := models.default(task)) is not None:
                self._add(name, default, None)
        for entry in models.entries:
            if entry.config.source is not None:
                self._add(entry.id, entry, entry.id)
        for name, config in (named or {}).items():
            if (chosen := models.find(config.model)) is None:
                raise ValueError(
                    f"the endpoint {name!r} names the model {config.model!r}, which is not served here"
                )
            self._by_name[name] = Endpoint(
                name,
                chosen.task,
                config.model,
                config.contract,
                chosen.id,
                _concurrency(chosen),
                config.http_errors,
            )

    def _add(self, name: str, entry: ModelEntry, model: str | None) -> None:
        self._by_name[name] = Endpoint(name, entry.task, model, None, entry.id, _concurrency(entry))
        if entry.task == "transcription":
            legacy = name + LEGACY
            self._by_name[legacy] = Endpoint(
                legacy, entry.task, model, "ivrit-legacy", entry.id, _concurrency(entry)
            )

    def __getitem__(self, name: str) -> Endpoint:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def resolve(self, name: str) -> Endpoint:
        """The endpoint. Raises EndpointNotFound."""
        endpoint = self._by_name.get(name)
        if endpoint is None:
            known = ", ".join(sorted(self._by_name))
            raise EndpointNotFound(f"There is no endpoint {name[:64]!r}. Endpoints: {known}.")
        return endpoint


def _concurrency(entry: ModelEntry) -> int:
    return max(1, entry.config.queue_requests // 2)
