"""The model itself."""

from collections.abc import Callable
from pathlib import Path


class EchoEngine:
    """Loads ``words.txt`` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.words = (folder / "words.txt").read_text().split()

    def warm_up(self, on_progress: Callable[[float], None]) -> None:
        """Nothing to do."""
        on_progress(1.0)

    def close(self) -> None:
        """Nothing to free."""
