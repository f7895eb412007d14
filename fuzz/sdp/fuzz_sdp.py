"""Session descriptions from strangers.

Invariants:
1. Whatever the bytes, the only way out besides a result is `SdpError`.
2. What was parsed is written in a form that is parsed to the same lines.
3. An audio line that was read can be written as our own description, and is then read back the same.
4. What was read of a codec's parameters is written in a form that is read back the same.
5. Under `require`, nothing is accepted without a key over TLS; without TLS no key is ever used.
"""

import sys

import atheris

with atheris.instrument_imports(include=["sealtone"]):
    from sealtone.model import Acceptance, LegPolicy, Protection, Strictness, judge_answer, judge_offer
    from sealtone.sdp import (
        AudioDescription,
        Codec,
        Origin,
        SdpError,
        SessionDescription,
        answer_codecs,
        fmtp,
        payload_map,
        read_answer,
        read_audio_lines,
        renumbered,
        write_audio,
    )
    from sealtone.srtp_keys import PREFERENCE, offer_of

POLICIES = [LegPolicy(protection, strictness) for protection in Protection for strictness in Strictness]
KEYS = offer_of(PREFERENCE, lambda count: bytes(range(1, count + 1)))
OFFER = AudioDescription("198.51.100.1", 20000, (Codec(0, "PCMU", 8000),), "RTP/SAVP", crypto=KEYS)


def one_input(data: bytes) -> None:
    try:
        description = SessionDescription.parse(data)
    except SdpError:
        return
    again = SessionDescription.parse(description.encode())
    assert again.lines == description.lines
    assert [str(section) for section in again.sections] == [str(section) for section in description.sections]
    assert [section.lines for section in again.sections] == [section.lines for section in description.sections]
    try:
        found = read_audio_lines(description)
    except SdpError:
        found = ()
    for audio in found:
        check_rewriting(audio)
    if found:
        check_judging_offer(found)
    try:
        answer = read_answer(description, OFFER)
    except SdpError:
        return
    check_judging_answer(answer)


def check_rewriting(audio: AudioDescription) -> None:
    clean = audio._replace(crypto_refused=(), null_address=False)
    if audio.is_secure_profile and not audio.crypto:
        clean = clean._replace(profile="RTP/AVP")
    assert len({codec.payload_type for codec in audio.codecs}) == len(audio.codecs)
    written = next(line for line in read_audio_lines(write_audio(clean, Origin(1))) if line.section == audio.section)
    assert written.codecs == audio.codecs
    assert written.crypto == audio.crypto
    assert (written.port, written.address) == (audio.port, audio.address)
    assert len(written.layout) == len(audio.layout)
    answer = answer_codecs(audio.codecs, OFFER.codecs)
    assert all(codec.payload_type in {known.payload_type for known in audio.codecs} for codec in answer)
    mapping = payload_map(audio.codecs, OFFER.codecs)
    assert {sent: received for received, sent in mapping.items()} == payload_map(OFFER.codecs, audio.codecs)
    numbers = [codec.payload_type for codec in renumbered(audio.codecs, OFFER.codecs)]
    assert len(set(numbers)) == len(numbers)
    for codec in audio.codecs:
        parameters = fmtp.read(codec)
        assert fmtp.read(codec._replace(fmtp=fmtp.written(parameters))) == parameters
        assert all(made.same_format(codec) for made in (fmtp.ours(codec), fmtp.answered(codec)))


def check_judging_offer(found: tuple[AudioDescription, ...]) -> None:
    for policy in POLICIES:
        for tls in (True, False):
            check_verdict(policy, tls, judge_offer(policy, tls, found))


def check_judging_answer(answer: AudioDescription) -> None:
    for policy in POLICIES:
        for tls in (True, False):
            verdict = judge_answer(policy, tls, OFFER, answer)
            check_verdict(policy, tls, verdict)
            if isinstance(verdict, Acceptance):
                assert verdict.remote is not None
                assert verdict.own in KEYS


def check_verdict(policy: LegPolicy, tls: bool, verdict: object) -> None:
    if not isinstance(verdict, Acceptance):
        return
    keyed = verdict.remote is not None
    assert keyed == (verdict.protection is Protection.SRTP)
    assert tls or not keyed
    assert keyed or not verdict.audio.is_secure_profile
    if policy.requires_srtp:
        assert keyed
        assert verdict.audio.is_secure_profile


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
