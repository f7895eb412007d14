"""What a leg's policy permits: which offer to make, which offers and answers to accept, and whether media may flow.

How it works, and its rules:

1. Keys travel in a=crypto only over signalling that is TLS on that hop. Without TLS none is sent and none is used,
   whatever the policy.
2. `require` accepts nothing but RTP/SAVP(F) with a usable key, in offers, answers and every later offer or answer, and
   within a call never a weaker suite than was reached. RTP/AVP with a=crypto (RFC 8643) is by its definition an
   offer to go on in the clear, so it does not satisfy `require`.
3. `prefer` takes the best that both ends have. When that is the clear, a note says why.
4. A phone that insists on encryption (RTP/SAVP) is either served or refused, never answered in the clear.
5. A refusal carries 488 and a sentence for a person. Nothing here raises for what a phone sent.
6. ZRTP agrees on its keys in the media path, so its offers are RTP/AVP on any transport, and what it comes to is known
   only later. Who requires ZRTP is served with nothing else; who prefers it and insists on SRTP by keys in the
   signalling gets that. A running call whose phone announced ZRTP (a=zrtp-hash) does not go back: an offer or answer
   without it is refused under `require`, and noted under `prefer`.
7. `media_may_flow` asks again, from what was reached alone, before any packet passes. It is the only gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sealtone.model.security import LegSecurity, MediaPath, Protection, ZrtpStage, leg_fault
from sealtone.sdp import AudioDescription
from sealtone.srtp_keys import PREFERENCE, CryptoAttribute, Suite, choose

ACCEPTED_SUITES: Final[tuple[Suite, ...]] = tuple(Suite)

NO_TLS: Final = "The signalling of this leg is not encrypted (no TLS), so encryption keys cannot be exchanged on it."
_NEEDS_TLS: Final = (
    "Encryption is required for this user, but the phone is not connected over TLS. Set its transport to TLS."
)
_SAVP_NEEDS_TLS: Final = "The phone asks for SRTP, but its signalling is not encrypted. Set its transport to TLS."
_NOT_OFFERED: Final = (
    "Encryption is required for this user, but the phone offers none. Switch on SRTP (SDES) in the phone."
)
_OPTIONAL: Final = (
    "Encryption is required for this user, but the phone offers it only as an option "
    "(RTP/AVP with a=crypto). Set SRTP to mandatory in the phone."
)
_LOWERED: Final = "Encryption is required for this user, so a running call may not go back to no encryption."
_ZRTP_ONLY: Final = (
    "ZRTP is required for this user, but the phone asks for SRTP with keys in the signalling. Set it to ZRTP."
)
_ZRTP_DROPPED: Final = (
    "ZRTP is required in this call, so a running call may not go on without it (a=zrtp-hash is missing)."
)
_ZRTP_GIVEN_UP: Final = "The phone gave up the ZRTP of a running call."
_NOT_ZRTP: Final = "ZRTP is required for this user, but the leg is not encrypted with it."
_WEAKENED: Final = "Encryption is required for this user, so a running call may not change to a weaker cipher."


class Strictness(StrEnum):
    """Whether the wanted protection is a wish or a condition."""

    PREFER = "prefer"
    REQUIRE = "require"


class LegPolicy(NamedTuple):
    """What a SIP user (or gateway) wants of its legs. `require` with protection none has no meaning and is ignored."""

    protection: Protection = Protection.NONE
    strictness: Strictness = Strictness.PREFER
    path: MediaPath = MediaPath.SEALED
    """Wanted where both ends of a call use ZRTP; everything else ends in the server."""

    @property
    def wants_zrtp(self) -> bool:
        return self.protection is Protection.ZRTP

    @property
    def requires_zrtp(self) -> bool:
        return self.protection is Protection.ZRTP and self.strictness is Strictness.REQUIRE

    @property
    def requires_srtp(self) -> bool:
        return self.protection is Protection.SRTP and self.strictness is Strictness.REQUIRE


_PREFER_SRTP: Final = LegPolicy(Protection.SRTP, Strictness.PREFER)


class Established(NamedTuple):
    """What a leg's last completed offer and answer reached; suite None is the clear, or ZRTP."""

    profile: str
    suite: Suite | None
    announced_zrtp: bool = False
    """The phone said that it speaks ZRTP (a=zrtp-hash), and its keys were left to that."""


