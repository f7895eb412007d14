"""Digest: known answers of the RFCs, nonces, replay."""

from __future__ import annotations

import pytest

from sealtone.sip import digest
from sealtone.sip.digest import (
    FORGED,
    FRESH,
    STALE,
    Challenge,
    Credentials,
    NonceCounts,
    NonceIssuer,
    UnsupportedDigest,
    authorization_for,
    best_challenge,
    ha1,
    response_for,
    verify,
)
from sealtone.sip.errors import SipParseError

RFC7616_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
NOW = 1_800_000_000.0
KEY = b"k" * 32


def test_the_known_answer_of_rfc_2617_section_3_5() -> None:
    raw = (
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
        'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    credentials = Credentials.parse(raw)
    assert verify(credentials, "GET", ha1("Mufasa", "testrealm@host.com", "Circle Of Life", "MD5"))
    assert not verify(credentials, "PUT", ha1("Mufasa", "testrealm@host.com", "Circle Of Life", "MD5"))
    assert not verify(credentials, "GET", ha1("Mufasa", "testrealm@host.com", "circle of life", "MD5"))


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_known_answers_of_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    challenge = Challenge.parse(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        f'nonce="{RFC7616_NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    value = authorization_for(challenge, "Mufasa", "GET", "/dir/index.html", RFC7616_CNONCE, password="Circle of Life")
    credentials = Credentials.parse(value)
    assert credentials.response == response
    assert (credentials.qop, credentials.nc, credentials.algorithm) == ("auth", "00000001", algorithm)
    assert credentials.opaque == challenge.opaque
    assert verify(credentials, "GET", ha1("Mufasa", "http-auth@example.org", "Circle of Life", algorithm))


def test_auth_int_covers_the_body() -> None:
    challenge = Challenge("r", "n", "SHA-256", ("auth-int",))
    value = authorization_for(challenge, "u", "MESSAGE", "sip:a@b", "c", body=b"hello", password="p")
    credentials = Credentials.parse(value)
    secret = ha1("u", "r", "p", "SHA-256")
    assert credentials.qop == "auth-int"
    assert verify(credentials, "MESSAGE", secret, b"hello")
    assert not verify(credentials, "MESSAGE", secret, b"hello!")


def test_a_server_of_rfc_2069_is_answered_without_qop() -> None:
    # The answer published in the errata of RFC 2069 (section 2.4).
    secret = ha1("Mufasa", "testrealm@host.com", "CircleOfLife", "MD5")
    expected = response_for(secret, "GET", "/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "MD5")
    assert expected == "1949323746fe6a43ef61f9606e7febea"
    challenge = Challenge.parse('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"')
    value = authorization_for(challenge, "Mufasa", "GET", "/dir/index.html", "unused", ha1_hex=secret)
    assert Credentials.parse(value) == Credentials(
        "Mufasa", "testrealm@host.com", challenge.nonce, "/dir/index.html", expected
    )


def test_the_first_supported_challenge_is_answered() -> None:
    # RFC 8760 section 2.4: the server lists the preferred one first.
    values = [
        'Digest realm="a", nonce="1", algorithm=SHA-999, qop="auth"',
        'Negotiate realm="a"',
        'Digest realm="a", nonce="1", algorithm=SHA-256-sess, qop="auth"',
        'Digest realm="a", nonce="1", algorithm=SHA-256, qop="auth"',
        'Digest realm="a", nonce="1", algorithm=MD5, qop="auth"',
    ]
    chosen = best_challenge(values)
    assert chosen is not None
    assert chosen.algorithm == "SHA-256"
    assert best_challenge(values[:3]) is None
    assert best_challenge(['Digest realm="a", nonce="1", qop="other"']) is None
    assert best_challenge(['Digest realm="a", nonce="1", qop="au th"']) is None


@pytest.mark.parametrize(
    "raw",
    [
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", algorithm=MD5-sess',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", algorithm=SHA-256-sess',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", userhash=true',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", qop=other, nc=00000001, cnonce="c"',
    ],
)
def test_unsupported_variants_are_told_apart_from_broken_ones(raw: str) -> None:
    with pytest.raises(UnsupportedDigest):
        Credentials.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        'Digest username="u", realm="r", nonce="n", uri="sip:a"',
        'Digest username="u", username="v", realm="r", nonce="n", uri="sip:a", response="x"',
        'Digest username="u, realm="r", nonce="n", uri="sip:a", response="x"',
        'Digest username="u" realm="r", nonce="n", uri="sip:a", response="x"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", qop=auth',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", qop=auth, nc=1, cnonce="c"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", qop=auth, nc=0000000g, cnonce="c"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", qop=auth, nc=00000001',
        'Digest username*=ISO-8859-1\'\'u, realm="r", nonce="n", uri="sip:a", response="x"',
        "Digest " + "a" * 5000 + "=1",
        "Digest ,",
    ],
)
def test_broken_credentials_are_refused(raw: str) -> None:
    with pytest.raises(SipParseError):
        Credentials.parse(raw)


def test_a_parameter_named_like_python_machinery_does_no_harm() -> None:
    raw = 'Digest self=1, __class__="x", username="u", realm="r", nonce="n", uri="sip:a", response="x"'
    assert Credentials.parse(raw).username == "u"


def test_quoted_pairs_and_commas_in_quotes_are_read() -> None:
    credentials = Credentials(
        'a"b\\c, d="e"', "r,x", "n", "sip:a;b=c,d", "ab" * 16, qop="auth", nc="0000000f", cnonce="c"
    )
    assert Credentials.parse(str(credentials)) == credentials
    assert credentials.nonce_count == 15


def test_an_extended_user_name_is_utf_8() -> None:
    raw = 'Digest username*=UTF-8\'\'J%C3%A4s%C3%B8n, realm="r", nonce="n", uri="sip:a", response="x"'
    assert Credentials.parse(raw).username == "Jäsøn"


def test_a_challenge_survives_writing_and_reading() -> None:
    challenge = Challenge("pbx.example.com", "abc", "SHA-256", ("auth", "auth-int"), True, "op")
    assert Challenge.parse(str(challenge)) == challenge
    assert str(Challenge("r", "n")) == 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'


def test_the_response_is_compared_without_regard_to_case_and_never_crashes_on_odd_text() -> None:
    secret = ha1("u", "r", "p", "MD5")
    proof = response_for(secret, "REGISTER", "sip:r", "n", "MD5")
    credentials = Credentials("u", "r", "n", "sip:r", proof.upper())
    assert verify(credentials, "REGISTER", secret)
    assert not verify(credentials._replace(response="é"), "REGISTER", secret)
    assert not verify(credentials._replace(response=""), "REGISTER", secret)
    assert not verify(credentials._replace(response="\udcff"), "REGISTER", secret)


def test_a_nonce_is_fresh_for_its_lifetime_then_stale() -> None:
    issuer = NonceIssuer(KEY, lifetime_s=300)
    nonce = issuer.issue(NOW)
    assert issuer.check(nonce, NOW) is FRESH
    assert issuer.check(nonce, NOW + 299) is FRESH
    assert issuer.check(nonce, NOW + 301) is STALE
    assert issuer.check(nonce, NOW - 30) is FRESH
    assert issuer.check(nonce, NOW - 3600) is STALE


def test_any_changed_character_makes_a_nonce_forged() -> None:
    issuer = NonceIssuer(KEY)
    nonce = issuer.issue(NOW)
    for place in range(len(nonce)):
        changed = "A" if nonce[place] != "A" else "B"
        assert issuer.check(nonce[:place] + changed + nonce[place + 1 :], NOW) is FORGED
    for odd in ("", "x", nonce + "A", nonce[:-1], "é" * len(nonce), "=" * len(nonce), " " + nonce[1:]):
        assert issuer.check(odd, NOW) is FORGED
    assert NonceIssuer(b"o" * 32).check(nonce, NOW) is FORGED


def test_nodes_with_one_key_accept_each_others_nonces_and_never_issue_the_same() -> None:
    one, two = NonceIssuer(KEY, node=1), NonceIssuer(KEY, node=2)
    nonces = {issuer.issue(NOW) for issuer in (one, two) for _ in range(100)}
    assert len(nonces) == 200
    assert all(one.check(nonce, NOW) is FRESH and two.check(nonce, NOW) is FRESH for nonce in nonces)


def test_one_key_change_keeps_nonces_good_and_two_do_not() -> None:
    issuer = NonceIssuer(KEY)
    nonce = issuer.issue(NOW)
    issuer.rotate(b"n" * 32)
    assert issuer.check(nonce, NOW) is FRESH
    issuer.rotate(b"m" * 32)
    assert issuer.check(nonce, NOW) is FORGED


def test_a_short_nonce_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        NonceIssuer(b"short")


def test_a_nonce_count_is_accepted_once_also_out_of_order() -> None:
    issuer, counts = NonceIssuer(KEY), NonceCounts(10)
    nonce = issuer.issue(NOW)
    assert counts.accept(nonce, 1, NOW)
    assert not counts.accept(nonce, 1, NOW)
    assert counts.accept(nonce, 3, NOW)
    assert counts.accept(nonce, 2, NOW)
    assert not counts.accept(nonce, 2, NOW)
    assert not counts.accept(nonce, 3, NOW)
    assert not counts.accept(nonce, 0, NOW)
    assert counts.accept(nonce, 1000, NOW)
    assert counts.accept(nonce, 937, NOW)
    assert not counts.accept(nonce, 936, NOW)
    assert not counts.accept(nonce, 937, NOW)
    assert counts.accept(nonce, 0xFFFFFFFF, NOW)
    assert not counts.accept(nonce, 1000, NOW)


def test_the_replay_table_is_bounded_and_what_left_it_stays_refused() -> None:
    issuer, counts = NonceIssuer(KEY), NonceCounts(100)
    nonces = [issuer.issue(NOW + number / 1000) for number in range(250)]
    for nonce in nonces:
        assert counts.accept(nonce, 1, NOW + 1)
    assert len(counts) <= 100
    for nonce in nonces:
        assert not counts.accept(nonce, 1, NOW + 1)
    assert counts.accept(issuer.issue(NOW + 1), 1, NOW + 1)


def test_used_nonces_are_forgotten_after_their_lifetime() -> None:
    issuer, counts = NonceIssuer(KEY), NonceCounts(1000)
    for number in range(100):
        counts.accept(issuer.issue(NOW + number), 1, NOW + number)
    counts.accept(issuer.issue(NOW + 10_000), 1, NOW + 10_000)
    assert len(counts) == 1


def test_every_algorithm_of_rfc_8760_has_its_length() -> None:
    assert {name: len(ha1("u", "r", "p", name)) for name in digest.ALGORITHMS} == {
        "MD5": 32,
        "SHA-256": 64,
        "SHA-512-256": 64,
    }


def test_a_nonce_count_without_qop_counts_for_nothing() -> None:
    raw = 'Digest username="u", realm="r", nonce="n", uri="sip:a", response="x", nc=00000005, cnonce="c"'
    credentials = Credentials.parse(raw)
    assert (credentials.qop, credentials.nc, credentials.cnonce, credentials.nonce_count) == (None, "", "", 0)
