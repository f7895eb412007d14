"""Retained secrets from call to call (RFC 6189 4.3, 4.6.1, 4.9), verification (7.1), auxiliary secrets."""

from __future__ import annotations

import pytest

from sealtone.zrtp import (
    NEVER_EXPIRES,
    CacheRecord,
    CacheState,
    CacheUpdate,
    RetainedSecret,
    Secured,
    State,
    UnreadableRecord,
    UsageError,
    Warned,
    WarningKind,
)
from zrtp.network import Network
from zrtp.scenes import UNIX_TIME, Person, call, kind_of, secured


def meet(a: Person, b: Person, *, verify: str = "", keep: str = "ab", **settings):
    """One call; the sides named in `keep` store what they are told, those in `verify` compare the SAS."""
    sessions = a.session(**settings), b.session(**settings)
    net = call(*sessions)
    for session, name in zip(sessions, "ab", strict=True):
        if name in verify:
            session.association.set_verified(True)
    net.drain()
    for person, name, told in zip((a, b), "ab", net.told, strict=True):
        if name in keep:
            person.store.keep(told)
    return (*secured(net), net)


def warned(net: Network, index: int) -> list[WarningKind]:
    return [event.kind for event in net.all(index, Warned)]


def test_the_second_call_matches_and_the_third_too():
    a, b = Person("a"), Person("b")
    states = [[each.cache for each in meet(a, b)[:2]] for _ in range(3)]
    assert states == [[CacheState.FIRST_CONTACT] * 2, [CacheState.MATCHED] * 2, [CacheState.MATCHED] * 2]


def test_each_call_moves_the_newest_secret_to_the_second_place():
    a, b = Person("a"), Person("b")
    seen = []
    for _ in range(3):
        meet(a, b)
        record = a.store(b.profile.zid)
        assert record == CacheRecord(b.profile.zid, record.rs1, record.rs2)
        seen.append(record)
    assert seen[0].rs2 is None
    assert [later.rs2 for later in seen[1:]] == [earlier.rs1 for earlier in seen[:2]]
    assert len({record.rs1.octets for record in seen}) == 3
    assert b.store(a.profile.zid).rs1 == seen[2].rs1


@pytest.mark.parametrize("behind", ["a", "b"])
def test_a_side_that_did_not_store_the_last_secret_is_met_by_the_one_before(behind):
    a, b = Person("a"), Person("b")
    meet(a, b)
    meet(a, b, keep="ab".replace(behind, ""))
    one, other, net = meet(a, b)
    assert one.cache is other.cache is CacheState.MATCHED
    assert not warned(net, 0)
    assert not warned(net, 1)
    assert [each.cache for each in meet(a, b)[:2]] == [CacheState.MATCHED] * 2


@pytest.mark.parametrize("verify", ["", "a", "b", "ab"])
def test_a_comparison_of_the_sas_is_told_to_the_other_side_in_the_next_call(verify):
    a, b = Person("a"), Person("b")
    meet(a, b, verify=verify)
    one, other, _ = meet(a, b)
    assert (one.verified_here, one.verified_there) == ("a" in verify, "b" in verify)
    assert (other.verified_here, other.verified_there) == ("b" in verify, "a" in verify)
    assert meet(a, b)[0].verified_here is ("a" in verify)


def test_a_lost_cache_is_warned_about_in_every_call_and_the_old_secret_stays():
    """The lost-secret attack (eprint 2006/424): who cannot show the secret gets neither its place nor its trust."""
    a, b = Person("a"), Person("b")
    meet(a, b, verify="ab")
    kept = dict(a.store.records)
    for _ in range(3):
        b.store.records.clear()
        one, other, net = meet(a, b)
        assert (one.cache, other.cache) == (CacheState.MISMATCH, CacheState.FIRST_CONTACT)
        assert not one.verified_here
        assert not other.verified_there, "a V flag goes only with a secret that matches"
        assert warned(net, 0) == [WarningKind.CACHE_MISMATCH]
        assert warned(net, 1) == []
        assert not net.all(0, CacheUpdate)
        assert a.store.records == kept


def test_after_a_mismatch_a_comparison_stores_the_new_secret_with_the_verification():
    a, b = Person("a"), Person("b")
    meet(a, b)
    old = a.store(b.profile.zid)
    b.store.records.clear()
    one, _, _ = meet(a, b, verify="a")
    assert one.cache is CacheState.MISMATCH
    record = a.store(b.profile.zid)
    assert record.verified
    assert record.rs2 == old.rs1
    one, other, _ = meet(a, b)
    assert one.cache is other.cache is CacheState.MATCHED
    assert one.verified_here


