"""Rows of the result, their spread, the printed table, and the saved files."""

from __future__ import annotations

import json
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Spread(NamedTuple):
    """Median, least and greatest over the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)}–{number(self.high)})"


def number(value: float) -> str:
    """Three significant digits, no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4g}"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


class Target(NamedTuple):
    """What was promised: the figure (a ratio, or our own value) is at most or at least `bound`."""

    at_most: bool
    bound: float

    def met(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {number(self.bound)}"


def at_most(bound: float) -> Target:
    return Target(True, bound)


def at_least(bound: float) -> Target:
    return Target(False, bound)


class Row(NamedTuple):
    """One comparison. Without a peer the target is about our own value, else about the ratio."""

    case: str
    unit: str
    ours: Spread
    peer_name: str | None
    peer: Spread | None
    ratio: Spread | None
    target: Target | None
    note: str = ""
    # False when we did not do what was measured: a relay that loses packets, say, may be as cheap as it likes.
    valid: bool = True

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        if not self.valid:
            return False
        return self.target.met((self.ratio or self.ours).median)


def compare(
    case: str,
    unit: str,
    ours: Sequence[float],
    peer_name: str,
    peer: Sequence[float],
    target: Target | None,
    note: str = "",
    valid: bool = True,
) -> Row:
    """Ratios are taken round by round, so that drift of the machine cancels out."""
    ratios = [mine / other for mine, other in zip(ours, peer, strict=True) if other]
    ratio = spread(ratios) if ratios else None
    return Row(case, unit, spread(ours), peer_name, spread(peer), ratio, target, note, valid)


def alone(
    case: str, unit: str, ours: Sequence[float], target: Target | None, note: str = "", valid: bool = True
) -> Row:
    return Row(case, unit, spread(ours), None, None, None, target, note, valid)


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Plain text, columns as wide as their widest cell."""
    cells = [list(header), *(list(line) for line in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def verdict(row: Row) -> str:
    return {True: "yes", False: "NO", None: ""}[row.met]


def comparison_table(rows: Sequence[Row]) -> str:
    header = ("case", "unit", "ours", "peer", "ratio", "target", "met?", "note")
    lines = [
        (
            row.case,
            row.unit,
            str(row.ours),
            f"{row.peer_name} {row.peer}" if row.peer else "",
            str(row.ratio) if row.ratio else "",
            str(row.target) if row.target else "",
            verdict(row),
            row.note,
        )
        for row in rows
    ]
    return table(header, lines)


def _first_line(command: Sequence[str]) -> str:
    binary = shutil.which(command[0])
    if binary is None:
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def machine() -> dict[str, str]:
    """What the figures depend on; nothing that names the machine."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return {
        "cpu": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "rtpengine": _first_line(["rtpengine", "--version"]),
        "kamailio": _first_line(["kamailio", "-v"]),
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


class Outcome(NamedTuple):
    """What one part of the benchmark found."""

    rows: list[Row]
    # Further tables for the reader: title, header, lines.
    tables: list[tuple[str, Sequence[str], list[Sequence[str]]]]
    # Every sample, for whoever wants to reckon again.
    samples: Mapping[str, object]


def human(outcomes: Sequence[Outcome], mode: str) -> str:
    rows = [row for outcome in outcomes for row in outcome.rows]
    missed = sum(row.met is False for row in rows)
    judged = sum(row.met is not None for row in rows)
    parts = [f"Sealtone benchmarks, {mode}", "  ".join(f"{key}: {value}" for key, value in machine().items())]
    parts.append("Figures are the median over the rounds (least–greatest); ratios are taken round by round.")
    parts.append(comparison_table(rows))
    parts.append(f"{judged - missed} of {judged} targets met" + (f", {missed} MISSED." if missed else "."))
    for outcome in outcomes:
        parts += [f"{title}\n{table(header, lines)}" for title, header, lines in outcome.tables]
    return "\n\n".join(parts) + "\n"


def save(outcomes: Sequence[Outcome], mode: str, folder: Path) -> Path:
    """Writes `<mode>.json` and `<mode>.txt`; returns the path of the text."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {**row._asdict(), "target": str(row.target) if row.target else None, "met": row.met}
        | {key: getattr(row, key)._asdict() if getattr(row, key) else None for key in ("ours", "peer", "ratio")}
        for outcome in outcomes
        for row in outcome.rows
    ]
    samples = {name: value for outcome in outcomes for name, value in outcome.samples.items()}
    document = {"mode": mode, "machine": machine(), "rows": rows, "samples": samples}
    (folder / f"{mode}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    text = folder / f"{mode}.txt"
    text.write_text(human(outcomes, mode))
    return text
