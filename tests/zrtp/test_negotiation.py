"""Choosing algorithms (RFC 6189 4.1.2, 5.1.5) and who is the initiator (4.2)."""

from __future__ import annotations

import pytest

from sealtone.zrtp import Algorithms, ErrorCode, Failed, Mode, Role
from sealtone.zrtp.algorithms import Suite
from sealtone.zrtp.commit import Commit, ours_wins
from sealtone.zrtp.errors import Aborted
from sealtone.zrtp.negotiation import check, choose
from zrtp.scenes import Person, call, secured, with_algorithms

CSIPSIMPLE = Algorithms(
    ("S384", "S256"),
    ("2FS3", "AES3", "2FS1", "AES1"),
    ("SK32", "SK64", "HS32", "HS80"),
    ("EC25", "DH3k", "EC38", "DH2k", "Mult"),
    ("B32 ",),
)
LINPHONE = Algorithms(
    ("S256", "S384"), ("AES1", "AES3"), ("HS80", "HS32"), ("X255", "DH3k", "X448", "DH2k", "Mult"), ("B32 ", "B256")
)


def lists(agreements: str, **more) -> Algorithms:
    return with_algorithms(key_agreements=tuple(agreements.split()), **more)


@pytest.mark.parametrize(
    ("alice", "bob", "chosen"),
    [
        ("DH2k DH3k EC25", "EC38 EC25 DH3k", "EC25"),  # the RFC's own example
        ("DH3k EC25", "DH3k EC25", "DH3k"),
        ("X448 X255 DH3k", "DH3k X255", "X255"),
        ("DH3k Mult", "X255 Mult", "DH3k"),  # DH3k is mandatory, listed or not
        ("DH3k", "", "DH3k"),
        ("EC25 DH2k", "EC25 DH2k XXXX", "EC25"),
        ("X255 Mult Prsh DH3k", "Prsh Mult DH3k X255", "X255"),
    ],
)
def test_both_sides_settle_on_the_faster_of_the_first_common_choices(alice, bob, chosen):
    bobs = Algorithms((), (), (), tuple(bob.split()), ())
    assert choose(lists(alice), bobs).key_agreement == chosen
    if set(bob.split()) >= {"EC25"}:
        assert choose(lists(bob.replace(" XXXX", ""), hashes=("S256", "S384")), lists(alice)).key_agreement == chosen


def test_with_the_phones_of_the_field_sensible_suites_come_out():
    ours = Algorithms(
        ("S256", "S384", "SKN2", "SKN3"),
        ("AES3", "2FS3", "AES1", "2FS1"),
        ("HS80", "HS32", "SK64", "SK32"),
    )
    assert choose(ours, CSIPSIMPLE) == Suite("S256", "AES3", "HS80", "EC25", "B32 ")
    assert choose(ours, LINPHONE) == Suite("S256", "AES3", "HS80", "X255", "B32 ")
    assert choose(ours, Algorithms((), (), (), (), ())) == Suite("S256", "AES1", "HS80", "DH3k", "B32 ")


def test_what_everybody_has_but_a_peer_did_not_list_is_taken_only_where_nothing_else_is_common():
    wide = Algorithms(("S256", "SKN2"), ("AES1", "2FS1"), ("HS80", "SK32"), ("DH3k",), ("B32 ", "B256"))
    narrow = Algorithms(("SKN2",), ("2FS1",), ("SK32",), ("DH3k",), ("B256",))
    assert choose(wide, narrow) == Suite("SKN2", "2FS1", "SK32", "DH3k", "B256")
    foreign = Algorithms(("SKN3",), ("2FS3",), ("SK64",), ("DH3k",), ("XXXX",))
    assert choose(wide, foreign) == Suite("S256", "AES1", "HS80", "DH3k", "B32 ")


@pytest.mark.parametrize("agreement", ["EC38", "EC52", "E414", "X448"])
def test_a_strong_key_agreement_draws_the_longer_hash_and_cipher_after_it(agreement):
    ours = Algorithms(("S256", "S384"), ("AES1", "2FS1", "AES3", "2FS3"), key_agreements=(agreement,))
    suite = choose(ours, ours)
    assert (suite.hash, suite.cipher) == ("S384", "AES3")


def test_dh2k_draws_the_shorter_cipher_after_it():
    ours = Algorithms(ciphers=("AES3", "AES1"), key_agreements=("DH2k",))
    assert choose(ours, ours).cipher == "AES1"


