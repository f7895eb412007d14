"""Many SIP users at once, as JSON; and what a call would come to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sealtone.admin.rehearsal import Outlook
from sealtone.admin.sip_user_csv import ImportPlan, ImportResult
from sealtone.admin.trial_call import TrialCall
from sealtone.model import CallState, Compare, Listener, Scheme
from sealtone.web.api.schemas.base import Form, Shown, example
from sealtone.web.api.schemas.sip_users import USER, SipUserFields, SipUserOut, SipUserWithSecret, with_secret

_MOST_CSV = 900_000
_MADE = {"items": [USER | {"secret": "k7mf-92qx-hw3n-p8rt"}]}
_LEG = {
    "aor": "1000@office.example",
    "protection": "zrtp",
    "media_path": "sealed",
    "codec": "opus/48000",
    "note": "",
}
_OUTCOME = {
    "status": 200,
    "reason": "",
    "service": "",
    "drawn": "1000 —ZRTP→ 1001",
    "transcoding": "",
    "announced": "",
    "recording": "",
    "ends_for_want_of_keys": False,
    "legs": [_LEG],
    "scheme": "zrtp-sealed",
    "state": "end-to-end",
    "listeners": [],
    "compare": "each other",
}


class NewSipUsers(SipUserFields):
    """SIP users of one domain, alike but for their names."""

    model_config = example({"domain": "office.example", "numbers": "2000-2004, anna", "protection": "zrtp"})

    domain: str = Field(max_length=300)
    numbers: str = Field(max_length=20_000, description="User names and ranges, such as 1000-1049, anna; at most 1000.")


class SipUsersMade(Shown):
    """The new SIP users with their secrets, which are shown this once."""

    model_config = example(_MADE)

    items: list[SipUserWithSecret]


class SipUsersChange(Form):
    """Several SIP users, and what is to be the same of each from now on."""

    model_config = example({"aors": ["1000@office.example"], "change": {"protection": "zrtp"}})

    aors: list[Annotated[str, Field(max_length=400)]] = Field(min_length=1, max_length=1000)
    change: SipUserFields


class SipUsersChanged(Shown):
    """The SIP users as they are now."""

    model_config = example({"items": [USER]})

    items: list[SipUserOut]


class SipUsersDeletion(Form):
    """Several SIP users that are to go."""

    model_config = example({"aors": ["1000@office.example"]})

    aors: list[Annotated[str, Field(max_length=400)]] = Field(min_length=1, max_length=1000)


class CsvIn(Form):
    """A file of SIP users, as the export has it; a column `secret` may be added."""

    model_config = example({"csv": "user,name\n3000@office.example,Anna\n", "dry_run": True})

    csv: str = Field(max_length=_MOST_CSV)
    domain: str = Field("", max_length=300, description="Of users that the file names without one.")
    dry_run: bool = Field(False, description="Only tell what would be done.")


class CsvLine(Shown):
    """What one line comes to."""

    line: int
    aor: str
    action: Literal["create", "change", "same"]
    before: dict[str, str]
    after: dict[str, str]


class CsvOut(Shown):
    """What a file comes to."""

    model_config = example(
        {
            "created": 1,
            "changed": 0,
            "lines": [
                {
                    "line": 2,
                    "aor": "3000@office.example",
                    "action": "create",
                    "before": {},
                    "after": {"display_name": "Anna"},
                }
            ],
            "made": [],
        }
    )

    created: int
    changed: int
    lines: list[CsvLine] = Field(description="Of a dry run.")
    made: list[SipUserWithSecret] = Field(description="New users whose secrets were generated; shown this once.")


class TrialIn(Form):
    """Who would call whom."""

    model_config = example({"caller": "1000@office.example", "dialled": "1001"})

    caller: str = Field(max_length=400, description="The address of record of a SIP user.")
    dialled: str = Field(max_length=400, description="What is dialled: a number, or user@domain.")


class TrialLeg(Shown):
    """What one leg would come to."""

    aor: str
    protection: str
    media_path: str
    codec: str
    note: str


class OutcomeOut(Shown):
    """What a call would come to."""

    model_config = example(_OUTCOME)

    status: int = Field(description="200 where it comes about, else what the caller would be told.")
    reason: str
    service: str
    drawn: str
    transcoding: str
    announced: str
    recording: str
    ends_for_want_of_keys: bool
    legs: list[TrialLeg]
    scheme: Scheme | None
    state: CallState | None
    listeners: list[Listener] | None = Field(description="Who could listen beside the two; empty: nobody.")
    compare: Compare | None = Field(description="With whom the SAS is to be compared.")


class TrialOut(Shown):
    """What a call would come to, and what that rests on."""

    model_config = example(
        {
            "caller": "1000@office.example",
            "dialled": "1001",
            "callee": "1001@office.example",
            "caller_is_registered": True,
            "callee_is_registered": True,
            "outcome": _OUTCOME,
            "if_registered": None,
        }
    )

    caller: str
    dialled: str
    callee: str | None
    caller_is_registered: bool
    callee_is_registered: bool
    outcome: OutcomeOut
    if_registered: OutcomeOut | None


def csv_plan_out(plan: ImportPlan) -> CsvOut:
    lines = [
        CsvLine.model_validate({name: getattr(line, name) for name in CsvLine.model_fields}) for line in plan.lines
    ]
    return CsvOut(created=plan.count("create"), changed=plan.count("change"), lines=lines, made=[])


def csv_result_out(result: ImportResult) -> CsvOut:
    made = [with_secret(one.user, one.secret) for one in result.secrets]
    return CsvOut(created=result.created, changed=result.changed, lines=[], made=made)


def trial_out(tried: TrialCall) -> TrialOut:
    return TrialOut(
        caller=tried.caller.aor,
        dialled=tried.dialled,
        callee=tried.callee.aor if tried.callee is not None else None,
        caller_is_registered=tried.caller_is_registered,
        callee_is_registered=tried.callee_is_registered,
        outcome=_outcome(tried.outlook),
        if_registered=_outcome(tried.if_registered) if tried.if_registered is not None else None,
    )


def _outcome(outlook: Outlook) -> OutcomeOut:
    audience = outlook.audience
    return OutcomeOut(
        status=outlook.status,
        reason=outlook.reason,
        service=outlook.service,
        drawn=outlook.drawn,
        transcoding=outlook.transcoding,
        announced=outlook.announced,
        recording=outlook.recording,
        ends_for_want_of_keys=outlook.is_cut_off,
        legs=[
            TrialLeg(
                aor=leg.aor,
                protection=leg.security.protection.value,
                media_path=leg.security.media_path.value,
                codec=leg.codec,
                note=leg.security.note,
            )
            for leg in outlook.legs
        ],
        scheme=audience.scheme if audience is not None else None,
        state=audience.state if audience is not None else None,
        listeners=list(audience.listeners) if audience is not None else None,
        compare=audience.compare if audience is not None else None,
    )
