"""Becoming secure over networks that lose, repeat and reorder, and when one side comes late (RFC 6189 6)."""

from __future__ import annotations

import itertools

import pytest

from sealtone.zrtp import Failed, Initiative, NoPeer, Role, SecretsReady, Secured, State
from sealtone.zrtp.timer import T1, T2
from zrtp.network import Network
from zrtp.scenes import Person, call, kind_of, kinds, secured

RESPONDING = {"initiative": Initiative.NEVER}


def times_of(net: Network, sender: int, kind: bytes) -> list[float]:
    return [time for time, index, datagram in net.log if index == sender and kind_of(datagram) == kind]


class LoggedNetwork(Network):
    def drain(self) -> None:
        counts = [len(each) for each in getattr(self, "sent", ([], []))]
        super().drain()
        self.log = getattr(self, "log", [])
        for index in (0, 1):
            self.log += [(self.now, index, datagram) for datagram in self.sent[index][counts[index] :]]


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_most_calls_become_secure_at_a_loss_each_way_and_none_falsely(loss):
    secure = 0
    for seed in range(100):
        a, b = Person(f"a{seed}").session(), Person(f"b{seed}").session()
        net = call(a, b, seed=seed, loss=loss, delay_s=(0.02, 0.04))
        # The side whose Conf2ACK is lost hears the other's media.
        for session, other in ((a, b), (b, a)):
            if other.is_secure and session.state is State.CONFIRM2_SENT:
                session.media_authenticated()
        net.drain()
        if a.is_secure and b.is_secure:
            secured(net)
            secure += 1
        else:
            assert not (net.all(0, Secured) and net.all(1, Secured))
    assert secure >= (100 if loss < 0.2 else 95)


def test_repeated_and_reordered_packets_change_nothing():
    for seed in range(100):
        a, b = Person(f"a{seed}").session(), Person(f"b{seed}").session()
        net = call(a, b, seed=seed, loss=0.15, repeat=0.3, delay_s=(0.0, 0.12))
        secured(net)
        assert a.counters.key_pairs == b.counters.key_pairs == 1
        assert a.counters.agreements == b.counters.agreements == 1


@pytest.mark.parametrize("late_s", [3.0, 8.0, 100.0])
def test_a_late_peer_is_met_as_soon_as_it_says_hello(late_s):
    a, b = Person("a").session(), Person("b").session()
    net = Network(a, b)
    a.start(0.0)
    net.run(late_s)
    b.start(late_s)
    net.run(late_s + 5, lambda: a.is_secure and b.is_secure)
    secured(net)
    assert net.now < late_s + 0.3
    assert len(net.all(0, NoPeer)) == (1 if late_s > 4 else 0)


def test_hello_is_repeated_as_t1_says_and_never_changes():
    a = Person("a").session()
    net = LoggedNetwork(a, Person("b").session())
    net.tap = lambda sender, datagram: []
    a.start(10.0)
    net.run(100.0)
    times = times_of(net, 0, b"Hello   ")
    assert len(times) == 1 + T1.retransmissions == 21
    gaps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times[1:])]
    assert gaps == [0.1] + [0.2] * 18
    assert len({datagram[12:-4] for datagram in net.sent[0]}) == 1
    assert [type(event) for event in net.told[0]] == [NoPeer]
    assert a.next_timeout() is None


def test_sequence_numbers_begin_low_and_grow_by_one_with_each_packet():
    a, b = Person("a").session(), Person("b").session()
    net = call(a, b, loss=0.3, seed=4, delay_s=(0.01, 0.02))
    for sent in net.sent:
        numbers = [int.from_bytes(datagram[2:4], "big") for datagram in sent]
        assert 1 <= numbers[0] <= 256
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("swallowed", [b"Commit  ", b"DHPart2 ", b"Confirm2"])
def test_the_initiator_repeats_as_t2_says_and_then_fails(swallowed):
    a, b = Person("a").session(), Person("b").session(profile=RESPONDING)
    net = LoggedNetwork(a, b)
    net.tap = lambda sender, datagram: [] if kind_of(datagram) == swallowed else [datagram]
    a.start(0.0)
    b.start(0.0)
    net.run(60.0)
    times = times_of(net, 0, swallowed)
    assert len(times) == 1 + T2.retransmissions == 11
    gaps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]
    assert gaps == [0.15, 0.3, 0.6] + [1.2] * 7
    (failed,) = net.all(0, Failed)
    assert failed.code is not None
    assert failed.code.name == "TIMEOUT"
    assert not net.all(0, Secured)


def test_the_responder_repeats_nothing_of_its_own_accord_and_gives_up_in_the_end():
    a, b = Person("a").session(), Person("b").session(profile=RESPONDING)
    net = Network(a, b, tap=lambda sender, datagram: [] if kind_of(datagram) == b"DHPart2 " else [datagram])
    a.start(0.0)
    b.start(0.0)
    net.run(60.0)
    assert kinds(net.sent[1]).count("DHPart1") == 1
    assert [failed.code.name for failed in net.all(1, Failed)] == ["TIMEOUT"]


def test_a_responder_answers_each_repetition_with_the_same_message():
    a, b = Person("a").session(), Person("b").session(profile=RESPONDING)
    swallow = iter([b"DHPart1 ", b"DHPart1 ", b"Confirm1", b"Conf2ACK"])
    wanted = [next(swallow)]

    def tap(sender, datagram):
        if wanted and sender == 1 and kind_of(datagram) == wanted[0]:
            wanted[:] = [each for each in [next(swallow, None)] if each]
            return []
        return [datagram]

    net = call(a, b, tap=tap)
    secured(net)
    assert kinds(net.sent[1]).count("DHPart1") == 3
    assert kinds(net.sent[1]).count("Confirm1") == 2
    assert kinds(net.sent[1]).count("Conf2ACK") == 2
    for kind in (b"DHPart1 ", b"Confirm1"):
        assert len({datagram[12:-4] for datagram in net.sent[1] if kind_of(datagram) == kind}) == 1
    assert b.counters.key_pairs == 1


def test_media_of_the_peer_is_as_good_as_conf2ack():
    a, b = Person("a").session(), Person("b").session(profile=RESPONDING)
    net = call(a, b, 1.0, tap=lambda sender, datagram: [] if kind_of(datagram) == b"Conf2ACK" else [datagram])
    assert b.is_secure
    assert a.state is State.CONFIRM2_SENT
    assert net.all(0, SecretsReady)
    assert not net.all(0, Secured)
    a.media_authenticated()
    net.drain()
    said, _ = secured(net)
    assert said.role is Role.INITIATOR
    assert a.next_timeout() is None


def test_after_a_silence_in_mid_exchange_the_same_two_can_begin_again():
    a, b = Person("a").session(), Person("b").session()
    net = Network(a, b, tap=lambda sender, datagram: [] if kind_of(datagram) == b"DHPart2 " else [datagram])
    a.start(0.0)
    b.start(0.0)
    net.run(40.0)
    assert net.all(0, Failed)
    assert net.all(1, Failed)
    net.tap = lambda sender, datagram: [datagram]
    net.put(net.sent[0][0], to=1)  # a late Hello of the first
    net.run(60.0, lambda: a.is_secure and b.is_secure)
    secured(net)
