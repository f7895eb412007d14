"""What an unauthenticated source gets back over UDP."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sealtone.server.reflection import MOST_CREDIT, ReflectionLimit

PHONE = ("192.0.2.1", 5060)


@given(st.lists(st.tuples(st.integers(1, 1500), st.lists(st.integers(1, 1500), max_size=5)), min_size=1))
def test_at_no_moment_has_more_than_half_as_much_again_gone_back(requests: list[tuple[int, list[int]]]) -> None:
    limit = ReflectionLimit()
    received = sent = 0
    for port, (size, responses) in enumerate(requests):
        source = (PHONE[0], port)
        limit.received(source, size)
        received += size
        for response in responses:
            if limit.covers(source, response):
                sent += response
            assert sent <= 1.5 * received


def test_a_response_as_long_as_its_request_is_sent_at_once() -> None:
    limit = ReflectionLimit()
    limit.received(PHONE, 400)
    assert limit.covers(PHONE, 600)


def test_a_repetition_brings_the_credit_that_was_missing() -> None:
    limit = ReflectionLimit()
    limit.received(PHONE, 190)
    assert not limit.covers(PHONE, 540)
    assert limit.withheld == 1
    limit.received(PHONE, 190)
    assert limit.covers(PHONE, 540)


def test_a_response_may_go_to_another_port_of_the_address_that_asked() -> None:
    limit = ReflectionLimit()
    limit.received((PHONE[0], 40_000), 400)
    assert limit.covers(PHONE, 500)


def test_who_has_authenticated_is_not_limited_but_other_ports_of_that_address_are() -> None:
    limit = ReflectionLimit()
    limit.received(PHONE, 1000)
    limit.proved(PHONE)
    limit.received(PHONE, 100)
    assert all(limit.covers(PHONE, 1500) for _ in range(1000))
    assert not limit.covers((PHONE[0], 5062), 1)


def test_nobody_saves_up_for_a_burst() -> None:
    limit = ReflectionLimit()
    for _ in range(1000):
        limit.received(PHONE, 1500)
    assert limit.covers(PHONE, int(MOST_CREDIT))
    assert not limit.covers(PHONE, 1)


def test_the_tables_forget_the_longest_unused_first() -> None:
    limit = ReflectionLimit(limit=2)
    for host in ("a", "b", "a", "c"):
        limit.received((host, 1), 1000)
    assert limit.covers(("a", 1), 1000)
    assert not limit.covers(("b", 1), 1000)
    for host in ("a", "b", "c"):
        limit.proved((host, 1))
    assert not limit.covers(("a", 1), 5000)
    assert limit.covers(("c", 1), 5000)
