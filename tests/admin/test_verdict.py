"""Verdicts: a sentence that somebody who has never read SIP understands, for each way a call can end."""

from __future__ import annotations

import pytest

from sealtone.admin.verdict import verdict_of
from sealtone.model import CallState, LegSecurity
from sealtone.model.policy import _NEEDS_TLS, _NOT_OFFERED, _SAVP_NEEDS_TLS, _ZRTP_ONLY
from sealtone.model.record import CallRecord, LegRecord


def leg(role: str, user: str, status: int = 0, **more: object) -> LegRecord:
    return LegRecord(role, f"{user}@office.example", LegSecurity(), status, **more)  # type: ignore[arg-type]


CALLER = leg("caller", "1000")


def record(status: int, reason: str, legs: tuple[LegRecord, ...] = (CALLER,), **more: object) -> CallRecord:
    values: dict[str, object] = {
        "id": "c",
        "account_id": 1,
        "caller": "1000@office.example",
        "dialled": "1001@office.example",
        "callee": "1001@office.example",
        "started_at": 10.0,
        "ended_at": 20.0,
        "ended_by": "server",
        "state": CallState.OPEN,
    }
    return CallRecord(status=status, reason=reason, legs=legs, **(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            record(488, _NOT_OFFERED, (CALLER, leg("callee", "1001", 488))),
            "1001's phone answered without encryption, and 1001 requires it, so the call was refused with 488.",
        ),
        (
            record(488, _NOT_OFFERED),
            "1000's phone offered no encryption, and 1000 requires it, so the call was refused with 488.",
        ),
        (record(488, _NEEDS_TLS), "1000 requires encryption, but the phone is not connected over TLS"),
        (record(488, _SAVP_NEEDS_TLS), "1000's phone asks for SRTP, but sends its keys in signalling"),
        (record(488, _ZRTP_ONLY), "1000 requires ZRTP, but the phone wants SRTP"),
        (record(487, "cancelled", ended_by="caller"), "1000 gave up before anybody answered."),
        (record(486, "Busy Here", ended_by="callee"), "1001 was busy: the phone refused with 486."),
        (record(480, "Nobody answered in time"), "1001's phone rang, but nobody picked up."),
        (record(480, "Nobody is reachable there now"), "No phone of 1001 is registered or reachable"),
        (
            record(404, "There is no such user", dialled="sip:77@office.example;user=phone", callee=""),
            "Nobody here has the number or name 77 (404).",
        ),
        (record(503, "No media ports are left"), "The call was refused with 503: No media ports are left"),
    ],
)
def test_a_call_that_failed_says_why(call: CallRecord, said: str) -> None:
    assert str(verdict_of(call)).startswith(said)


def test_a_call_that_was_answered_says_who_hung_up_and_whose_side_was_open() -> None:
    legs = (leg("caller", "1000", codec="PCMU", packets_rx=400), leg("callee", "1001", codec="PCMU"))
    answered = record(200, "hung up", legs, answered_at=12.0, ended_by="callee")
    assert str(verdict_of(answered)) == (
        "1000 and 1001 were connected. 1001 hung up. 1000's side was not encrypted. 1001's side was not encrypted. "
        "Nothing was heard from 1001's phone: look at its network, NAT or firewall."
    )


def test_names_of_two_domains_are_written_whole() -> None:
    call = record(486, "Busy", callee="1001@other.example", ended_by="callee")
    assert str(verdict_of(call)).startswith("1001@other.example was busy")
