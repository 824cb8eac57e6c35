"""The picture of imports in ``docs/architecture.md``, drawn from the code by ``python -m tests.imports``."""

import re
import tomllib
from collections.abc import Iterator

import grimp

from tests.documents import DOCS
from tests.serving import ROOT

PAGE = DOCS / "architecture.md"
PICTURE = re.compile(r"(?<=^```mermaid\n)flowchart TB\n    subgraph layer1.*?(?=^```$)", re.MULTILINE | re.DOTALL)


def layers() -> list[list[str]]:
    """The packages of ``serve_app`` from above, as the import linter checks them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rows,) = (c["layers"] for c in contracts if c.get("containers") == ["serve_app"])
    return [row.split(" | ") for row in rows]


def imports() -> set[tuple[str, str]]:
    """Which package imports from which."""
    graph = grimp.build_graph("serve_app")
    return {
        (package, imported.split(".")[1])
        for package in (name for row in layers() for name in row)
        for module in {f"serve_app.{package}"} | graph.find_descendants(f"serve_app.{package}")
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.split(".")[1] != package
    }


def picture() -> str:
    """A layer per box; an import that follows from others is left out."""
    return "\n".join(["flowchart TB", *_boxes(), *_arrows(), ""])


def _boxes() -> Iterator[str]:
    for number, row in enumerate(layers(), 1):
        yield f"    subgraph layer{number}[ ]"
        yield from (f"        {name}" for name in row)
        yield "    end"


def _arrows() -> Iterator[str]:
    arrows = imports()
    order = {name: number for number, row in enumerate(layers()) for name in row}
    below = {name: {name} for name in order}  # what a package reaches
    for name in sorted(order, key=lambda name: -order[name]):
        for importer, imported in arrows:
            if importer == name:
                below[name] |= below[imported]
    for importer, imported in sorted(arrows, key=lambda arrow: (order[arrow[0]], arrow)):
        others = {other for start, other in arrows if start == importer} - {imported}
        if not any(imported in below[other] for other in others):
            yield f"    {importer} --> {imported}"


if __name__ == "__main__":
    PAGE.write_text(PICTURE.sub(lambda _: picture(), PAGE.read_text()))
