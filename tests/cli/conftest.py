"""A data folder with its first users, and the command line in a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from sealtone.admin import first_use
from sealtone.store import Database

Run = Callable[..., subprocess.CompletedProcess[str]]


def command(
    data: Path,
    *arguments: str,
    columns: int = 100,
    limits: Mapping[int, int] = MappingProxyType({}),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Runs `sealtone` on a data folder; `environment`: variables besides the test's own, `limits` as of `resource`."""

    def limit() -> None:
        for what, most in limits.items():
            resource.setrlimit(what, (most, most))

    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SEALTONE_DATA": str(data),
        "COLUMNS": str(columns),
    }
    variables.pop("SUDO_USER", None)
    return subprocess.run(
        [sys.executable, "-m", "sealtone.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=variables | environment,
        preexec_fn=limit if limits else None,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    database = Database(folder)
    with database.write() as transaction:
        first_use(transaction, 1.0, "office.example")
    database.close()
    return folder


@pytest.fixture
def run(data: Path) -> Run:
    def run(
        *arguments: str, columns: int = 100, folder: Path = data, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return command(folder, *arguments, columns=columns, **environment)

    return run
