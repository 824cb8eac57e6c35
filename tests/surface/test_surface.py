"""What users see is what was saved. Whoever changes it on purpose saves it anew; a review sees what changed."""

import pytest

from tests.surface.surface import PARTS, SAVED


@pytest.mark.parametrize("name", PARTS)
def test_what_users_see(name: str) -> None:
    assert PARTS[name]() == (SAVED / name).read_text(), "if on purpose: python -m tests.surface.surface"
