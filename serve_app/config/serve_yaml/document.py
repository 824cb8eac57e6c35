"""Reads YAML so that every later complaint can name its place and its line; repeated keys are errors."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Place = tuple[str | int, ...]
MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, at which place of the file. ``line`` counts from 1, None if the place is not in the file."""

    place: Place
    message: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{spelled(self.place)}: {self.message}" if self.place else self.message


class ConfigProblems(Exception):
    """Everything that is wrong with a file."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda problem: (problem.line or 0, spelled(problem.place)))
        super().__init__("\n".join(located(path, problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data, and the line of every place in it."""

    path: Path
    data: Any
    lines: dict[Place, int]
    repeated: list[Problem]

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def spelled(place: Place) -> str:
    """``applications[0].name``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def located(path: Path, problem: Problem, kind: str = "") -> str:
    """``configs/local.yaml:12: applications[0].name: ...``; ``kind`` (``warning: ``) comes after the line."""
    line = f"{problem.line}: " if problem.line else " "
    return f"{path}:{line}{kind}{problem}"


def read(path: Path) -> Document:
    """Parse a YAML file. Raises ConfigProblems if it cannot be read or is no YAML."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        lines: dict[Place, int] = {}
        repeated: list[Problem] = []
        if root is not None:
            repeated.extend(_walk(root, (), lines, ()))
        data = None if root is None else loader.construct_document(root)
    except OSError as error:
        raise ConfigProblems(path, [Problem((), f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigProblems(path, [Problem((), "is no UTF-8 text")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        line = None if mark is None else mark.line + 1
        raise ConfigProblems(path, [Problem((), f"is no YAML: {message}", line)]) from error
    except yaml.YAMLError as error:
        raise ConfigProblems(path, [Problem((), f"is no YAML: {error}")]) from error
    return Document(path, data, lines, repeated)


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], around: tuple[int, ...]) -> Iterator[Problem]:
    """Note the line of every place below ``node``; yield keys that are repeated."""
    if id(node) in around:
        raise yaml.YAMLError(f"{spelled(place)} contains itself")
    around = (*around, id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines.setdefault((*place, index), item.start_mark.line + 1)
            yield from _walk(item, (*place, index), lines, around)
    elif isinstance(node, yaml.MappingNode):
        first: dict[Hashable, int] = {}
        merged = [value for key, value in node.value if key.tag == MERGE]
        for key, value in node.value:
            if key.tag == MERGE:
                continue
            line, name = key.start_mark.line + 1, str(key.value)
            if (key.tag, name) in first:
                before = first[key.tag, name]
                yield Problem((*place, name), f"is given twice; the first is in line {before}", line)
            first.setdefault((key.tag, name), line)
            lines.setdefault((*place, name), line)
            yield from _walk(value, (*place, name), lines, around)
        for value in merged:  # last, for a mapping's own keys win over those it merges in
            yield from _walk(value, place, lines, around)
