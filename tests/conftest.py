"""Where the tests run against the compiled packages (`make test`, its second pass), what they cannot do is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealtone.sip import timers

COMPILED = Path(timers.__file__ or "").suffix != ".py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if COMPILED and item.get_closest_marker("interpreted"):
            item.add_marker(pytest.mark.skip(reason="this part is compiled"))
