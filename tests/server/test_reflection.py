"""What an unauthenticated source gets back over UDP."""

from __future__ import annotations

from sealtone.server.reflection import FIRST_CREDIT, MOST_CREDIT, ReflectionLimit


def test_over_many_requests_no_more_than_half_as_much_again_goes_back() -> None:
    limit = ReflectionLimit()
    out = 0
    for _ in range(100):
        limit.received("192.0.2.1", 200)
        if limit.covers("192.0.2.1", 540):
            out += 540
    assert 0 < out <= 1.5 * 100 * 200
    assert limit.withheld > 0


def test_a_first_short_request_is_answered_at_once() -> None:
    limit = ReflectionLimit()
    limit.received("192.0.2.1", 300)
    assert limit.covers("192.0.2.1", 540)


def test_a_repetition_brings_the_credit_that_was_missing() -> None:
    limit = ReflectionLimit()
    limit.received("192.0.2.1", 190)
    assert not limit.covers("192.0.2.1", 540)
    limit.received("192.0.2.1", 190)
    assert limit.covers("192.0.2.1", 540)


def test_who_has_authenticated_is_not_limited() -> None:
    limit = ReflectionLimit()
    limit.proved("192.0.2.1")
    assert all(limit.covers("192.0.2.1", 1500) for _ in range(1000))
    assert limit.covers("192.0.2.2", int(FIRST_CREDIT))
    assert not limit.covers("192.0.2.2", 1)


def test_nobody_saves_up_for_a_burst() -> None:
    limit = ReflectionLimit()
    for _ in range(1000):
        limit.received("192.0.2.1", 1500)
    assert limit.covers("192.0.2.1", int(MOST_CREDIT))
    assert not limit.covers("192.0.2.1", 1)


def test_the_tables_forget_the_longest_unused_first() -> None:
    limit = ReflectionLimit(limit=2)
    for address in ("a", "b", "a", "c"):
        limit.received(address, 1000)
    assert limit.covers("a", 1000)
    assert not limit.covers("b", 1000)
