"""The command line of the worker. RunPod's SDK reads its own flags from the same line."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from serve_app.config.jobs import ContractName

DEFAULT_CONFIG = "configs/runpod.yaml"
DEFAULT_READY_S = 1_800.0
SDK_FLAGS = ("--rp_", "--test_input")
RuntimeName = Literal["ray", "local"]


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What to run and how. ``rest`` is for the SDK; ``ready_timeout_s`` is RunPod's own allowance, if any."""

    config: Path
    runtime: RuntimeName
    load_balancing: bool
    contract: ContractName | None
    rest: tuple[str, ...]
    ready_timeout_s: float


def read(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> WorkerOptions:
    """The options; exits with a sentence if they are wrong."""
    parser = _parser(environment)
    own, rest = parser.parse_known_args(arguments)
    _check(parser, own, rest)
    return WorkerOptions(
        Path(own.config),
        cast("RuntimeName", own.runtime),
        own.load_balancing or _is_balanced(environment, rest),
        cast("ContractName | None", own.contract),
        tuple(rest),
        _ready_timeout_s(environment),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Our own options, whose defaults come from the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m serve_app.runpod_worker",
        description="Serves the models of a configuration as a RunPod worker.",
        epilog="Flags of RunPod's SDK work, too: --test_input JSON, --rp_log_level LEVEL, --rp_serve_api.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, default=environment.get("ANTIPHON_CONFIG") or DEFAULT_CONFIG)
    parser.add_argument(
        "--runtime",
        choices=get_args(RuntimeName),
        default=environment.get("RUNTIME") or "ray",
        help="ray runs every model in a process of its own; local all in this one, which starts faster",
    )
    parser.add_argument(
        "--contract",
        choices=get_args(ContractName),
        default=environment.get("ANTIPHON_CONTRACT") or None,
        help="of all jobs; by default the shape of each job's input decides",
    )
    parser.add_argument(
        "--load-balancing",
        action="store_true",
        help="serve HTTP on PORT; so it is without the flag if PORT is set and RUNPOD_WEBHOOK_GET_JOB is not",
    )
    return parser


def _check(parser: argparse.ArgumentParser, own: argparse.Namespace, rest: Sequence[str]) -> None:
    """What argparse does not look at: defaults, and options that the SDK does not know either."""
    for name, choices in (("runtime", get_args(RuntimeName)), ("contract", (None, *get_args(ContractName)))):
        if getattr(own, name) not in choices:
            parser.error(f"{name} cannot be {getattr(own, name)!r}")
    unknown = [flag for flag in rest if flag.startswith("-") and not flag.startswith(SDK_FLAGS)]
    if unknown:
        parser.error(f"unknown option {unknown[0]}")


def _is_balanced(environment: Mapping[str, str], rest: Sequence[str]) -> bool:
    """Whether RunPod's load balancer is in front, and no queue."""
    queue = "RUNPOD_WEBHOOK_GET_JOB" in environment or any(flag.startswith("--test_input") for flag in rest)
    return "PORT" in environment and not queue


def _ready_timeout_s(environment: Mapping[str, str]) -> float:
    allowance = environment.get("RUNPOD_INIT_TIMEOUT", "")
    return float(allowance) if allowance.isdecimal() and int(allowance) else DEFAULT_READY_S
