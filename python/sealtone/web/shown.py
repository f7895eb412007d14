"""How durations, figures and parties of calls are written on pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealtone.admin.call_facts import dialled_as


def duration(seconds: float) -> str:
    """``0:42``, ``1:02:03``."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def octets(count: int) -> str:
    """``3.4 MB``"""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def party(aor: str, beside: str = "") -> str:
    """The user part where `beside` is of the same domain, or of none; else the whole address. Of a dialled URI too."""
    aor, other = dialled_as(aor), dialled_as(beside)
    name, at, domain = aor.partition("@")
    return name if at and ("@" not in other or other.rpartition("@")[2] == domain) else aor


def decimal(value: float | None, digits: int = 1) -> str:
    """A figure, or a dash where it is not known."""
    return "–" if value is None else f"{value:.{digits}f}"


def is_service(row: Mapping[str, Any]) -> bool:
    """Whether a call is with an application of the server's own."""
    return bool(row["callee"]) and "@" not in row["callee"]


def ends(row: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The caller's leg and the one that answered, or the one that rings."""
    legs = row["legs"]
    first = next((leg for leg in legs if leg["role"] == "caller"), None)
    others = [leg for leg in legs if leg["role"] == "callee"]
    second = next((leg for leg in others if leg["chosen"]), others[0] if len(others) == 1 else None)
    return first, second
