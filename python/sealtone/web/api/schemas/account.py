"""The account as JSON."""

from __future__ import annotations

from pydantic import Field

from sealtone.admin.onboarding import Checklist, Step
from sealtone.model import Account
from sealtone.model.ladder import KeepLadders
from sealtone.web.api.schemas.base import Days, Form, Moment, Shown, example, moment_or_none

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


class StepOut(Shown):
    """A step to the first encrypted call."""

    model_config = example({"step": "domain", "reached_at": "2026-11-26T09:30:00.000Z"})

    step: Step
    reached_at: Moment | None = Field(description="When it was first found to have happened; null: it has not yet.")


class ChecklistOut(Shown):
    """The way to the first encrypted call. A step is done when it has happened, and stays so."""

    model_config = example(
        {
            "steps": [
                {"step": "domain", "reached_at": "2026-11-26T09:30:00.000Z"},
                {"step": "sip-user", "reached_at": "2026-11-26T09:31:00.000Z"},
                {"step": "registered", "reached_at": None},
                {"step": "call", "reached_at": None},
                {"step": "protected-call", "reached_at": None},
            ],
            "next_step": "registered",
            "domain": "office.example",
            "aor": "1000@office.example",
        }
    )

    steps: list[StepOut] = Field(description="All of them, in the order in which they are taken.")
    next_step: Step | None = Field(description="The first that is open; null: all are done.")
    domain: str | None = Field(description="The account's oldest domain.")
    aor: str | None = Field(description="Its oldest SIP user.")


def checklist_out(found: Checklist) -> ChecklistOut:
    steps = [StepOut(step=step, reached_at=moment_or_none(found.reached.get(step))) for step in Step]
    return ChecklistOut(steps=steps, next_step=found.next_step, domain=found.domain or None, aor=found.aor or None)


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
