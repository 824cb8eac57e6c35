"""What the README and the pages of docs/ show is run against a server: commands, Python, routes."""

import functools
import http.server
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.documents import BLOCKS, PAGES, Block, commands, of
from tests.e2e.conftest import Server
from tests.serving import AUDIO, ROOT, WEB

TIME = re.compile(r"(\d\d):(\d\d):(\d\d)[,.](\d{3})")
TOLERANCE_S = 0.3
TIMEOUT_S = 120
CONSOLE = [
    pytest.param(command, output, id=f"{block.place}-{number}")
    for block in BLOCKS
    if block.language == "console"
    for number, (command, output) in enumerate(commands(block), 1)
]
# Runs one program per line, each in a process of its own that has clients of APIs imported already, but not
# runpod, which sets up logging for a whole program.
INTERPRETER = """
import json, os, sys, traceback
import fishaudio, grpc, openai
for line in sys.stdin:
    program, output = json.loads(line)
    if not (child := os.fork()):
        file = os.open(output, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1), os.dup2(file, 2)
        try:
            exec(compile(program, "<example>", "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    print("done", flush=True)
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """The shipped recordings."""

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def example_com() -> Iterator[str]:
    """A web site, which stands for the one in the documents."""
    handler = functools.partial(Handler, directory=str(AUDIO))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()
        thread.join()


@pytest.fixture
def here(server: Server, example_com: str) -> Callable[[str], str]:
    """Puts this test's addresses in the place of those in the documents."""

    def replace(text: str) -> str:
        text = text.replace("http://127.0.0.1:8000", server.url).replace("127.0.0.1:9000", server.grpc)
        return text.replace("https://example.com", example_com)

    return replace


@pytest.fixture(scope="module")
def environment(server: Server) -> dict[str, str]:
    """Of a shell in which Antiphon is installed and its server known."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANTIPHON_SERVER": server.url,
    }


@pytest.fixture(scope="module")
def interpreter(environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs Python programs."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", INTERPRETER],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        start_new_session=True,
    ) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)  # with what a program may have left running


def assert_same(shown: str, real: str) -> None:
    """Equal to the letter, except that times may be off a little."""
    assert TIME.sub("TIME", real.strip()) == TIME.sub("TIME", shown.strip())
    for one, other in zip(TIME.findall(shown), TIME.findall(real), strict=True):
        assert abs(seconds(one) - seconds(other)) < TOLERANCE_S


def seconds(time: tuple[str, ...]) -> float:
    hours, minutes, whole, thousandths = map(int, time)
    return hours * 3600 + minutes * 60 + whole + thousandths / 1000


@pytest.mark.parametrize(("command", "shown"), CONSOLE)
def test_command(command: str, shown: str, here: Callable[[str], str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", here(command)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert_same(here(shown), done.stdout)


@pytest.mark.parametrize("block", of("python"))
def test_python(
    block: Block, here: Callable[[str], str], interpreter: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert block.output, "what it prints is not shown"
    assert interpreter.stdin is not None
    assert interpreter.stdout is not None
    output = tmp_path / "output"
    print(json.dumps([here(block.text), str(output)]), file=interpreter.stdin)
    assert select.select([interpreter.stdout], [], [], TIMEOUT_S)[0], "it takes too long"
    assert interpreter.stdout.readline() == "done\n"
    assert_same(here(block.output), output.read_text())


@pytest.mark.parametrize(
    "route", sorted({r for path in PAGES for r in re.findall(r"`GET (/\S*)`", path.read_text())})
)
def test_route(route: str, server: Server) -> None:
    known = route.replace("voices/{id}", "voices/slt").replace("{id}", "whisper-1")
    assert WEB.get(server.url + known).status_code == 200
