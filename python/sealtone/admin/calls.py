"""Calls, past and live: who may see them, and what may be done to those that are up.

A call belongs to the account of whoever called. Of a leg with another account's phone only what says who could listen,
and how it sounded, is shown: where that phone is, what it is, and its SAS are that account's business.

What is done to a live call is done by the running server: a use case here says whether the actor may ask for it and
gives the `LiveRequest` to be sent; what a person found or did is then written to the change log (`note_…`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.errors import NotFound
from sealtone.model import Role
from sealtone.model.record import CallRecord, LegRecord
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store.calls_overview import CallFigures, read_figures
from sealtone.store.records import CallFilter, CallPage, find_call, read_calls

_NO_CALL = "There is no such call."


class LiveRequest(NamedTuple):
    """A control action of the running server, and its arguments."""

    action: str
    arguments: dict[str, Any]


class Comparison(NamedTuple):
    """When somebody last compared a phone's SAS, and what they found."""

    at: float
    actor: str
    matches: bool


# Past calls


def list_calls(transaction: Transaction, actor: Actor, wanted: CallFilter) -> CallPage:
    """The calls that the actor may see, newest first."""
    if actor.account_id is not None:
        actor.authorise(actor.account_id, "such call", Role.VIEWER)
        wanted = wanted._replace(account_id=actor.account_id)
    page = read_calls(transaction.connection, wanted)
    own = _own_domains(transaction, actor)
    return page._replace(records=tuple(_as_seen(record, own) for record in page.records))


def call_of(transaction: Transaction, actor: Actor, call_id: str) -> CallRecord:
    """A past call by its whole id. Raises `NotFound`."""
    record = find_call(transaction.connection, call_id)
    if record is None or (actor.account_id is not None and record.account_id != actor.account_id):
        raise NotFound(_NO_CALL)
    return _as_seen(record, _own_domains(transaction, actor))


def call_figures(transaction: Transaction, actor: Actor, since: float) -> CallFigures:
    """What the calls since then came to: how many, by state, and how they sounded."""
    return read_figures(transaction.connection, actor.account_id, since)


def last_comparison(transaction: Transaction, actor: Actor, aor: str) -> Comparison | None:
    """What was found when the SAS of a SIP user's phone was last compared in the panel."""
    for change in rows.read_changes(transaction, 1, _subject(aor)):
        if actor.account_id in (None, change.account_id):
            return Comparison(change.at, change.actor, change.after.get("sas") == "matches")
    return None


# Live calls


def live_calls(actor: Actor, call: str = "") -> LiveRequest:
    """The live calls that the actor may see, or the one that is named."""
    return LiveRequest("calls.live", {"account_id": actor.account_id, "call": call})


def hang_up(actor: Actor, call: str) -> LiveRequest:
    """End a live call. Raises `Forbidden`."""
    _may_act(actor)
    return LiveRequest("calls.hang_up", {"call": call, "account_id": actor.account_id, "by": _by(actor)})


def record_call(actor: Actor, call: str, *, start: bool) -> LiveRequest:
    """Begin or end a recording of a live call. Raises `Forbidden`."""
    _may_act(actor)
    # A login of the machine is nobody in the account: the recording says where it came from.
    by = actor.name if actor.account_id is not None else f"{actor.name} ({actor.origin})"
    return LiveRequest("calls.record", {"call": call, "start": start, "by": by, "account_id": actor.account_id})


def compare_sas(actor: Actor, call: str, aor: str, *, matches: bool) -> LiveRequest:
    """Somebody compared the SAS that a phone shows with the server's. That it differs does not end the call yet.

    `note_comparison` the answer. Raises `Forbidden`.
    """
    _may_act(actor)
    arguments = {"call": call, "user": aor, "matches": matches, "account_id": actor.account_id, "by": actor.name}
    return LiveRequest("calls.verify", {**arguments, "hang_up": False})


def note_comparison(transaction: Transaction, actor: Actor, now_wall: float, answer: dict[str, Any]) -> None:
    """Write down what somebody found; `answer` is the server's to `compare_sas`."""
    found = {"sas": "matches" if answer["matches"] else "differs", "call": str(answer.get("call", ""))}
    _log(transaction, actor, now_wall, answer.get("account_id"), _subject(answer["aor"]), found)


def note_hang_up(transaction: Transaction, actor: Actor, now_wall: float, live: dict[str, Any]) -> None:
    """Write down who ended a call; `live` is its row of `live_calls`."""
    parties = {"caller": str(live["caller"]), "callee": str(live["callee"]), "ended": "yes"}
    _log(transaction, actor, now_wall, live["account_id"], f"call {live['id']}", parties)


def note_recording(
    transaction: Transaction, actor: Actor, now_wall: float, live: dict[str, Any], *, start: bool
) -> None:
    """Write down who had a call recorded, or not any more."""
    said = {
        "caller": str(live["caller"]),
        "callee": str(live["callee"]),
        "recording": "started" if start else "stopped",
    }
    _log(transaction, actor, now_wall, live["account_id"], f"call {live['id']}", said)


def _may_act(actor: Actor) -> None:
    if actor.account_id is not None:
        actor.authorise(actor.account_id, "such call")


def _by(actor: Actor) -> str:
    return f"{actor.name} ({actor.origin})"


def _subject(aor: str) -> str:
    return f"SAS of {aor}"


def _log(
    transaction: Transaction, actor: Actor, now_wall: float, account_id: int | None, subject: str, said: dict[str, str]
) -> None:
    rows.append_change(
        transaction, rows.Change(now_wall, account_id, actor.name, actor.origin, "change", subject, {}, said)
    )


# Whose leg it is


def _own_domains(transaction: Transaction, actor: Actor) -> frozenset[str] | None:
    """The actor's domains; None for whoever operates the machine, who sees everything."""
    if actor.account_id is None:
        return None
    return frozenset(domain.name for domain in rows.read_domains(transaction, actor.account_id))


def _as_seen(record: CallRecord, own: frozenset[str] | None) -> CallRecord:
    if own is None:
        return record
    mine = own | {_domain_of(record.caller)}
    return record._replace(legs=tuple(leg if _domain_of(leg.aor) in mine else foreign(leg) for leg in record.legs))


def _domain_of(aor: str) -> str:
    return aor.rpartition("@")[2].lower()


def foreign(leg: LegRecord) -> LegRecord:
    """What a leg with another account's phone is shown as."""
    security = leg.security
    if security.zrtp is not None:
        security = security._replace(zrtp=security.zrtp._replace(sas="", client="", cache="", warnings=()))
    return leg._replace(security=security, remote_signalling="", remote_media="", user_agent="", sip_call_id="")