class Refusal(NamedTuple):
    """The leg must not be set up, or not be changed, like this."""

    reason: str
    """A sentence a person can read; fit for a reason phrase, a Warning header and the call record."""
    status: int = 488


class OfferPlan(NamedTuple):
    """The offer to make: profile, and the suites of its key lines in order (none: the clear)."""

    profile: str
    suites: tuple[Suite, ...] = ()
    note: str = ""
    """Why it is not better, for `LegSecurity.note`."""


class Acceptance(NamedTuple):
    """The offer or answer may stand like this."""

    audio: AudioDescription
    """The peer's audio line that was chosen."""
    protection: Protection
    """ZRTP: its keys are to be agreed on in the media path."""
    remote: CryptoAttribute | None = None
    """The peer's key line: the key of what it sends to us. To answer an offer, use `srtp_keys.answer_to(remote)`."""
    own: CryptoAttribute | None = None
    """In a judged answer: which of the key lines we offered is now in use, for what we send."""
    note: str = ""
    """Why it is not better, for `LegSecurity.note`."""

    @property
    def profile(self) -> str:
        """The profile to answer with: the offer's own (RFC 3264, 6)."""
        return self.audio.profile

    @property
    def established(self) -> Established:
        announced = self.protection is Protection.ZRTP and bool(self.audio.zrtp_hashes)
        return Established(self.audio.profile, self.remote.suite if self.remote is not None else None, announced)


def plan_offer(policy: LegPolicy, hop_is_tls: bool, established: Established | None = None) -> OfferPlan | Refusal:
    """The offer to make to a leg; `established` for one in a running session, which then keeps what it has."""
    if established is not None:
        return _plan_new_offer(policy, hop_is_tls, established)
    if policy.protection is not Protection.SRTP:
        return OfferPlan("RTP/AVP")
    if not hop_is_tls:
        return Refusal(_NEEDS_TLS) if policy.requires_srtp else OfferPlan("RTP/AVP", (), NO_TLS)
    return OfferPlan("RTP/SAVP", PREFERENCE)


def plan_second_offer(policy: LegPolicy, hop_is_tls: bool, refused: OfferPlan) -> OfferPlan | None:
    """What to offer to a phone that refused the first offer with 488, 415 or 606; None when nothing is left.

    A phone that insists on SRTP refuses RTP/AVP, and is served with RTP/SAVP where TLS permits (rule 4). One that
    cannot encrypt refuses RTP/SAVP; where encryption is only preferred it gets RTP/AVP, still with keys (RFC 8643).
    That order matters: phones that could encrypt, but are not made to, answer RTP/AVP in the clear.
    """
    if not hop_is_tls or policy.requires_zrtp:
        return None
    if "/SAVP" not in refused.profile:
        return OfferPlan("RTP/SAVP", PREFERENCE)
    return OfferPlan("RTP/AVP", PREFERENCE) if policy[:2] == _PREFER_SRTP[:2] else None


def _plan_new_offer(policy: LegPolicy, hop_is_tls: bool, established: Established) -> OfferPlan | Refusal:
    if established.suite is None:
        return Refusal(_LOWERED) if policy.requires_srtp else OfferPlan(established.profile)
    if not hop_is_tls:
        return Refusal(_NEEDS_TLS if policy.requires_srtp else _SAVP_NEEDS_TLS)
    return OfferPlan(established.profile, (established.suite,))


