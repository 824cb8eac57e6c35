"""One step: its device, its progress, what it says at the end."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from serve_app.cli.progress import Bar
from serve_app.cli.running import error_message

if TYPE_CHECKING:
    import torch


def run_step(device: str, unit: str, work: "Callable[[torch.device, Bar], str]") -> None:
    """Do the work on a device and print what it returns. Raises ClickException with a sentence."""
    from deployments.torch_device import choose_device  # imports PyTorch

    try:
        with Bar(unit, shown=sys.stderr.isatty()) as bar:
            done = work(choose_device(device), bar)
    except click.ClickException:
        raise
    except Exception as error:
        raise click.ClickException(error_message(error)) from error
    click.echo(done, err=True)


def pace(count: int, began: float) -> str:
    """How long so many tokens took since ``began``, a monotonic time, and how many that are in a second."""
    took = max(time.monotonic() - began, 1e-3)
    return f" in {took:.2f} s, {count / took:.1f} tokens/s"
