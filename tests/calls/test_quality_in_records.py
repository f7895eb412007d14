"""How each direction of a call sounded, as its record has it."""

from calls.codec_scenes import G729, able, hang_up, is_transcoded, leg_of, lists
from calls.scenes import in_call, three
from calls.world import EVENTS, OPUS
from sealtone.b2bua.plane import MediaCounters
from sealtone.model.quality import Path, mos


def test_each_direction_is_rated_by_who_received_it() -> None:
    world = able()
    a, b, _ = three(world)
    in_call(world, a, b)
    world.plane.counted[leg_of(world, a)] = MediaCounters(
        packets_in=950, packets_out=1000, lost_in=50, jitter_ms=4, round_trip_ms=40, reported_lost=0
    )
    world.plane.counted[leg_of(world, b)] = MediaCounters(packets_in=1000, packets_out=950, jitter_ms=1)
    hang_up(world, a)
    one, other = world.record.legs
    assert one.mos_rx == mos(Path("pcma", 950, 50, 4, 40))
    assert one.mos_tx == mos(Path("pcma", 1000, 0, 0, 40))
    assert one.mos_rx is not None
    assert one.mos_tx is not None
    assert one.mos_rx < one.mos_tx
    assert other.mos_rx == mos(Path("pcma", 1000, 0, 1))
    assert other.mos_tx is None, "its phone reported nothing"
    assert (one.ptime_ms, one.codec, one.codec_tx) == (20, "PCMA/8000", "PCMA/8000")


def test_losses_in_runs_count_as_such_in_what_a_phone_sent() -> None:
    rated = []
    for gaps in (50, 5):
        world = able()
        a, b, _ = three(world)
        in_call(world, a, b)
        world.plane.counted[leg_of(world, a)] = MediaCounters(packets_in=950, lost_in=50, gaps_in=gaps)
        hang_up(world, a)
        rated.append(world.record.legs[0].mos_rx)
    assert rated == [mos(Path("pcma", 950, 50)), mos(Path("pcma", 950, 50, mean_burst=10))]
    assert rated[1] < rated[0]  # type: ignore[operator]


def test_what_was_transcoded_is_rated_by_both_its_codecs_and_both_its_ways() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    in_call(world, a, b)
    world.plane.counted[leg_of(world, a)] = MediaCounters(packets_in=980, packets_out=1000, lost_in=20)
    world.plane.counted[leg_of(world, b)] = MediaCounters(packets_in=1000, packets_out=1000, reported_lost=10)
    hang_up(world, a)
    heard = world.record.legs[1].mos_tx
    assert heard == mos(Path("g729", 990, 10), Path("opus", 980, 20))
    assert heard is not None
    alone = mos(Path("g729", 990, 10))
    assert alone is not None
    assert heard < alone


def test_a_phone_that_nothing_reached_is_not_called_unknown() -> None:
    world = able()
    a, b, _ = three(world)
    in_call(world, a, b)
    world.plane.counted[leg_of(world, a)] = MediaCounters(packets_in=1000, packets_out=1000, reported_lost=990)
    hang_up(world, a)
    heard = world.record.legs[0].mos_tx
    assert heard is not None
    assert heard < 1.2


def test_a_sealed_or_silent_leg_is_not_rated() -> None:
    world = able()
    a, b, _ = three(world)
    in_call(world, a, b)
    for leg in (leg_of(world, a), leg_of(world, b)):
        world.plane.counted[leg] = MediaCounters(packets_in=3, packets_out=4, reported_lost=0)
    hang_up(world, a)
    assert [(leg.mos_rx, leg.mos_tx) for leg in world.record.legs] == [(None, None)] * 2


def test_a_phone_that_sends_another_codec_than_it_is_sent_is_recorded_with_both() -> None:
    world = able()
    a, b, _ = three(world)
    lists(a, "pcmu", "pcma")
    in_call(world, a, b)
    assert not is_transcoded(world)
    hang_up(world, a)
    assert [(leg.codec, leg.codec_tx) for leg in world.record.legs] == [
        ("PCMU/8000", "PCMA/8000"),
        ("PCMA/8000", "PCMU/8000"),
    ]
