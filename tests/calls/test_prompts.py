"""Which prompts tell what: each that is asked for is written, in each language, whatever a leg reaches."""

from itertools import product

import pytest

import speech
import tones
from sealtone.b2bua.applications.application import Play
from sealtone.b2bua.applications.echo_test import EchoTest
from sealtone.b2bua.applications.enrolment import Enrolment
from sealtone.b2bua.applications.prompts import protection_spoken, sas_spoken
from sealtone.b2bua.applications.who_can_hear import WhoCanHear
from sealtone.model import KeyExchange, Language, LegSecurity, Protection, ZrtpFacts, ZrtpStage
from sealtone.srtp_keys import SrtpSuite, Suite
from sealtone.srtp_keys.suites import ZrtpSuite
from sealtone.zrtp import words
from sealtone.zrtp.sas import render

WRITTEN = {
    *(f"{language}/{name}" for language in speech.VOICES for name in speech.prompts(language)),
    *(f"pgp/{word.lower()}" for word in (*words.EVEN, *words.ODD)),
    *tones.all_tones(),
    "music",
}


def reached(suite: SrtpSuite | None, transport: str = "tls", sas: str = "", **more: object) -> LegSecurity:
    is_zrtp = isinstance(suite, ZrtpSuite)
    exchange = KeyExchange.ZRTP if is_zrtp else KeyExchange.SDES
    return LegSecurity(
        transport=transport,
        protection=Protection.NONE if suite is None else Protection.ZRTP if is_zrtp else Protection.SRTP,
        suite_rx=suite,
        suite_tx=suite,
        key_exchange=KeyExchange.NONE if suite is None else exchange,
        zrtp=ZrtpFacts(ZrtpStage.SECURE, sas=sas, hello_hash_matched=True) if is_zrtp else None,
    )._replace(**more)  # type: ignore[arg-type]


@pytest.mark.parametrize("suite", [None, *Suite, *ZrtpSuite])
def test_whatever_a_leg_reached_its_prompts_are_written_in_each_language(suite: SrtpSuite | None) -> None:
    for language, application, verified in product(Language, (WhoCanHear, Enrolment, EchoTest), (False, True)):
        for sas in ("ybnd", "aardvark:adroitness"):
            leg = reached(suite, sas=sas, sas_verified=verified)
            for digit in ("", "*", "1", "2"):
                run = application(language)
                told = [*run.started(leg), *(run.digit(digit) if digit else ()), *run.played(), *run.played()]
                sounds = {sound for command in told if isinstance(command, Play) for sound in command.sounds}
                assert sounds <= WRITTEN


@pytest.mark.parametrize("language", Language)
def test_each_sas_can_be_read_out(language: Language) -> None:
    for octet in range(256):
        for kind in ("B32 ", "B256"):
            sas = render(bytes((octet, octet, octet, octet)), kind)
            assert set(sas_spoken(language, sas)) <= WRITTEN


def test_a_sas_of_words_is_read_out_as_those_words() -> None:
    (said,) = WhoCanHear(Language.ENGLISH).started(reached(ZrtpSuite.ZRTP_AES3_HS80, sas="aardvark:adroitness"))
    assert isinstance(said, Play)
    at = said.sounds.index("en/sas-words")
    assert said.sounds[at + 1 : at + 5] == ("pause", "pgp/aardvark", "pause", "pgp/adroitness")


def test_the_weaker_direction_counts_and_a_short_tag_is_told() -> None:
    leg = reached(Suite.AEAD_AES_256_GCM)._replace(suite_rx=Suite.AES_CM_128_HMAC_SHA1_32)
    assert protection_spoken(leg)[3:] == ("cipher-aes-128", "tag-short", "listen-server")
    assert protection_spoken(reached(ZrtpSuite.ZRTP_2FS2_SK64))[3] == "cipher-twofish-192"


def test_a_leg_that_contradicts_itself_is_told_to_be_open() -> None:
    assert protection_spoken(reached(Suite.AEAD_AES_256_GCM, "udp"))[0] == "state-open"
