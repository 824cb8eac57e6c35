"""The served models and the names they answer to."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from deployments.errors import InvalidRequest, ModelNotFound
from serve_app.config.app import AppConfig
from serve_app.config.models import ModelEntry
from serve_app.config.tasks import TASKS, ModelTask, spellings


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model, and the name that an on-demand deployment has to load for this request (None otherwise)."""

    entry: ModelEntry
    on_demand: str | None = None


class ModelIndex:
    """Finds the model that a request means: by id, by alias, by a name of a hosted service, by allow-list."""

    def __init__(self, models: Iterable[ModelEntry]) -> None:
        self.entries = tuple(models)
        self._by_name = {name: entry for entry in self.entries for name in (entry.id, *entry.aliases)}
        self._hosted: dict[str, ModelEntry] = {}
        for task, row in TASKS.items():
            if (default := self.default(task)) is not None:
                self._hosted |= {name: default for name in row.hosted_names if name not in self._by_name}

    @classmethod
    def of(cls, config: AppConfig) -> "ModelIndex":
        """The index of a configuration's models."""
        return cls(config.models)

    def default(self, task: ModelTask) -> ModelEntry | None:
        """The task's default: the one marked so, else the first that has a source of its own."""
        candidates = [entry for entry in self.entries if entry.task == task and entry.config.source]
        return next((entry for entry in candidates if entry.default), candidates[0] if candidates else None)

    def find(self, name: str | None) -> ModelEntry | None:
        """The entry with this id, alias or hosted name, whatever its task."""
        if not name:
            return None
        hosted = (self._hosted.get(spelling) for spelling in spellings(name))
        return self._by_name.get(name) or next(filter(None, hosted), None)

    def aliases(self, entry: ModelEntry) -> tuple[str, ...]:
        """All names besides its id to which an entry answers."""
        return tuple(
            name for name, named in (self._by_name | self._hosted).items() if named is entry and name != entry.id
        )

    def resolve(self, task: ModelTask, name: str | None) -> Resolved:
        """The model for ``name``, or the task's default for None.

        Raises ModelNotFound for an unknown name, InvalidRequest for a model of another task.
        """
        entry = self.find(name) if name else self.default(task)
        if entry is None:
            allowing = next((e for e in self.entries if name and _allowed(e, name)), None)
            if allowing is None:
                known = ", ".join(sorted(e.id for e in self.entries if e.task == task)) or "none"
                raise ModelNotFound(
                    f"The model {str(name)[:100]!r} is not served here. Models for {task}: {known}.", param="model"
                )
            return Resolved(allowing, on_demand=name)
        if entry.task != task:
            raise InvalidRequest(f"The model {name!r} does {entry.task}, not {task}.", param="model")
        return Resolved(entry)


def _allowed(entry: ModelEntry, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in entry.config.allow)
