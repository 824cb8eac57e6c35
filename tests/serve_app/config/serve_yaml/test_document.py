"""What is no configuration at all."""

from pathlib import Path
from typing import Any

import pytest

from serve_app.config.serve_yaml.document import ConfigProblems
from serve_app.config.serve_yaml.load import load


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1\nb: 2", "2: is no YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("a: !!python/object:os.system {}", "1: is no YAML: could not determine a constructor"),
        ("a: 1\n---\nb: 2", "2: is no YAML: expected a single document"),
        ("", "None: must be a mapping"),
        ("- a", "None: must be a mapping"),
        ("a: &a {b: *a}", "None: is no YAML: a.b contains itself"),
        ("applications: []\nhttp_options: {host: h}", "1: applications: must name at least one application"),
        ("http_options: {host: h}", "None: applications: is missing"),
        ("proxy_location: Disabled", "None: applications: is missing"),
    ],
)
def test_what_is_no_configuration_is_said(problems: Any, text: str, sentence: str) -> None:
    found = problems(text)
    assert found[0].startswith(sentence), found


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml")
