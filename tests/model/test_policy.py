"""Which offers are made, which offers and answers may stand, and when media may flow."""

import base64
import os

import pytest

from sealtone.model import (
    Acceptance,
    Established,
    KeyExchange,
    LegPolicy,
    LegSecurity,
    MediaPath,
    OfferPlan,
    Protection,
    Refusal,
    Strictness,
    ZrtpFacts,
    ZrtpStage,
    judge_answer,
    judge_offer,
    media_may_flow,
    plan_offer,
    plan_second_offer,
    why_media_is_held,
)
from sealtone.sdp import AudioDescription, Codec
from sealtone.srtp_keys import PREFERENCE, CryptoAttribute, Suite, generate, offer_of

NONE = LegPolicy()
PREFER = LegPolicy(Protection.SRTP, Strictness.PREFER)
REQUIRE = LegPolicy(Protection.SRTP, Strictness.REQUIRE)
CODECS = (Codec(0, "PCMU", 8000),)
PLAIN = AudioDescription("192.0.2.7", 4000, CODECS)
KEYS = offer_of([Suite.AES_CM_128_HMAC_SHA1_80, Suite.AEAD_AES_256_GCM], os.urandom)
SECURE = PLAIN._replace(profile="RTP/SAVP", crypto=KEYS)
OPTIONAL = PLAIN._replace(crypto=KEYS)
SUITE = Suite.AES_CM_128_HMAC_SHA1_80


@pytest.mark.parametrize(
    ("policy", "tls", "profile", "suites", "noted"),
    [
        (NONE, True, "RTP/AVP", (), False),
        (NONE, False, "RTP/AVP", (), False),
        (PREFER, True, "RTP/SAVP", PREFERENCE, False),
        (PREFER, False, "RTP/AVP", (), True),
        (REQUIRE, True, "RTP/SAVP", PREFERENCE, False),
        (LegPolicy(Protection.NONE, Strictness.REQUIRE), False, "RTP/AVP", (), False),
    ],
)
def test_the_offer_to_a_leg_follows_its_policy_and_its_transport(
    policy: LegPolicy, tls: bool, profile: str, suites: tuple[Suite, ...], noted: bool
) -> None:
    plan = plan_offer(policy, tls)
    assert isinstance(plan, OfferPlan)
    assert (plan.profile, plan.suites, bool(plan.note)) == (profile, suites, noted)


def test_a_leg_that_requires_srtp_is_not_called_without_tls() -> None:
    plan = plan_offer(REQUIRE, False)
    assert isinstance(plan, Refusal)
    assert plan.status == 488
    assert "TLS" in plan.reason


@pytest.mark.parametrize("policy", [NONE, PREFER, REQUIRE])
def test_a_new_offer_in_a_running_session_keeps_what_was_reached(policy: LegPolicy) -> None:
    assert plan_offer(policy, True, Established("RTP/SAVP", SUITE)) == OfferPlan("RTP/SAVP", (SUITE,))
    assert isinstance(plan_offer(policy, False, Established("RTP/SAVP", SUITE)), Refusal)


def test_a_new_offer_stays_in_the_clear_only_where_that_is_permitted() -> None:
    assert plan_offer(PREFER, True, Established("RTP/AVPF", None)) == OfferPlan("RTP/AVPF")
    assert isinstance(plan_offer(REQUIRE, True, Established("RTP/AVP", None)), Refusal)


def test_a_phone_that_refuses_the_clear_is_offered_srtp() -> None:
    assert plan_second_offer(NONE, True, OfferPlan("RTP/AVP")) == OfferPlan("RTP/SAVP", PREFERENCE)
    assert plan_second_offer(NONE, False, OfferPlan("RTP/AVP")) is None


def test_only_where_encryption_is_a_wish_is_a_refused_offer_of_srtp_followed_by_one_with_keys_in_rtp_avp() -> None:
    refused = OfferPlan("RTP/SAVP", PREFERENCE)
    assert plan_second_offer(PREFER, True, refused) == OfferPlan("RTP/AVP", PREFERENCE)
    assert plan_second_offer(PREFER, False, refused) is None
    assert plan_second_offer(REQUIRE, True, refused) is None
    assert plan_second_offer(NONE, True, refused) is None


