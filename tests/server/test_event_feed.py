"""The ring of events: what is told is heard once, in order; what cannot be had any more is said to be lost."""

from __future__ import annotations

import asyncio

from sealtone.server.event_feed import MAX_AT_ONCE, MAX_EVENTS, WANTED_S, EventFeed


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_who_waits_hears_the_next_event_at_once() -> None:
    feed = EventFeed()
    start = (await feed.wait(0, 0))["next"]
    waiting = asyncio.create_task(feed.wait(start, 60))
    await asyncio.sleep(0)
    feed.tell("call.started", 7, call="c1")
    answer = await asyncio.wait_for(waiting, 30)
    assert [(one["kind"], one["account_id"], one["call"]) for one in answer["events"]] == [("call.started", 7, "c1")]
    assert not answer["lost"]
    assert answer["next"] == answer["events"][-1]["seq"]


async def test_nothing_is_heard_twice_and_nothing_left_out() -> None:
    feed = EventFeed()
    place = (await feed.wait(0, 0))["next"]
    total = MAX_AT_ONCE + 10
    for number in range(total):
        feed.tell("call.changed", 1, call=str(number))
    heard = []
    while len(heard) < total:
        answer = await feed.wait(place, 0.01)
        assert not answer["lost"]
        heard += [one["call"] for one in answer["events"]]
        place = answer["next"]
    assert heard == [str(number) for number in range(total)]
    assert (await feed.wait(place, 0.01))["events"] == []


async def test_a_reader_that_is_too_slow_is_told_what_it_lost() -> None:
    feed = EventFeed()
    place = (await feed.wait(0, 0))["next"]
    for number in range(MAX_EVENTS + 1):
        feed.tell("call.changed", 1, call=str(number))
    answer = await feed.wait(place, 0.01)
    assert answer["lost"]
    assert answer["events"][0]["call"] == "1"


async def test_while_nobody_asks_nothing_is_kept_and_who_comes_back_knows() -> None:
    clock = Clock()
    feed = EventFeed(clock)
    place = (await feed.wait(0, 0))["next"]
    clock.now += WANTED_S + 1
    feed.tell("call.started", 1, call="missed")
    assert not feed.is_wanted
    answer = await feed.wait(place, 0.01)
    assert answer["lost"]
    assert answer["events"] == []
    feed.tell("call.started", 1, call="heard")
    again = await feed.wait(answer["next"], 0.01)
    assert not again["lost"]
    assert [one["call"] for one in again["events"]] == ["heard"]


async def test_numbers_of_an_earlier_server_are_lost_ones() -> None:
    wall = Clock()
    old = EventFeed(wall=wall)
    place = (await old.wait(0, 0))["next"]
    wall.now += 1
    new = EventFeed(wall=wall)
    assert (await new.wait(place, 0.01))["lost"]
    assert (await new.wait(place + 10_000_000, 0.01))["lost"]
