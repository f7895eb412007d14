"""What came of a call and why, in a sentence or two for somebody who has never read SIP."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin.call_facts import dialled_as
from sealtone.model import CallState, leg_state
from sealtone.model.record import CallRecord, LegRecord


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


class Sentence(NamedTuple):
    """`template` with places such as ``{caller}`` for `values`. The value of ``reason`` is an English sentence too."""

    template: str
    values: dict[str, str]

    def __str__(self) -> str:
        return self.template.format(**self.values)


class Verdict(NamedTuple):
    """The outcome first, then what else matters."""

    outcome: Sentence
    more: tuple[Sentence, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(sentence) for sentence in (self.outcome, *self.more))


_OFFERS_NONE = _(
    "{phone}'s phone offered no encryption, and {phone} requires it, so the call was refused with {status}."
)
_ANSWERS_NONE = _(
    "{phone}'s phone answered without encryption, and {phone} requires it, so the call was refused with {status}."
)
_NOT_TLS = _(
    "{phone} requires encryption, but the phone is not connected over TLS, over which keys could be exchanged, so the "
    "call was refused with {status}."
)
_WITHOUT_TLS = _(
    "{phone}'s phone asks for SRTP, but sends its keys in signalling that is not encrypted, so the call was refused "
    "with {status}."
)
_SDES_NOT_ZRTP = _(
    "{phone} requires ZRTP, but the phone wants SRTP with keys in the signalling, so the call was refused with "
    "{status}."
)
_NO_KEYS = _("{phone}'s phone did not agree on ZRTP keys in time, so the server ended the call.")
_LOWERED = _("In mid-call {phone}'s phone would have gone back to less protection, which was refused.")

# What reasons begin with, of the server's own policy (`model.policy`): of the caller's phone, and of the called one's.
_POLICY: tuple[tuple[str, str, str], ...] = (
    ("Encryption is required for this user, but the phone is not connected over TLS", _NOT_TLS, _NOT_TLS),
    ("Encryption is required for this user, but the phone offers", _OFFERS_NONE, _ANSWERS_NONE),
    ("The phone asks for SRTP, but its signalling is not encrypted", _WITHOUT_TLS, _WITHOUT_TLS),
    ("ZRTP is required for this user, but the phone asks for SRTP", _SDES_NOT_ZRTP, _SDES_NOT_ZRTP),
    ("ZRTP is required for this user, but the leg", _OFFERS_NONE, _ANSWERS_NONE),
    ("Encryption is required for this user, so a running call may not", _LOWERED, _LOWERED),
    ("ZRTP is required in this call, so a running call may not", _LOWERED, _LOWERED),
)
_BUSY = _("{callee} was busy: the phone refused with {status}.")
_DECLINED = _("{callee} declined the call ({status}).")
_GAVE_UP = _("{caller} gave up before anybody answered.")
_UNANSWERED = _("{callee}'s phone rang, but nobody picked up.")
_NOT_REGISTERED = _("No phone of {callee} is registered or reachable, so nothing could ring ({status}).")
_NOBODY_OF_THIS_NAME = _("Nobody here has the number or name {dialled} ({status}).")
_NO_CODEC = _("The two phones share no codec, and the server could not help ({status}): {reason}")
_REFUSED = _("The call was refused with {status}: {reason}")
_PHONE_REFUSED = _("{callee}'s phone refused the call with {status}: {reason}")
_SERVICE = _("{caller} called the server's own service “{callee}”.")
_TALKED = _("{caller} and {callee} were connected.")
_HUNG_UP = _("{who} hung up.")
_TRANSFERRED = _("The call was transferred.")
_SERVER_ENDED = _("The server ended the call: {reason}.")
_DIFFERED = _("The SAS differed when it was compared: somebody may have been listening between phone and server.")
_PLAIN = _("{phone}'s side was not encrypted.")
_WAS_OPEN = _("For a part of the call a side was not encrypted.")
_ONE_WAY = _("Nothing was heard from {phone}'s phone: look at its network, NAT or firewall.")


def verdict_of(record: CallRecord) -> Verdict:
    """The verdict on a call that has ended."""
    names = {
        "caller": _short(record.caller, record),
        "callee": _short(record.callee or dialled_as(record.dialled), record),
        "dialled": _short(dialled_as(record.dialled), record),
        "status": str(record.status),
        "reason": record.reason,
    }
    if record.answered_at is None:
        return Verdict(_failure(record, names))
    is_service = bool(record.callee) and "@" not in record.callee
    outcome = Sentence(_SERVICE if is_service else _TALKED, names)
    return Verdict(outcome, (*_end(record, names), *_protection(record), *_silence(record)))


def _failure(record: CallRecord, names: dict[str, str]) -> Sentence:
    if found := _policy(record, names):
        return found
    template = _REFUSED
    if record.status == 487:
        template = _GAVE_UP
    elif record.status in (486, 600):
        template = _BUSY
    elif record.status == 603:
        template = _DECLINED
    elif record.reason == "Nobody answered in time":
        template = _UNANSWERED
    elif record.reason.startswith(("Nobody is reachable", "The phone does not answer", "That user has no phone")):
        template = _NOT_REGISTERED
    elif record.status == 404:
        template = _NOBODY_OF_THIS_NAME
    elif "codec in common" in record.reason:
        template = _NO_CODEC
    elif any(leg.role == "callee" and leg.status == record.status for leg in record.legs):
        template = _PHONE_REFUSED
    return Sentence(template, names)


def _policy(record: CallRecord, names: dict[str, str]) -> Sentence | None:
    """The refusal of the server's policy that the reason tells of."""
    if " did not come to keys in time" in record.reason:
        aor = record.reason.partition("the phone of ")[2].partition(" ")[0]
        return Sentence(_NO_KEYS, {**names, "phone": _short(aor, record)})
    for beginning, of_caller, of_callee in _POLICY:
        if record.reason.startswith(beginning):
            callee = next((leg for leg in record.legs if leg.role == "callee" and leg.chosen), None)
            phone = callee.aor if callee is not None else record.caller
            template = of_caller if callee is None else of_callee
            return Sentence(template, {**names, "phone": _short(phone, record)})
    return None