@pytest.mark.parametrize(
    ("policy", "tls", "offered", "expected"),
    [
        (NONE, True, [PLAIN], Protection.NONE),
        (NONE, True, [OPTIONAL], Protection.NONE),
        (NONE, True, [SECURE], Protection.SRTP),
        (NONE, False, [SECURE], None),
        (NONE, False, [OPTIONAL], Protection.NONE),
        (PREFER, True, [PLAIN], Protection.NONE),
        (PREFER, True, [OPTIONAL], Protection.SRTP),
        (PREFER, True, [SECURE], Protection.SRTP),
        (PREFER, False, [PLAIN], Protection.NONE),
        (PREFER, False, [OPTIONAL], Protection.NONE),
        (PREFER, False, [SECURE], None),
        (REQUIRE, True, [PLAIN], None),
        (REQUIRE, True, [OPTIONAL], None),
        (REQUIRE, True, [SECURE], Protection.SRTP),
        (REQUIRE, False, [PLAIN], None),
        (REQUIRE, False, [OPTIONAL], None),
        (REQUIRE, False, [SECURE], None),
    ],
)
def test_an_offer_is_served_as_policy_and_transport_permit(
    policy: LegPolicy, tls: bool, offered: list[AudioDescription], expected: Protection | None
) -> None:
    verdict = judge_offer(policy, tls, offered)
    if expected is None:
        assert isinstance(verdict, Refusal)
        assert verdict.status == 488
    else:
        assert isinstance(verdict, Acceptance)
        assert verdict.protection is expected
        assert (verdict.remote is not None) is (expected is Protection.SRTP)


SECOND_SECURE = SECURE._replace(section=1)
SECOND_PLAIN = PLAIN._replace(section=1)


@pytest.mark.parametrize(
    ("policy", "tls", "offered", "section"),
    [
        (NONE, True, [SECURE, SECOND_PLAIN], 1),
        (NONE, True, [PLAIN, SECOND_SECURE], 0),
        (PREFER, True, [PLAIN, SECOND_SECURE], 1),
        (PREFER, True, [SECURE, SECOND_PLAIN], 0),
        (PREFER, False, [SECURE, SECOND_PLAIN], 1),
        (REQUIRE, True, [PLAIN, SECOND_SECURE], 1),
        (REQUIRE, True, [SECURE, SECOND_PLAIN], 0),
    ],
)
def test_of_a_secure_and_a_plain_audio_line_the_policy_picks(
    policy: LegPolicy, tls: bool, offered: list[AudioDescription], section: int
) -> None:
    verdict = judge_offer(policy, tls, offered)
    assert isinstance(verdict, Acceptance)
    assert verdict.audio.section == section


def test_a_plain_answer_under_prefer_says_why_in_a_sentence() -> None:
    for tls, offered, word in (
        (False, OPTIONAL, "TLS"),
        (True, PLAIN, "offers no encryption"),
        (True, PLAIN._replace(crypto_refused=("the key is all zeros",)), "all zeros"),
    ):
        verdict = judge_offer(PREFER, tls, [offered])
        assert isinstance(verdict, Acceptance)
        assert word in verdict.note


def test_under_prefer_a_running_call_may_lose_its_encryption_but_the_record_says_so() -> None:
    verdict = judge_offer(PREFER, True, [PLAIN], Established("RTP/AVP", SUITE))
    assert isinstance(verdict, Acceptance)
    assert verdict.note.startswith("The phone gave up the encryption of a running call.")


def answer_for(offer: AudioDescription, line: int = 0, **changes: object) -> AudioDescription:
    theirs = CryptoAttribute(offer.crypto[line].tag, generate(offer.crypto[line].suite, os.urandom))
    return offer._replace(crypto=(theirs,))._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("policy", "offer"), [(REQUIRE, SECURE), (PREFER, OPTIONAL), (NONE, SECURE)])
@pytest.mark.parametrize("line", [0, 1])
def test_an_answer_with_one_of_our_tags_brings_both_keys_into_use(
    policy: LegPolicy, offer: AudioDescription, line: int
) -> None:
    answer = answer_for(offer, line)
    verdict = judge_answer(policy, True, offer, answer)
    assert isinstance(verdict, Acceptance)
    assert verdict.own is offer.crypto[line]
    assert verdict.remote is answer.crypto[0]
    assert verdict.protection is Protection.SRTP


def test_a_phone_may_decline_optional_encryption() -> None:
    verdict = judge_answer(PREFER, True, OPTIONAL, PLAIN)
    assert isinstance(verdict, Acceptance)
    assert (verdict.protection, verdict.remote, verdict.own) == (Protection.NONE, None, None)
    assert verdict.note == "The phone declined encryption."


