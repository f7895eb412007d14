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
            "second_factor_needed": True,
        }
    )

    id: int
    name: str
    enabled: bool
    keep_calls_days: Days
    keep_ladders: KeepLadders = Field(description="Of which calls the SIP messages are kept.")
    recording_key: str | None = Field(description="The public key that recordings are sealed to; null: none.")
    second_factor_needed: bool = Field(description="Whether everybody in it needs a second factor to sign in.")


class AccountPatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"keep_calls_days": 90})

    name: str | None = Field(None, max_length=200, description="For owners.")
    keep_calls_days: Days | None = None
    keep_ladders: KeepLadders | None = None
    second_factor_needed: bool | None = Field(
        None, description="For owners. Who has none sets one up at the next page they open."
    )


class CloseIn(Form):
    """That it is meant."""

    model_config = example({"name": "Office"})

    name: str = Field(max_length=400, description="The name of the account, exactly.")


class RecordingKeyIn(Form):
    """The public half of a key pair whose private half never comes here."""

    model_config = example({"recording_key": KEY})

    recording_key: str = Field(max_length=200, description="An age recipient, age1….")


def account_out(account: Account, *, second_factor_needed: bool) -> AccountOut:
    return AccountOut(
        id=account.id,
        name=account.name,
        enabled=account.enabled,
        keep_calls_days="forever" if account.keep_calls_days is None else account.keep_calls_days,
        keep_ladders=account.keep_ladders,
        recording_key=account.recording_recipient or None,
        second_factor_needed=second_factor_needed,
    )
