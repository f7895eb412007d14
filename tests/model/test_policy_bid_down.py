"""Bid-down against `require`: whatever a phone, or something on its path, does to the SDP, the call is refused.

Every variant is tried as the offer of a new call, as the offer of a re-INVITE in a call that had reached SRTP, and as the
answer to our own offer.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from sealtone.model import (
    Acceptance,
    Established,
    LegPolicy,
    LegSecurity,
    Protection,
    Refusal,
    Strictness,
    judge_answer,
    judge_offer,
    media_may_flow,
)
from sealtone.sdp import AudioDescription, Codec, SdpError, read_answer, read_audio_lines
from sealtone.srtp_keys import CryptoAttribute, KeyMaterial, Suite

REQUIRE = LegPolicy(Protection.SRTP, Strictness.REQUIRE)
PREFER = LegPolicy(Protection.SRTP, Strictness.PREFER)
SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY = base64.b64encode(bytes(range(1, 31))).decode()
CRYPTO = f"a=crypto:1 {SUITE} inline:{KEY}"
GOOD = f"""v=0
o=- 1 1 IN IP4 192.0.2.7
s=-
c=IN IP4 192.0.2.7
t=0 0
m=audio 4000 RTP/SAVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
{CRYPTO}
a=sendrecv
"""
ESTABLISHED = Established("RTP/SAVP", Suite.AES_CM_128_HMAC_SHA1_80)
OWN_KEY = KeyMaterial(Suite.AES_CM_128_HMAC_SHA1_80, b"o" * 16, b"s" * 14)
OUR_OFFER = AudioDescription(
    "198.51.100.1", 20000, (Codec(0, "PCMU", 8000),), "RTP/SAVP", crypto=(CryptoAttribute(1, OWN_KEY),)
)


def with_crypto(line: str) -> str:
    return GOOD.replace(CRYPTO, line)


VARIANTS: dict[str, str] = {
    "crypto stripped": GOOD.replace(CRYPTO + "\n", ""),
    "SAVP to AVP with the key line kept": GOOD.replace("RTP/SAVP", "RTP/AVP"),
    "SAVP to AVP and crypto stripped": GOOD.replace("RTP/SAVP", "RTP/AVP").replace(CRYPTO + "\n", ""),
    "SAVP to AVPF": GOOD.replace("RTP/SAVP", "RTP/AVPF"),
    "SAVP to AVPF and crypto stripped": GOOD.replace("RTP/SAVP", "RTP/AVPF").replace(CRYPTO + "\n", ""),
    "unknown profile": GOOD.replace("RTP/SAVP", "RTP/NULL"),
    "plain UDP profile": GOOD.replace("RTP/SAVP", "udp"),
    "profile in lower case": GOOD.replace("RTP/SAVP", "rtp/avp"),
    "DTLS profile without a usable key exchange": GOOD.replace("RTP/SAVP", "UDP/TLS/RTP/SAVP"),
    "NULL cipher": with_crypto(f"a=crypto:1 NULL_HMAC_SHA1_80 inline:{KEY}"),
    "NULL cipher and tag": with_crypto(f"a=crypto:1 NULL_HMAC_NULL inline:{KEY}"),
    "AES without authentication": with_crypto(f"a=crypto:1 AES_CM_128_NULL_AUTH inline:{KEY}"),
    "F8 cipher": with_crypto(f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
    "UNENCRYPTED_SRTP": with_crypto(f"{CRYPTO} UNENCRYPTED_SRTP"),
    "UNENCRYPTED_SRTCP": with_crypto(f"{CRYPTO} UNENCRYPTED_SRTCP"),
    "UNAUTHENTICATED_SRTP": with_crypto(f"{CRYPTO} UNAUTHENTICATED_SRTP"),
    "all three": with_crypto(f"{CRYPTO} UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP"),
    "UNENCRYPTED_SRTP in lower case": with_crypto(f"{CRYPTO} unencrypted_srtp"),
    "UNENCRYPTED_SRTP marked as optional": with_crypto(f"{CRYPTO} -UNENCRYPTED_SRTP"),
    "UNENCRYPTED_SRTP behind a tab": with_crypto(f"{CRYPTO}\tUNENCRYPTED_SRTP"),
    "an unknown mandatory parameter": with_crypto(f"{CRYPTO} NO_KEYS_PLEASE"),
    "key too short": with_crypto(f"a=crypto:1 {SUITE} inline:{KEY[:20]}"),
    "key empty": with_crypto(f"a=crypto:1 {SUITE} inline:"),
    "key all zeros": with_crypto(f"a=crypto:1 {SUITE} inline:{'A' * 40}"),
    "key not base64": with_crypto(f"a=crypto:1 {SUITE} inline:{'*' * 40}"),
    "several keys in one line": with_crypto(f"{CRYPTO}|2^20|1:4;inline:{KEY}|2^20|2:4"),
    "key identifier": with_crypto(f"{CRYPTO}|2^20|1:4"),
    "key derivation rate": with_crypto(f"{CRYPTO} KDR=1"),
    "crypto moved to session level": GOOD.replace(CRYPTO + "\n", "").replace("t=0 0", f"t=0 0\n{CRYPTO}"),
    "crypto moved to another m-line": GOOD.replace(CRYPTO + "\n", "") + f"m=video 4002 RTP/SAVP 96\n{CRYPTO}\n",
    "crypto attribute misspelt": with_crypto(CRYPTO.replace("a=crypto", "a=Crypto")),
    "one tag twice": with_crypto(f"{CRYPTO}\n{CRYPTO} UNENCRYPTED_SRTP"),
    "audio switched off": GOOD.replace("m=audio 4000", "m=audio 0"),
    "secure audio switched off, plain audio behind it": (
        GOOD.replace("m=audio 4000", "m=audio 0") + "m=audio 4002 RTP/AVP 0\n"
    ),
    "secure audio without a key, plain audio behind it": (GOOD.replace(CRYPTO + "\n", "") + "m=audio 4002 RTP/AVP 0\n"),
    "only another method of key exchange": with_crypto("a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO"),
    "only a fingerprint": with_crypto("a=fingerprint:sha-256 AA:BB:CC"),
    "only a ZRTP hash": with_crypto("a=zrtp-hash:1.10 " + "0" * 64),
}


def judged_as_offer(body: str) -> Acceptance | Refusal:
    return judge_offer(REQUIRE, True, read_audio_lines(body.encode()))


def judged_as_new_offer(body: str) -> Acceptance | Refusal:
    return judge_offer(REQUIRE, True, read_audio_lines(body.encode()), ESTABLISHED)


def judged_as_answer(body: str) -> Acceptance | Refusal:
    return judge_answer(REQUIRE, True, OUR_OFFER, read_answer(body.encode(), OUR_OFFER))


def judged_as_new_answer(body: str) -> Acceptance | Refusal:
    return judge_answer(REQUIRE, True, OUR_OFFER, read_answer(body.encode(), OUR_OFFER), ESTABLISHED)


WAYS: list[Callable[[str], Acceptance | Refusal]] = [
    judged_as_offer,
    judged_as_new_offer,
    judged_as_answer,
    judged_as_new_answer,
]


def test_there_are_at_least_thirty_variants_and_each_differs_from_the_good_one() -> None:
    assert len(set(VARIANTS.values()) - {GOOD}) == len(VARIANTS) >= 30


@pytest.mark.parametrize("judge", WAYS)
def test_the_unaltered_description_is_accepted_as_srtp(judge: Callable[[str], Acceptance | Refusal]) -> None:
    verdict = judge(GOOD)
    assert isinstance(verdict, Acceptance)
    assert verdict.protection is Protection.SRTP
    assert verdict.remote is not None
    assert verdict.established == ESTABLISHED


@pytest.mark.parametrize("judge", WAYS)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_bid_down_is_refused_with_488_and_a_sentence(name: str, judge: Callable[[str], Acceptance | Refusal]) -> None:
    try:
        verdict = judge(VARIANTS[name])
    except SdpError as error:
        # What cannot even be read is refused in the same way by whoever reads it.
        verdict = Refusal(f"{error}.")
    assert isinstance(verdict, Refusal), verdict
    assert verdict.status == 488
    assert verdict.reason.endswith(".")
    assert KEY not in verdict.reason


@pytest.mark.parametrize("name", VARIANTS)
def test_under_prefer_a_bid_down_is_refused_or_recorded_as_open_with_its_reason(name: str) -> None:
    try:
        verdict = judge_offer(PREFER, True, read_audio_lines(VARIANTS[name].encode()))
    except SdpError:
        return
    if isinstance(verdict, Acceptance) and verdict.protection is Protection.NONE:
        assert verdict.remote is None
        assert verdict.note.endswith(".")
        assert not verdict.audio.is_secure_profile
    if isinstance(verdict, Acceptance) and verdict.protection is Protection.SRTP:
        assert name.startswith("SAVP to AVP")


@pytest.mark.parametrize("name", ["GOOD", *VARIANTS])
@pytest.mark.parametrize("policy", [REQUIRE, PREFER, LegPolicy()])
@pytest.mark.parametrize("established", [None, ESTABLISHED])
def test_without_tls_no_key_is_ever_used(name: str, policy: LegPolicy, established: Established | None) -> None:
    body = VARIANTS.get(name, GOOD).encode()
    for verdict in (
        lambda: judge_offer(policy, False, read_audio_lines(body), established),
        lambda: judge_answer(policy, False, OUR_OFFER, read_answer(body, OUR_OFFER), established),
    ):
        try:
            outcome = verdict()
        except SdpError:
            continue
        if isinstance(outcome, Acceptance):
            assert not policy.requires_srtp
            assert outcome.remote is None
            assert outcome.own is None
            assert outcome.protection is Protection.NONE
            assert not outcome.audio.is_secure_profile


@pytest.mark.parametrize(
    ("suite", "length"), [("AES_CM_128_HMAC_SHA1_80", 30), ("AES_CM_128_HMAC_SHA1_32", 30), ("AEAD_AES_128_GCM", 28)]
)
def test_a_running_call_under_require_does_not_change_to_a_weaker_cipher(suite: str, length: int) -> None:
    key = base64.b64encode(bytes(range(1, length + 1))).decode()
    body = with_crypto(f"a=crypto:1 {suite} inline:{key}").encode()
    strong = Established("RTP/SAVP", Suite.AEAD_AES_256_GCM)
    assert isinstance(judge_offer(REQUIRE, True, read_audio_lines(body), strong), Refusal)
    assert isinstance(judge_offer(REQUIRE, True, read_audio_lines(body)), Acceptance)


def test_an_unprotected_leg_passes_no_media_under_require() -> None:
    assert not media_may_flow(REQUIRE, LegSecurity("tls"))
    assert media_may_flow(PREFER, LegSecurity("tls"))