def test_a_key_agreement_that_needs_the_longer_hash_is_passed_over_without_one():
    ours = Algorithms(("S256",), key_agreements=("EC38", "EC25"))
    assert choose(ours, ours).key_agreement == "EC25"
    with pytest.raises(Aborted) as abort:
        choose(Algorithms(("S256",), key_agreements=("EC38",)), Algorithms(("S256",), key_agreements=("EC38",)))
    assert abort.value.code is ErrorCode.UNSUPPORTED_KEY_AGREEMENT


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"hashes": "SKN2"}, ErrorCode.UNSUPPORTED_HASH),
        ({"ciphers": "2FS1"}, ErrorCode.UNSUPPORTED_CIPHER),
        ({"key_agreements": ("X448",)}, ErrorCode.UNSUPPORTED_KEY_AGREEMENT),
        ({"auth_tags": "SK64"}, ErrorCode.UNSUPPORTED_AUTH_TAG),
        ({"sas_types": "B256"}, ErrorCode.UNSUPPORTED_SAS),
    ],
)
def test_a_type_with_nothing_in_common_ends_it_with_its_own_code(changed, code):
    with pytest.raises(Aborted) as abort:
        choose(with_algorithms(**changed), with_algorithms())
    assert abort.value.code is code
    suite = choose(with_algorithms(**changed), with_algorithms(**changed))
    with pytest.raises(Aborted) as abort:
        check(suite, with_algorithms())
    assert abort.value.code is code
    net = call(Person("a", algorithms=with_algorithms(**changed)).session(), Person("b").session(), 30)
    assert code in [failed.code for failed in net.all(0, Failed)]
    assert [failed.by_peer for failed in net.all(1, Failed)] in ([True], [False])


def commit(agreement: str, commitment: bytes) -> Commit:
    return Commit(bytes(32), bytes(12), Suite("S256", "AES1", "HS80", agreement, "B32 "), commitment)


@pytest.mark.parametrize(
    ("ours", "theirs", "we_are_mitm", "they_are_mitm", "we_win"),
    [
        (("DH3k", b"\x80" * 32), ("EC25", b"\x7f" * 32), False, False, True),
        (("DH3k", b"\x7f" * 32), ("EC25", b"\x80" * 32), False, False, False),
        (("DH3k", b"\0" * 32), ("Prsh", b"\xff" * 16), False, False, True),
        (("Prsh", b"\xff" * 16), ("DH3k", b"\0" * 32), False, False, False),
        (("Prsh", b"\2" * 16), ("Prsh", b"\1" * 16), False, False, True),
        (("Prsh", b"\2" * 16), ("Prsh", b"\1" * 16), True, False, False),
        (("Prsh", b"\1" * 16), ("Prsh", b"\2" * 16), False, True, True),
        (("Prsh", b"\1" * 16), ("Prsh", b"\2" * 16), True, True, False),
        (("Mult", b"\2" * 16), ("Mult", b"\1" * 16), True, False, True),
    ],
)
def test_two_commits_are_settled_by_the_rules_of_section_4_2(ours, theirs, we_are_mitm, they_are_mitm, we_win):
    one, other = commit(*ours), commit(*theirs)
    assert ours_wins(one, other, we_are_mitm, they_are_mitm) is we_win
    if ours[1] != theirs[1]:
        assert ours_wins(other, one, they_are_mitm, we_are_mitm) is not we_win


def test_multistream_against_another_mode_is_an_error():
    with pytest.raises(Aborted) as abort:
        ours_wins(commit("Mult", bytes(16)), commit("DH3k", bytes(32)), False, False)
    assert abort.value.code is ErrorCode.SOFTWARE


def test_when_commits_cross_the_higher_hvi_stays_and_the_other_side_keeps_its_key_pair():
    roles = set()
    for seed in range(20):
        a, b = Person(f"a{seed}").session(), Person(f"b{seed}").session()
        net = call(a, b, seed=seed, delay_s=(0.05, 0.05))
        hvi = [next(each[12 + 76 : 12 + 108] for each in sent if each[16:24] == b"Commit  ") for sent in net.sent]
        one, _ = secured(net)
        assert one.role is (Role.INITIATOR if hvi[0] > hvi[1] else Role.RESPONDER)
        assert a.counters.key_pairs == b.counters.key_pairs == 1
        assert one.mode is Mode.DH
        roles.add(one.role)
    assert len(roles) == 2


def test_a_lost_contention_over_another_key_agreement_costs_a_second_key_pair():
    first, second = lists("X255 EC25"), lists("EC25 X255")
    pairs = set()
    for seed in range(12):
        a = Person(f"a{seed}", algorithms=first).session()
        b = Person(f"b{seed}", algorithms=second).session()
        net = call(a, b, delay_s=(0.05, 0.05))
        one, _ = secured(net)
        assert one.suite.key_agreement == "X255"
        pairs |= {a.counters.key_pairs, b.counters.key_pairs}
    assert pairs == {1}, "both follow 4.1.2 and so come to the same one"
