"""The asynchronous part of a command: run to its end, its failures said in sentences, ended by Ctrl-C."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import click

from deployments.errors import AntiphonError
from serve_app.config.serve_yaml.document import ConfigProblems

LAST_S = 3.0  # what Ctrl-C leaves to requests that are cancelled and to threads that load or download

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a command's work. Raises ClickException with a sentence."""
    try:
        return asyncio.run(_until_done(work))
    except (click.ClickException, BrokenPipeError):  # click ends quietly when nobody reads any more
        raise
    except Exception as error:
        raise click.ClickException(error_message(error)) from error


async def _until_done(work: Coroutine[Any, Any, T]) -> T:
    """Ctrl-C cancels the work, and ends the process where that takes too long."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        end = threading.Timer(LAST_S, os._exit, (1,))
        end.daemon = True
        end.start()
        task.cancel()
        await asyncio.wait({task})
        raise
    return task.result()


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """The result of a call that may block for ever, and that nobody waits for when the process ends."""
    outcome: Future[T] = Future()

    def work() -> None:
        if outcome.set_running_or_notify_cancel():
            try:
                outcome.set_result(call())
            except BaseException as error:
                outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(outcome)


def error_message(error: Exception) -> str:
    """An error as a sentence for the person at the terminal."""
    match error:
        case AntiphonError():
            return error.message
        case ConfigProblems():
            return f"The configuration is wrong.\n{error}"
        case OSError(filename=str(name), strerror=str(reason)):
            return f"{name}: {reason}."
    return f"{type(error).__name__}: {error}"
