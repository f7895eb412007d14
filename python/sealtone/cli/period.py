"""How options of several commands are read."""

from __future__ import annotations

import time

import typer

_UNITS = {"m": 60, "h": 3600, "d": 86_400}


def since_of(text: str | None) -> float | None:
    """``30m``, ``12h``, ``7d`` ago, as Unix seconds."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 10) or unit not in _UNITS:
        raise typer.BadParameter("Write it like 30m, 12h or 7d.", param_hint="--since")
    return time.time() - int(number) * _UNITS[unit]


def page_of(text: str | None) -> tuple[float, str] | None:
    """The place where a page begins, as the page before printed it."""
    if text is None:
        return None
    started_at, _, row_id = text.partition("/")
    try:
        return float(started_at), row_id
    except ValueError:
        raise typer.BadParameter("Copy the value printed below the last page.", param_hint="--after") from None
