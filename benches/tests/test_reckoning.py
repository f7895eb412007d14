"""The reckoning of the benchmarks: spreads, targets, recovery, rtpengine's encoding."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import benches
from benches.machine import BenchError, asleep, wait_for
from benches.media import judge_recovery
from benches.media_load import Slice
from benches.phones import challenge_of
from benches.relays.interface import MIXED_SRTP, SUITE_PAIRS, SUITES, new_key, plan_calls
from benches.relays.rtpengine import bdecode, bencode, read_sdp, sdp_of
from benches.report import alone, at_least, at_most, compare, comparison_table, spread
from benches.signalling import B2BUA, FAST_RATE, OURS, SLOWER_RATES, Signalling, rows_of
from benches.sip_load import CallSample


def test_ratios_are_taken_round_by_round_and_a_miss_is_marked() -> None:
    row = compare("case", "µs", [1.0, 4.0, 3.0], "peer", [2.0, 4.0, 4.0], at_most(0.7))
    assert row.ratio == (0.75, 0.5, 1.0)
    assert row.met is False
    assert " NO" in comparison_table([row])


def test_a_target_without_a_peer_is_about_our_own_value() -> None:
    assert alone("memory", "KiB", [15.0, 17.0, 15.5], at_most(16)).met is True
    assert alone("calls", "calls", [1500.0], at_least(1600)).met is False
    assert alone("shown only", "µs", [1.0], None).met is None


def test_a_relay_that_loses_packets_meets_no_target_however_cheap_it_is() -> None:
    row = compare("case", "µs", [1.0], "peer", [4.0], at_most(0.5), valid=False)
    assert row.met is False


def test_a_spread_shows_its_extremes_unless_they_are_equal() -> None:
    assert str(spread([1.0, 2.0, 4.0])) == "2.00 (1.00–4.00)"
    assert str(spread([1200.0])) == "1,200"


def overload(lossy_slices_after: int) -> list[Slice]:
    after = [Slice(100, 0)] * lossy_slices_after + [Slice(100, 100)] * (40 - lossy_slices_after)
    return [Slice(100, 100)] * 10 + [Slice(200, 90)] * 80 + after


def test_a_relay_that_forwards_again_within_a_second_has_recovered() -> None:
    recovery = judge_recovery(overload(8), 10, 80, 80 * 200, 2.0)
    assert recovery.offered == pytest.approx(2.0)
    assert recovery.loss_after_1_s == 0.0
    assert recovery.recovered_after_s == pytest.approx(0.8)


def test_loss_later_than_a_second_after_overload_is_told() -> None:
    recovery = judge_recovery(overload(25), 10, 80, 80 * 400, 2.0)
    assert recovery.offered == pytest.approx(1.0)
    assert recovery.loss_after_1_s == pytest.approx(0.5)
    assert recovery.recovered_after_s == pytest.approx(2.5)


def calls(rate: float, cpu_ms_per_call: float, repeated: int = 0) -> CallSample:
    share = rate * cpu_ms_per_call / 1000
    return CallSample(rate, 100, 100, 0, {}, repeated, cpu_ms_per_call, share, 1.0, 2.0)


def test_sippy_is_held_against_us_at_the_highest_rate_that_leaves_it_cpu_to_spare() -> None:
    runs = {rate: {OURS: [calls(rate, 0.5)], B2BUA: [calls(rate, 1.6)]} for rate in SLOWER_RATES}
    runs[FAST_RATE] = {OURS: [calls(FAST_RATE, 0.5)], B2BUA: [calls(FAST_RATE, 2.0, repeated=7)]}
    beside_sippy = [row for row in rows_of(Signalling(runs, {})) if row.peer_name == B2BUA]
    assert [row.target is not None for row in beside_sippy] == [False, True, False, False]
    assert "7 messages repeated" in beside_sippy[0].note
    assert ["is full" in row.note for row in beside_sippy] == [True, False, False, False]


def test_what_is_asleep_goes_on_afterwards() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        with asleep([process.pid]):
            wait_for_state(process.pid, "T")
        wait_for_state(process.pid, "S")
        process.kill()


def wait_for_state(pid: int, wanted: str) -> None:
    def states() -> Iterator[bool]:
        while True:
            yield Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == wanted

    wait_for(f"state {wanted}", states())


def test_the_small_benchmark_of_a_call_runs() -> None:
    command = [sys.executable, str(Path(benches.__file__).with_name("b2bua_micro.py")), "--calls", "5", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[0]) > 0


def test_bencode_reads_back_what_it_wrote() -> None:
    value = {"command": "offer", "SDES": ["only-X", "é"], "n": -3, "nested": {"a": []}}
    assert bdecode(bencode(value)) == value  # type: ignore[arg-type]
    assert bencode({"b": 1, "a": "x"}) == b"d1:a1:x1:bi1ee"


def test_the_key_of_the_wanted_suite_is_read_from_an_sdp() -> None:
    key = new_key("AEAD_AES_256_GCM")
    assert read_sdp(sdp_of(4000, key), "AEAD_AES_256_GCM") == (4000, 1, key)
    assert read_sdp(sdp_of(4000, None), None) == (4000, 1, None)
    with pytest.raises(BenchError):
        read_sdp(sdp_of(4000, key), "AES_CM_128_HMAC_SHA1_80")


def test_encrypted_calls_never_have_one_suite_on_both_legs() -> None:
    plans = plan_calls((4000, 4002), 0, 6, MIXED_SRTP)
    assert {(plan.a.suite, plan.b.suite) for plan in plans} == set(SUITE_PAIRS)
    assert all(plan.a.suite != plan.b.suite for plan in plans)
    assert all(len(new_key(suite).key) == octets[0] for suite, octets in SUITES.items())


def test_a_phone_picks_the_md5_challenge_among_several() -> None:
    response = (
        "SIP/2.0 401 Unauthorized\r\n"
        'WWW-Authenticate: Digest realm="r", nonce="a==", algorithm=SHA-256, qop="auth"\r\n'
        'WWW-Authenticate: Digest realm="r", nonce="b==", algorithm=MD5, qop="auth"\r\n\r\n'
    )
    assert challenge_of(response)["nonce"] == "b=="
    with pytest.raises(BenchError):
        challenge_of("SIP/2.0 403 Forbidden\r\n\r\n")
