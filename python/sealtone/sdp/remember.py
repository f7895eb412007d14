"""Results remembered by the very objects that they were worked out from.

The codec lists of a call are the same few tuples in nearly all calls, since what they are read from is remembered by
its text. To look up a result by such objects costs a fraction of comparing what they hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

MOST: Final = 512

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def remembered(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`function`, of immutable arguments by position, with its last results kept. What it raises is not."""
    kept: dict[tuple[int, ...], tuple[object, Result]] = {}

    def look_up(*arguments: Parameters.args, **by_name: Parameters.kwargs) -> Result:
        key = tuple(map(id, arguments))
        found = kept.get(key)
        if found is not None:
            return found[1]
        result = function(*arguments, **by_name)
        if len(kept) >= MOST:
            kept.clear()
        kept[key] = arguments, result  # as long as the arguments are kept, nothing else has their identity
        return result

    return look_up