def test_keys_in_an_answer_to_a_plain_offer_are_not_used() -> None:
    verdict = judge_answer(NONE, True, PLAIN, answer_for(OPTIONAL))
    assert isinstance(verdict, Acceptance)
    assert verdict.protection is Protection.NONE


TWO_LINES = answer_for(SECURE)._replace(crypto=(*answer_for(SECURE).crypto, *answer_for(SECURE, 1).crypto))
OTHER_SUITE = CryptoAttribute(1, generate(Suite.AEAD_AES_256_GCM, os.urandom))
OTHER_TAG = CryptoAttribute(9, generate(SUITE, os.urandom))


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (SECURE, TWO_LINES),
        (SECURE, answer_for(SECURE, crypto_refused=("it demands X, which is not known",))),
        (SECURE, answer_for(SECURE, crypto=(OTHER_SUITE,))),
        (SECURE, answer_for(SECURE, crypto=(OTHER_TAG,))),
        (SECURE, answer_for(SECURE, crypto=SECURE.crypto[:1])),
        (SECURE, answer_for(SECURE, profile="RTP/AVP")),
        (SECURE, SECURE._replace(crypto=())),
        (SECURE, PLAIN),
        (PLAIN, SECURE),
        (OPTIONAL, SECURE._replace(crypto=())),
    ],
)
@pytest.mark.parametrize("policy", [NONE, PREFER, REQUIRE])
def test_an_answer_that_does_not_fit_our_key_lines_is_refused(
    policy: LegPolicy, offer: AudioDescription, answer: AudioDescription
) -> None:
    verdict = judge_answer(policy, True, offer, answer)
    assert isinstance(verdict, Refusal)
    assert verdict.reason.endswith(".")


def test_a_key_reflected_under_another_tag_is_refused_too() -> None:
    twins = (KEYS[0], CryptoAttribute(2, generate(SUITE, os.urandom)))
    offer = SECURE._replace(crypto=twins)
    reflected = CryptoAttribute(1, twins[1].key)
    assert isinstance(judge_answer(REQUIRE, True, offer, SECURE._replace(crypto=(reflected,))), Refusal)


PROTECTED = LegSecurity("tls", "TLSv1.3", "x", Protection.SRTP, SUITE, SUITE, KeyExchange.SDES)
SEALED = LegSecurity(
    "udp",
    protection=Protection.ZRTP,
    key_exchange=KeyExchange.ZRTP,
    media_path=MediaPath.SEALED,
    zrtp=ZrtpFacts(ZrtpStage.SEEN),
)


@pytest.mark.parametrize("policy", [NONE, PREFER, REQUIRE])
@pytest.mark.parametrize("leg", [PROTECTED, SEALED, PROTECTED._replace(transport="wss")])
def test_media_flows_on_a_leg_that_reached_srtp(policy: LegPolicy, leg: LegSecurity) -> None:
    assert media_may_flow(policy, leg)


@pytest.mark.parametrize(
    "leg",
    [
        None,
        PROTECTED._replace(suite_rx=None),
        PROTECTED._replace(suite_tx=None),
        PROTECTED._replace(key_exchange=KeyExchange.NONE),
        PROTECTED._replace(transport="tcp"),
        PROTECTED._replace(transport="udp"),
        PROTECTED._replace(transport="ws"),
        PROTECTED._replace(protection=Protection.NONE),
        PROTECTED._replace(media_path=MediaPath.DIRECT),
        SEALED._replace(key_exchange=KeyExchange.SDES),
        LegSecurity(suite_tx=SUITE),
        LegSecurity(key_exchange=KeyExchange.SDES),
    ],
)
@pytest.mark.parametrize("policy", [NONE, PREFER, REQUIRE])
def test_media_never_flows_on_a_leg_that_is_unknown_or_contradicts_itself(
    policy: LegPolicy, leg: LegSecurity | None
) -> None:
    assert not media_may_flow(policy, leg)
    reason = why_media_is_held(policy, leg)
    assert reason is not None
    assert reason.endswith(".")


def test_media_flows_in_the_clear_unless_srtp_is_required() -> None:
    for policy in (NONE, PREFER):
        assert media_may_flow(policy, LegSecurity())
    assert not media_may_flow(REQUIRE, LegSecurity())


def test_a_policy_never_refuses_for_a_key_whose_bytes_it_then_prints() -> None:
    secret = base64.b64encode(KEYS[0].key.key).decode()
    for policy in (NONE, PREFER, REQUIRE):
        for tls in (True, False):
            for offered in (PLAIN, SECURE, OPTIONAL):
                assert secret not in repr(judge_offer(policy, tls, [offered]))