def test_a_sas_that_differs_makes_us_forget_what_is_retained():
    a, b = Person("a"), Person("b")
    meet(a, b, verify="ab")
    sessions = a.session(), b.session()
    net = call(*sessions)
    sessions[0].association.set_verified(False)
    net.drain()
    a.store.keep(net.told[0])
    assert a.store(b.profile.zid) == CacheRecord(b.profile.zid)
    b.store.keep(net.told[1])
    one, other, _ = meet(a, b)
    assert (one.cache, other.cache) == (CacheState.FIRST_CONTACT, CacheState.MISMATCH)


@pytest.mark.parametrize(
    ("ours", "theirs", "kept"),
    [
        (NEVER_EXPIRES, NEVER_EXPIRES, None),
        (3600, NEVER_EXPIRES, UNIX_TIME + 3600),
        (NEVER_EXPIRES, 60, UNIX_TIME + 60),
        (3600, 60, UNIX_TIME + 60),
    ],
)
def test_a_secret_is_kept_for_the_shorter_of_both_times(ours, theirs, kept):
    a, b = Person("a", cache_expiry_s=ours), Person("b", cache_expiry_s=theirs)
    meet(a, b)
    assert a.store(b.profile.zid).rs1.expires_at == kept
    assert b.store(a.profile.zid).rs1.expires_at == kept


def test_with_an_expiry_of_nothing_nothing_is_stored():
    a, b = Person("a", cache_expiry_s=0), Person("b")
    _, _, net = meet(a, b)
    assert not net.all(0, CacheUpdate)
    assert not net.all(1, CacheUpdate)
    assert a.store.records == b.store.records == {}


def test_an_expired_secret_is_not_used_and_is_no_mismatch():
    a, b = Person("a", cache_expiry_s=60), Person("b")
    meet(a, b, verify="ab")
    one, other, net = meet(a, b, unix_time=UNIX_TIME + 59)
    assert one.cache is other.cache is CacheState.MATCHED
    one, other, net = meet(a, b, unix_time=UNIX_TIME + 59 + 60)
    assert one.cache is other.cache is CacheState.EXPIRED
    assert not one.verified_here
    assert not warned(net, 0)
    assert not a.store(b.profile.zid).verified


@pytest.mark.parametrize("lost", [b"Confirm1", b"Confirm2"])
def test_nothing_is_stored_before_both_sides_have_proven_the_keys(lost):
    a, b = Person("a"), Person("b")
    net = call(a.session(), b.session(), tap=lambda sender, datagram: [] if kind_of(datagram) == lost else [datagram])
    assert not net.all(0, CacheUpdate)
    assert not net.all(1, CacheUpdate)
    assert not net.all(0, Secured)


def test_the_initiator_stores_only_when_it_knows_that_the_responder_has_its_confirm2():
    a, b = Person("a"), Person("b")
    session = a.session()
    net = call(
        session, b.session(), 2.0, tap=lambda sender, datagram: [] if kind_of(datagram) == b"Conf2ACK" else [datagram]
    )
    waiting, done = (0, 1) if session.state is State.CONFIRM2_SENT else (1, 0)
    assert net.all(done, CacheUpdate)
    assert not net.all(waiting, CacheUpdate)


def test_equal_auxiliary_secrets_enter_the_keys_and_different_ones_are_warned_about():
    a, b = Person("a"), Person("b")
    same = call(a.session(aux_secret=b"x" * 20), b.session(aux_secret=b"x" * 20))
    assert [each.aux_matched for each in secured(same)] == [True, True]
    different = call(a.session(aux_secret=b"x" * 20), b.session(aux_secret=b"y" * 20))
    assert [each.aux_matched for each in secured(different)] == [False, False]
    assert warned(different, 0) == warned(different, 1) == [WarningKind.AUX_MISMATCH]
    one_sided = call(a.session(aux_secret=b"x" * 20), b.session())
    assert [each.aux_matched for each in secured(one_sided)] == [False, None]


def test_ids_of_secrets_that_do_not_exist_are_random():
    a, b = Person("a"), Person("b")
    seen = set()
    for _ in range(3):
        net = call(a.session(), b.session())
        for datagram in [*net.sent[0], *net.sent[1]]:
            if kind_of(datagram).startswith(b"DHPart"):
                seen |= {datagram[56 + at : 64 + at] for at in range(0, 32, 8)}
    assert len(seen) == 3 * 2 * 4


def test_an_id_differs_by_role_so_that_it_cannot_be_sent_back():
    a, b = Person("a"), Person("b")
    meet(a, b)
    net = call(a.session(), b.session())
    (first,) = {each[56:64] for each in net.sent[0] if kind_of(each).startswith(b"DHPart")}
    (second,) = {each[56:64] for each in net.sent[1] if kind_of(each).startswith(b"DHPart")}
    assert first != second


def test_what_is_done_once_secure_needs_a_secure_session():
    session = Person("a").session()
    assert session.association is None
    a, b = Person("a").session(), Person("b").session()
    call(a, b)
    with pytest.raises(UsageError, match="offers no enrolment"):
        a.association.enrol(True)


