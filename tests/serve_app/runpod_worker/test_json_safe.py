"""Any value as JSON that every parser reads."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from deployments.errors import InternalError
from serve_app.runpod_worker.json_safe import json_safe
from tests.serve_app.runpod_worker.any_json import JSON


@given(JSON)
def test_every_value_becomes_json(value: Any) -> None:
    text = json.dumps(json_safe(value), ensure_ascii=False, allow_nan=False).encode()
    json.loads(text)


def test_what_json_has_is_left_alone() -> None:
    value = {"a": [1, 2.5, None, True, "text"]}
    assert json_safe(value) is value


def test_what_json_has_not_is_replaced() -> None:
    found = json_safe({"a": (math.nan, math.inf), 1: np.float32(0.5), "b": np.arange(2), "c": "half \ud800"})
    assert found == {"a": [None, None], "1": 0.5, "b": [0, 1], "c": "half \ufffd"}


def test_what_has_no_place_in_json_is_told() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value, told in ((b"bytes", "it holds a bytes"), ({(1, 2): 3}, "a tuple for a key"), (endless, "nested")):
        with pytest.raises(InternalError, match=told):
            json_safe(value)