def judge_offer(
    policy: LegPolicy,
    hop_is_tls: bool,
    offered: Sequence[AudioDescription],
    established: Established | None = None,
) -> Acceptance | Refusal:
    """Whether and how to answer an offer whose usable audio lines are `offered` (`sdp.read_audio_lines`).

    `established` for an offer in a running session.
    """
    if policy.requires_srtp:
        return _judge_required(hop_is_tls, offered, established)
    secure = [audio for audio in offered if audio.is_secure_profile]
    plain = [audio for audio in offered if not audio.is_secure_profile]
    if policy.wants_zrtp:
        if plain:
            return _accept_zrtp(policy, _best_for_zrtp(plain), established)
        if policy.requires_zrtp:
            return Refusal(_ZRTP_ONLY)
        return _noted(_judge_secure(hop_is_tls, secure), established)
    if policy.protection is Protection.SRTP and hop_is_tls:
        for audio in (*secure, *plain):
            chosen = choose(audio.crypto, ACCEPTED_SUITES)
            if chosen is not None:
                return Acceptance(audio, Protection.SRTP, chosen)
    if plain:
        return _answer_in_clear(policy, hop_is_tls, plain, established)
    return _judge_secure(hop_is_tls, secure)


def _best_for_zrtp(plain: Sequence[AudioDescription]) -> AudioDescription:
    return next((audio for audio in plain if audio.zrtp_hashes), plain[0])


def _accept_zrtp(policy: LegPolicy, audio: AudioDescription, established: Established | None) -> Acceptance | Refusal:
    """Keys in the media path; a phone that announced them once has to announce them still."""
    if established is None or not established.announced_zrtp or audio.zrtp_hashes:
        return Acceptance(audio, Protection.ZRTP)
    if policy.requires_zrtp:
        return Refusal(_ZRTP_DROPPED)
    return Acceptance(audio, Protection.ZRTP, None, None, _ZRTP_GIVEN_UP)


def _noted(verdict: Acceptance | Refusal, established: Established | None) -> Acceptance | Refusal:
    if isinstance(verdict, Acceptance) and established is not None and established.announced_zrtp:
        return verdict._replace(note=_ZRTP_GIVEN_UP)
    return verdict


def _judge_required(
    hop_is_tls: bool, offered: Sequence[AudioDescription], established: Established | None
) -> Acceptance | Refusal:
    secure = [audio for audio in offered if audio.is_secure_profile]
    if not secure:
        if established is not None and established.suite is not None:
            return Refusal(_LOWERED)
        if not hop_is_tls:
            return Refusal(_NEEDS_TLS)
        return Refusal(_OPTIONAL if any(audio.crypto for audio in offered) else _NOT_OFFERED)
    verdict = _judge_secure(hop_is_tls, secure)
    if isinstance(verdict, Acceptance) and _weakens(verdict.remote, established):
        return Refusal(_WEAKENED)
    return verdict


def _judge_secure(hop_is_tls: bool, secure: Sequence[AudioDescription]) -> Acceptance | Refusal:
    """An offer that insists on SRTP: accepted over TLS with a usable key, else refused, whatever the policy."""
    if not hop_is_tls:
        return Refusal(_SAVP_NEEDS_TLS)
    for audio in secure:
        chosen = choose(audio.crypto, ACCEPTED_SUITES)
        if chosen is not None:
            return Acceptance(audio, Protection.SRTP, chosen)
    return Refusal(_why_no_key(secure))


def _answer_in_clear(
    policy: LegPolicy, hop_is_tls: bool, plain: Sequence[AudioDescription], established: Established | None
) -> Acceptance:
    note = ""
    if policy.protection is Protection.SRTP:
        if not hop_is_tls:
            note = NO_TLS
        elif any(audio.crypto_refused for audio in plain):
            note = _why_no_key(plain)
        else:
            note = "The phone offers no encryption."
    if established is not None and established.suite is not None:
        note = f"The phone gave up the encryption of a running call. {note}".rstrip()
    return Acceptance(plain[0], Protection.NONE, None, None, note)


