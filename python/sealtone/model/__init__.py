"""Frozen facts below every decision: who there is, what protects a leg, and what its policy permits."""

from sealtone.model.directory import DEFAULT_KEEP_CALLS_DAYS, Account, Domain, SipUser, Snapshot
from sealtone.model.policy import (
    Acceptance,
    Established,
    LegPolicy,
    OfferPlan,
    Refusal,
    Strictness,
    judge_answer,
    judge_offer,
    media_may_flow,
    plan_offer,
    plan_second_offer,
    why_media_is_held,
)
from sealtone.model.security import (
    CallState,
    KeyExchange,
    LegSecurity,
    MediaPath,
    Protection,
    call_state,
    leg_state,
)

__all__ = [
    "DEFAULT_KEEP_CALLS_DAYS",
    "Acceptance",
    "Account",
    "CallState",
    "Domain",
    "Established",
    "KeyExchange",
    "LegPolicy",
    "LegSecurity",
    "MediaPath",
    "OfferPlan",
    "Protection",
    "Refusal",
    "SipUser",
    "Snapshot",
    "Strictness",
    "call_state",
    "judge_answer",
    "judge_offer",
    "leg_state",
    "media_may_flow",
    "plan_offer",
    "plan_second_offer",
    "why_media_is_held",
]
