"""The table of tasks is complete, and nothing in it is said twice."""

from itertools import chain
from typing import get_args

from serve_app.config.jobs import ContractName
from serve_app.config.models import ModelEntry
from serve_app.config.tasks import BUILT_IN_ENDPOINTS, CONTRACT_TASKS, TASKS, ModelTask


def test_every_task_has_a_row_and_every_row_a_family() -> None:
    assert tuple(TASKS) == get_args(ModelTask)
    assert {entry.task for entry in _families()} == set(TASKS)


def test_endpoints_names_units_and_contracts_belong_to_one_task() -> None:
    assert len(BUILT_IN_ENDPOINTS) == len({row.queue_unit for row in TASKS.values()}) == len(TASKS)
    for values in ([row.hosted_names for row in TASKS.values()], [row.contracts for row in TASKS.values()]):
        every = list(chain.from_iterable(values))
        assert len(set(every)) == len(every)
    assert set(CONTRACT_TASKS) == {*get_args(ContractName)} - {"openai"}  # which is for all


def _families() -> list[type[ModelEntry]]:
    every = list(ModelEntry.__subclasses__())
    for entry in every:
        every.extend(entry.__subclasses__())
    return [entry for entry in every if hasattr(entry, "task")]