def judge_answer(
    policy: LegPolicy,
    hop_is_tls: bool,
    offer: AudioDescription,
    answer: AudioDescription,
    established: Established | None = None,
) -> Acceptance | Refusal:
    """Whether an answer to our `offer` may stand. A refused one in an INVITE's 200 means ACK, then BYE."""
    if policy.requires_zrtp and (answer.is_secure_profile or offer.is_secure_profile):
        return Refusal(_ZRTP_ONLY)
    if answer.crypto and offer.crypto:
        return _judge_keyed_answer(policy, hop_is_tls, offer, answer, established)
    if offer.is_secure_profile or answer.is_secure_profile or policy.requires_srtp:
        if not offer.crypto:
            return Refusal(
                "The phone answers with SRTP, but was offered none." if answer.is_secure_profile else _NOT_OFFERED
            )
        if answer.crypto_refused:
            return Refusal(_why_no_key([answer]))
        return Refusal("The phone was offered SRTP as a condition, but its answer holds no key.")
    if policy.wants_zrtp:
        return _accept_zrtp(policy, answer, established)
    note = ""
    if policy.protection is Protection.SRTP:
        if not hop_is_tls:
            note = NO_TLS
        elif answer.crypto_refused:
            note = _why_no_key([answer])
        else:
            note = "The phone declined encryption."
    if established is not None and established.suite is not None:
        note = f"The phone gave up the encryption of a running call. {note}".rstrip()
    return Acceptance(answer, Protection.NONE, None, None, note)


def _judge_keyed_answer(
    policy: LegPolicy,
    hop_is_tls: bool,
    offer: AudioDescription,
    answer: AudioDescription,
    established: Established | None,
) -> Acceptance | Refusal:
    """RFC 4568 5.1.3: exactly one key line, with a tag and suite that we offered."""
    if not hop_is_tls:
        return Refusal(_SAVP_NEEDS_TLS)
    if len(answer.crypto) + len(answer.crypto_refused) != 1:
        return Refusal("The phone's answer holds several key lines, so it is not clear which one it means.")
    remote = answer.crypto[0]
    own = next((attribute for attribute in offer.crypto if attribute.tag == remote.tag), None)
    if own is None or own.suite is not remote.suite:
        return Refusal("The phone's answer picks a cipher that was not offered to it.")
    if remote.mki is not None:
        return Refusal("The phone's answer uses a key identifier (MKI), which is not supported.")
    if any(remote.key == attribute.key for attribute in offer.crypto):
        return Refusal("The phone's answer repeats our own key, so its voice would not be protected.")
    if not answer.is_secure_profile and (offer.is_secure_profile or policy.requires_srtp):
        return Refusal("The phone answers an offer of RTP/SAVP with RTP/AVP, which permits no encryption.")
    if policy.requires_srtp and _weakens(remote, established):
        return Refusal(_WEAKENED)
    return Acceptance(answer, Protection.SRTP, remote, own)


def _weakens(remote: CryptoAttribute | None, established: Established | None) -> bool:
    if remote is None or established is None or established.suite is None:
        return False
    return remote.suite.weaker_than(established.suite)


def _why_no_key(lines: Sequence[AudioDescription]) -> str:
    for audio in lines:
        if audio.crypto_refused:
            return f"The phone's key line cannot be used: {audio.crypto_refused[0]}."
    for audio in lines:
        if any(attribute.mki is not None for attribute in audio.crypto):
            return "The phone's key line uses a key identifier (MKI), which is not supported."
    return "The phone asks for SRTP without a key line (a=crypto)."


def media_may_flow(policy: LegPolicy, leg: LegSecurity | None) -> bool:
    """Whether packets of this leg may pass now. Fail-closed: a leg that is unknown, contradicts itself or is below
    its policy passes nothing. Both legs of a call have to pass before they are bridged."""
    return why_media_is_held(policy, leg) is None


def why_media_is_held(policy: LegPolicy, leg: LegSecurity | None) -> str | None:
    """The reason behind `media_may_flow`, as a sentence; None when media may flow."""
    if leg is None:
        return "The leg has no completed offer and answer."
    fault = leg_fault(leg)
    if fault is not None:
        return fault
    if policy.requires_srtp and leg.protection is Protection.NONE:
        return "Encryption is required for this user, but the leg is not encrypted."
    if policy.requires_zrtp and leg.protection is not Protection.ZRTP:
        return _NOT_ZRTP
    if policy.wants_zrtp and leg.zrtp is not None and leg.zrtp.stage is ZrtpStage.AGREEING:
        return "The keys are still being agreed on."
    return None
