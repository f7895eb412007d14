"""ZRTP in a leg's policy: what may be offered and answered, at first and in a running call."""

import pytest

from sealtone.model import (
    Acceptance,
    Established,
    LegPolicy,
    Protection,
    Refusal,
    Strictness,
    judge_answer,
    judge_offer,
)
from sealtone.sdp import read_answer, read_audio, read_audio_lines

REQUIRE = LegPolicy(Protection.ZRTP, Strictness.REQUIRE)
PREFER = LegPolicy(Protection.ZRTP, Strictness.PREFER)
HASH = f"a=zrtp-hash:1.10 {'ab' * 32}"
KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e"
ANNOUNCED = Established("RTP/AVP", None, announced_zrtp=True)
SILENT = Established("RTP/AVP", None)


def sdp(*lines: str, profile: str = "RTP/AVP") -> bytes:
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", f"m=audio 4000 {profile} 0")
    return "\r\n".join((*head, "a=rtpmap:0 PCMU/8000", *lines, "")).encode()


OUR_OFFER = read_audio(sdp(HASH))
LOWERED = {
    "no hash": sdp(),
    "no hash, an optional key": sdp(KEY),
    "no hash, AVPF": sdp(profile="RTP/AVPF"),
    "a hash that is none": sdp("a=zrtp-hash:1.10 nothing"),
    "a hash of another attribute": sdp("a=x-zrtp-hash:1.10 " + "ab" * 32),
    "a hash at the session": sdp().replace(b"t=0 0\r\n", b"t=0 0\r\n" + HASH.encode() + b"\r\n"),
    "SDES": sdp(KEY, profile="RTP/SAVP"),
    "SDES with the hash": sdp(KEY, HASH, profile="RTP/SAVP"),
    "SDES, SAVPF": sdp(KEY, profile="RTP/SAVPF"),
    "SAVP without a key": sdp(profile="RTP/SAVP"),
}


@pytest.mark.parametrize("name", LOWERED)
@pytest.mark.parametrize("tls", [False, True])
def test_who_requires_zrtp_is_refused_whatever_lowers_a_running_call(name: str, tls: bool) -> None:
    offered = judge_offer(REQUIRE, tls, read_audio_lines(LOWERED[name]), ANNOUNCED)
    answered = judge_answer(REQUIRE, tls, OUR_OFFER, read_audio(LOWERED[name]), ANNOUNCED)
    for verdict in (offered, answered):
        assert isinstance(verdict, Refusal)
        assert verdict.status == 488
        assert "ZRTP is required" in verdict.reason


@pytest.mark.parametrize("tls", [False, True])
def test_who_prefers_zrtp_and_gives_it_up_is_told_of_in_a_note(tls: bool) -> None:
    for name, body in LOWERED.items():
        verdict = judge_offer(PREFER, tls, read_audio_lines(body), ANNOUNCED)
        if isinstance(verdict, Refusal):
            assert "SAVP" in name or "SDES" in name
            continue
        assert verdict.note == "The phone gave up the ZRTP of a running call."
        assert verdict.protection is (Protection.SRTP if "SDES" in name else Protection.ZRTP)
    answer = judge_answer(PREFER, tls, OUR_OFFER, read_answer(sdp(), OUR_OFFER), ANNOUNCED)
    assert isinstance(answer, Acceptance)
    assert answer.note


@pytest.mark.parametrize("policy", [REQUIRE, PREFER])
@pytest.mark.parametrize("established", [None, SILENT])
def test_a_phone_that_never_announced_zrtp_need_not_begin_to(
    policy: LegPolicy, established: Established | None
) -> None:
    verdict = judge_offer(policy, False, read_audio_lines(sdp()), established)
    assert isinstance(verdict, Acceptance)
    assert verdict.protection is Protection.ZRTP
    assert not verdict.note
    assert not verdict.established.announced_zrtp


def test_of_several_lines_the_one_that_announces_zrtp_is_taken() -> None:
    two = sdp() + f"m=audio 4002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n{HASH}\r\n".encode()
    verdict = judge_offer(REQUIRE, False, read_audio_lines(two), ANNOUNCED)
    assert isinstance(verdict, Acceptance)
    assert verdict.audio.port == 4002
    assert verdict.established.announced_zrtp
