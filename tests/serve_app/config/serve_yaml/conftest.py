"""What is reported for a text."""

from pathlib import Path
from typing import Any

import pytest

from serve_app.config.serve_yaml.document import ConfigProblems
from serve_app.config.serve_yaml.load import load


@pytest.fixture
def problems(tmp_path: Path) -> Any:
    """What is reported for a text."""

    def problems_of(text: str) -> list[str]:
        path = tmp_path / "serve.yaml"
        path.write_text(text)
        with pytest.raises(ConfigProblems) as caught:
            load(path)
        assert caught.value.problems
        return [f"{problem.line}: {problem}" for problem in caught.value.problems]

    return problems_of
