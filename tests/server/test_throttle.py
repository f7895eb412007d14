"""How many wrong passwords are looked at."""

from sealtone.server.throttle import Throttle


def guesses_looked_at(throttle: Throttle, address: str, aor: str, count: int, now: float, pace_s: float = 0.01) -> int:
    looked = 0
    for _ in range(count):
        now += pace_s
        if throttle.wait_s(address, aor, now) == 0:
            looked += 1
            throttle.failed(address, aor, now)
    return looked


def test_ten_thousand_guesses_from_one_address_reach_at_most_twenty_verifications() -> None:
    throttle = Throttle()
    assert guesses_looked_at(throttle, "198.51.100.1", "1000@office.example", 10_000, 0.0) <= 20


def test_a_scanner_over_many_accounts_has_one_budget() -> None:
    throttle = Throttle()
    looked = sum(guesses_looked_at(throttle, "198.51.100.1", f"{n}@office.example", 1, n * 0.01) for n in range(10_000))
    assert looked <= 20


def test_an_account_attacked_from_a_hundred_addresses_is_throttled_and_its_owner_still_gets_in() -> None:
    throttle = Throttle()
    looked = 0
    for turn in range(100):
        for number in range(100):
            looked += guesses_looked_at(throttle, f"198.51.100.{number}", "1000@office.example", 1, turn * 0.1)
    assert looked <= 400
    assert throttle.wait_s("203.0.113.7", "1000@office.example", 10.0) == 0


def test_one_wrongly_set_phone_does_not_lock_out_the_others_behind_its_address() -> None:
    throttle = Throttle()
    throttle.succeeded("203.0.113.7", "1001@office.example", 0.0)
    guesses_looked_at(throttle, "203.0.113.7", "1000@office.example", 1000, 1.0)
    assert throttle.wait_s("203.0.113.7", "1000@office.example", 20.0) > 0
    assert throttle.wait_s("203.0.113.7", "1001@office.example", 20.0) == 0


def test_a_botnet_is_looked_at_once_a_second_and_the_owner_still_gets_in_within_five() -> None:
    throttle, now, looked = Throttle(), 0.0, 0
    for number in range(10_000):
        now += 0.01
        looked += guesses_looked_at(throttle, f"10.9.{number >> 8}.{number & 255}", "1000@office.example", 1, now)
    assert looked <= 300
    assert throttle.wait_s("203.0.113.7", "1000@office.example", now) < 5


def test_who_failed_on_an_account_under_attack_waits_like_the_others() -> None:
    throttle = Throttle()
    throttle.failed("203.0.113.7", "1000@office.example", 0.0)
    for number in range(100):
        guesses_looked_at(throttle, f"198.51.100.{number}", "1000@office.example", 3, 1.0)
    assert throttle.wait_s("203.0.113.7", "1000@office.example", 2.0) > 0
    throttle.succeeded("203.0.113.8", "1000@office.example", 2.0)
    assert throttle.wait_s("203.0.113.8", "1000@office.example", 2.0) == 0


def test_one_phone_with_an_old_password_does_not_bar_its_office_for_days() -> None:
    throttle, now = Throttle(), 0.0
    throttle.succeeded("198.51.100.1", "1000@office.example", now)
    for _ in range(24 * 60):  # a phone that was good until its password was changed tries for a day
        now += 60
        if throttle.wait_s("198.51.100.1", "1000@office.example", now) == 0:
            throttle.failed("198.51.100.1", "1000@office.example", now)
    assert throttle.wait_s("198.51.100.1", "1001@office.example", now) == 0


def test_nobody_owes_more_than_a_burst() -> None:
    throttle = Throttle()
    for _ in range(1000):
        throttle.failed("198.51.100.1", "1000@office.example", 0.0)
    assert throttle.wait_s("198.51.100.1", "1000@office.example", 0.0) <= 300


def test_guessing_from_many_addresses_of_one_ipv6_network_is_guessing_from_one() -> None:
    throttle = Throttle()
    looked = sum(
        guesses_looked_at(throttle, f"2001:db8::{number:x}", "1000@office.example", 1, number * 0.01)
        for number in range(10_000)
    )
    assert looked <= 20
    assert throttle.wait_s("2001:db8:0:1::1", "1000@office.example", 100.0) == 0


def test_who_waits_long_enough_may_try_again_and_a_right_password_clears_the_debt() -> None:
    throttle = Throttle()
    guesses_looked_at(throttle, "203.0.113.7", "1000@office.example", 8, 0.0)
    wait = throttle.wait_s("203.0.113.7", "1000@office.example", 1.0)
    assert 0 < wait < 60
    assert throttle.wait_s("203.0.113.7", "1000@office.example", 1.0 + wait + 0.1) == 0
    throttle.succeeded("203.0.113.7", "1000@office.example", 62.0)
    assert throttle.wait_s("203.0.113.7", "1000@office.example", 62.0) == 0


def test_the_tables_stay_within_their_limit() -> None:
    throttle = Throttle(limit=100)
    for number in range(10_000):
        throttle.failed(f"10.0.{number >> 8}.{number & 255}", f"{number}@x", 0.0)
    assert len(throttle._pairs._spent) <= 100
