"""Backups as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sealtone.web.api.schemas.base import Form, Moment, Shown, example

NAME = "sealtone-20261126T093000Z.zip"
READY = {"name": NAME, "state": "ready", "made_at": "2026-11-26T09:30:00.000Z", "octets": 1_482_113, "error": ""}


class BackupOut(Shown):
    """A backup of the whole service."""

    model_config = example(READY)

    name: str
    state: Literal["making", "ready", "failed"]
    made_at: Moment | None = Field(description="Null while it is made, and where it failed.")
    octets: int | None
    error: str = Field(description="Why it failed; empty: it did not.")


class BackupBegun(BackupOut):
    """A backup that is being made."""

    model_config = example(READY | {"state": "making", "made_at": None, "octets": None})


class Backups(Shown):
    """Those that lie on the server."""

    model_config = example({"items": [READY]})

    items: list[BackupOut]


class BackupIn(Form):
    """How it is sealed: to a public key of age, or by a passphrase."""

    model_config = example(
        {"recipient": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "recordings": False}
    )

    recipient: str = Field("", max_length=1024, description="An age recipient, age1….")
    passphrase: str = Field("", max_length=1024, description="In place of `recipient`; 12 characters or more.")
    recordings: bool = Field(False, description="With the recordings, sealed as they are.")
