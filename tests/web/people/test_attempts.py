"""How often one may try: exact, bounded, and fair to whoever is at home while strangers guess."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealtone.web.attempts import Attempts, Buckets, Rate, network_of

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.{}"


def test_a_burst_is_let_through_then_one_every_refill() -> None:
    buckets = Buckets(Rate(burst=3, refill_s=10.0))
    for _ in range(3):
        assert buckets.wait_s("a", 0.0) == 0
        buckets.spend("a", 0.0)
    assert buckets.wait_s("a", 0.0) == 10.0
    assert buckets.wait_s("a", 9.0) == pytest.approx(1.0)
    assert buckets.wait_s("a", 10.0) == 0
    assert buckets.wait_s("b", 0.0) == 0


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 5)), max_size=200))
def test_no_key_gets_more_than_its_burst_and_refills(steps: list[tuple[int, float]]) -> None:
    buckets, now, taken = Buckets(Rate(burst=5, refill_s=7.0)), 0.0, 0
    for _, pause in steps:
        now += pause
        if buckets.wait_s("a", now) <= 0:
            buckets.spend("a", now)
            taken += 1
    assert taken <= 5 + now / 7.0 + 1


def test_the_tables_stay_bounded() -> None:
    attempts = Attempts(most=50)
    for number in range(2000):
        attempts.failed(f"10.0.{number // 256}.{number % 256}", f"name {number}", 0.0)
        attempts.succeeded(f"10.1.{number // 256}.{number % 256}", f"name {number}", 0.0)
    sizes = [len(table._spent) for table in (attempts._addresses, attempts._pairs, attempts._names)]
    assert max(*sizes, len(attempts._good)) <= 50


def test_an_attack_from_everywhere_does_not_lock_out_who_was_right_before() -> None:
    attempts = Attempts()
    attempts.succeeded(HOME, "ann", 0.0)
    for number in range(200):
        attempts.failed(ELSEWHERE.format(number), "ann", 1.0)
    assert attempts.wait_s("203.0.113.9", "ann", 1.0) > 0
    assert attempts.wait_s(HOME, "ann", 1.0) == 0


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert len(network_of("x" * 1000)) <= 64