def _end(record: CallRecord, names: dict[str, str]) -> tuple[Sentence, ...]:
    if "SAS differs" in record.reason:
        return (Sentence(_DIFFERED, {}),)
    if record.reason == "transferred":
        return (Sentence(_TRANSFERRED, {}),)
    if record.ended_by == "server":
        found = _policy(record, names)
        return (found or Sentence(_SERVER_ENDED, {"reason": record.reason.rstrip(".")}),)
    return (Sentence(_HUNG_UP, {"who": names["caller" if record.ended_by == "caller" else "callee"]}),)


def _protection(record: CallRecord) -> tuple[Sentence, ...]:
    if record.state is not CallState.OPEN:
        return ()
    plain = [leg for leg in _chosen(record) if leg_state(leg.security) is CallState.OPEN]
    if not plain:
        return (Sentence(_WAS_OPEN, {}),)
    return tuple(Sentence(_PLAIN, {"phone": _short(leg.aor, record)}) for leg in plain)


def _silence(record: CallRecord) -> tuple[Sentence, ...]:
    """Phones that sent nothing in a call of some seconds. On a direct path nothing passes here."""
    if record.duration_s < 3:
        return ()
    silent = [
        leg for leg in _chosen(record) if not leg.packets_rx and leg.codec and leg.security.media_path.value != "direct"
    ]
    return tuple(Sentence(_ONE_WAY, {"phone": _short(leg.aor, record)}) for leg in silent)


def _chosen(record: CallRecord) -> list[LegRecord]:
    return [leg for leg in record.legs if leg.chosen]


def _short(aor: str, record: CallRecord) -> str:
    """The user part where both are of one domain."""
    name, _, domain = aor.partition("@")
    callee = record.callee or dialled_as(record.dialled)
    shared = "@" not in callee or callee.rpartition("@")[2] == record.caller.rpartition("@")[2]
    return name if shared and domain in ("", record.caller.rpartition("@")[2]) else aor
