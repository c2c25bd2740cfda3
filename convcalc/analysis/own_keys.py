"""Reads the user's own keys of a spec, which begin with `x-`, as values of a table.

For example, `{"x-top1": 71.5, "x-tags": ["a", "b"]}` becomes `{"x-top1": 71.5, "x-tags": '["a", "b"]'}`.
"""

import json
from collections.abc import Mapping
from typing import Any

PREFIX = "x-"


def list_own_values(keys: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the user's own keys of a spec; values are numbers, texts, or None if empty."""
    return {key: _flatten(value) for key, value in keys.items() if isinstance(key, str) and key.startswith(PREFIX)}


def _flatten(value: object) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return value if isinstance(value, int | float | str) or value is None else str(value)
