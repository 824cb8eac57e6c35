"""Everything that the README and the documents show is run: commands, Python, configuration, routes."""

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serve_app.config.app import AppConfig
from tests.e2e.conftest import Server
from tests.serving import AUDIO, ROOT

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
NOT_RUN = {"sh", "mermaid"}  # installation and starting have tests of their own
TIME = re.compile(r"(\d\d):(\d\d):(\d\d)[,.](\d{3})")
TOLERANCE_S = 0.3
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document; ``output`` is the text block right after it."""

    place: str
    language: str
    text: str
    output: str = ""


def blocks(path: Path) -> list[Block]:
    """All blocks of a document, text blocks as the output of the one before them."""
    source = path.read_text()
    found: list[Block] = []
    for match in FENCE.finditer(source):
        place = f"{path.name}:{source.count(chr(10), 0, match.start()) + 1}"
        if match[1] == "text":
            assert found, place
            assert not found[-1].output, place
            last = found.pop()
            found.append(Block(last.place, last.language, last.text, match[2]))
        else:
            found.append(Block(place, match[1], match[2]))
    return found


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Every ``$`` line of a console with what is shown below it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


BLOCKS = [block for path in DOCUMENTS for block in blocks(path)]
CONSOLE = [
    pytest.param(command, output, id=f"{block.place}-{number}")
    for block in BLOCKS
    if block.language == "console"
    for number, (command, output) in enumerate(commands(block), 1)
]


def of(language: str) -> Any:
    """Blocks of a language as parameters."""
    return [pytest.param(block, id=block.place) for block in BLOCKS if block.language == language]


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
def here(server: Server, example_com: str) -> Any:
    """Puts this test's addresses in the place of those in the documents."""

    def replace(text: str) -> str:
        text = text.replace("http://127.0.0.1:8000", server.url).replace("127.0.0.1:9000", server.grpc)
        return text.replace("https://example.com", example_com)

    return replace


def output_of(command: list[str], server: Server) -> str:
    """What a command prints, on either stream."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANTIPHON_SERVER": server.url,
    }
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
    )
    return done.stdout


def assert_same(shown: str, real: str) -> None:
    """Equal to the letter, except that times may be off a little."""
    assert TIME.sub("TIME", real.strip()) == TIME.sub("TIME", shown.strip())
    for one, other in zip(TIME.findall(shown), TIME.findall(real), strict=True):
        assert abs(seconds(one) - seconds(other)) < TOLERANCE_S


def seconds(time: tuple[str, ...]) -> float:
    hours, minutes, whole, thousandths = map(int, time)
    return hours * 3600 + minutes * 60 + whole + thousandths / 1000


def test_the_first_screen_leads_to_a_transcript() -> None:
    first = "\n".join(DOCUMENTS[0].read_text().splitlines()[:25])
    assert "make serve" in first
    assert "$ curl -s http://127.0.0.1:8000/v1/audio/transcriptions" in first
    assert "the green door and the small coffee" in first


def test_every_block_is_run_or_known() -> None:
    assert {block.language for block in BLOCKS} <= {"console", "python", "yaml", *NOT_RUN}


@pytest.mark.parametrize(("command", "shown"), CONSOLE)
def test_command(command: str, shown: str, here: Any, server: Server) -> None:
    assert_same(here(shown), output_of(["bash", "-c", here(command)], server))


@pytest.mark.parametrize("block", of("python"))
def test_python(block: Block, here: Any, server: Server) -> None:
    assert block.output, "what it prints is not shown"
    assert_same(block.output, output_of([sys.executable, "-W", "ignore", "-c", here(block.text)], server))


@pytest.mark.parametrize("block", of("yaml"))
def test_configuration(block: Block) -> None:
    AppConfig.model_validate(yaml.safe_load(block.text))


@pytest.mark.parametrize(
    "route", sorted({r for path in DOCUMENTS for r in re.findall(r"`GET (/\S*)`", path.read_text())})
)
def test_route(route: str, server: Server) -> None:
    known = route.replace("voices/{id}", "voices/slt").replace("{id}", "whisper-1")
    assert httpx.get(server.url + known).status_code == 200
