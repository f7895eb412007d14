"""The account as JSON."""

from __future__ import annotations

from pydantic import Field

from sealtone.model import Account
from sealtone.model.ladder import KeepLadders
from sealtone.web.api.schemas.base import Days, Form, Shown, example

KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


class AccountOut(Shown):
    """The account that the API key belongs to."""

    model_config = example(
        {
            "id": 1,
            "name": "Office",
            "enabled": True,
            "keep_calls_days": 365,
            "keep_ladders": "all",
            "recording_key": KEY,
        }
    )

    id: int
    name: str
    enabled: bool
    keep_calls_days: Days
    keep_ladders: KeepLadders = Field(description="Of which calls the SIP messages are kept.")
    recording_key: str | None = Field(description="The public key that recordings are sealed to; null: none.")


class AccountPatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"keep_calls_days": 90})

    keep_calls_days: Days | None = None
    keep_ladders: KeepLadders | None = None


class RecordingKeyIn(Form):
    """The public half of a key pair whose private half never comes here."""

    model_config = example({"recording_key": KEY})

    recording_key: str = Field(max_length=200, description="An age recipient, age1….")


def account_out(account: Account) -> AccountOut:
    return AccountOut(
        id=account.id,
        name=account.name,
        enabled=account.enabled,
        keep_calls_days="forever" if account.keep_calls_days is None else account.keep_calls_days,
        keep_ladders=account.keep_ladders,
        recording_key=account.recording_recipient or None,
    )