def test_records_that_are_none_are_refused():
    for stored in (b"", b"\x02" + bytes(13), b"\x01\x02" + bytes(12), b"\x01\x10" + bytes(12)):
        with pytest.raises(UnreadableRecord):
            CacheRecord.parse(stored)
    record = CacheRecord(bytes(12), RetainedSecret(bytes(32)), verified=True)
    assert "secret" not in repr(CacheRecord(bytes(12), RetainedSecret(b"secret" * 5)))
    assert CacheRecord.parse(record.encode()) == record


class Overlapping:
    """Two calls of the same two at once: both know the same secrets when they begin, and end in the order wanted."""

    def __init__(self, a: Person, b: Person, **settings) -> None:
        self.a, self.b = a, b
        self.pairs = [(a.session(**settings), b.session()), (a.session(), b.session())]
        self.nets = [
            call(*pair, stop=lambda pair=pair: pair[0].state in (State.COMMITTED, State.DHPART1_SENT))
            for pair in self.pairs
        ]

    def end(self, which: int) -> tuple[Secured, Secured]:
        one, other = self.pairs[which]
        net = self.nets[which]
        net.run(60.0, lambda: one.is_secure and other.is_secure)
        self.keep(which)
        return secured(net)

    def keep(self, which: int) -> None:
        net = self.nets[which]
        net.drain()
        for person, told in zip((self.a, self.b), net.told, strict=True):
            person.store.keep(told)
            told[:] = [event for event in told if not isinstance(event, CacheUpdate)]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("last_of_b", [0, 1])
def test_two_calls_at_once_leave_secrets_that_match_in_the_next_one(known, last_of_b):
    a, b = Person("a"), Person("b")
    if known:
        meet(a, b)
    both = Overlapping(a, b)
    records = []
    for which in (0, 1):
        both.end(which)
        records.append(b.store(a.profile.zid))
    b.store.records[a.profile.zid] = records[last_of_b].encode()
    for _ in range(2):
        one, other, _ = meet(a, b)
        assert one.cache is other.cache is CacheState.MATCHED


def test_a_stranger_with_the_zid_of_a_peer_that_is_met_for_the_first_time_does_not_push_its_secret_out():
    a, b, stranger = Person("a"), Person("b"), Person("b")
    stranger.calls = 100
    session, other = a.session(), stranger.session()
    net = call(session, other, stop=lambda: session.state in (State.COMMITTED, State.DHPART1_SENT))
    meet(a, b, verify="a")
    net.run(60.0, lambda: session.is_secure)
    a.store.keep(net.told[0])
    assert not a.store(b.profile.zid).verified
    one, other, _ = meet(a, b)
    assert one.cache is other.cache is CacheState.MATCHED


def test_what_a_person_said_of_one_call_is_not_undone_by_the_end_of_another():
    a, b = Person("a"), Person("b")
    meet(a, b, verify="a")
    old = a.store(b.profile.zid)
    both = Overlapping(a, b)
    both.end(0)
    both.pairs[0][0].association.set_verified(False)
    both.keep(0)
    assert a.store(b.profile.zid) == CacheRecord(b.profile.zid)
    both.end(1)
    record = a.store(b.profile.zid)
    assert not record.verified
    assert record.rs2 is None
    assert old.rs1 != record.rs1
    both.pairs[0][0].association.set_verified(True)
    both.keep(0)
    assert a.store(b.profile.zid) == record, "the call whose secrets were forgotten says nothing of the newer ones"


def test_an_enrolment_in_one_call_is_not_undone_by_the_end_of_another():
    pbx, phone = Person("a", trusted_mitm=True), Person("b")
    both = Overlapping(pbx, phone, offers_enrolment=True)
    both.end(0)
    both.pairs[0][1].association.enrol(True)
    both.keep(0)
    both.end(1)
    secret = pbx.store(phone.profile.zid).pbx
    assert secret is not None
    assert phone.store(pbx.profile.zid).pbx == secret
    assert meet(pbx, phone)[0].enrolled


@pytest.mark.parametrize("later", [1, 2, 5])
def test_a_comparison_in_a_long_call_does_not_bring_old_secrets_back(later):
    a, b = Person("a"), Person("b")
    session, other = a.session(), b.session()
    net = call(session, other)
    net.drain()
    for person, told in zip((a, b), net.told, strict=True):
        person.store.keep(told)
        told.clear()
    for _ in range(later):
        meet(a, b)
    known = a.store(b.profile.zid)
    session.association.set_verified(True)
    net.drain()
    a.store.keep(net.told[0])
    assert a.store(b.profile.zid).rs1 == known.rs1
    assert session.association.record.verified, "it holds for this call in any case"
    one, other, _ = meet(a, b)
    assert one.cache is other.cache is CacheState.MATCHED
    assert one.verified_here is (later == 1), "of the newer ones only where this call's secret is still among them"
