"""Which messages are kept of which call, and that nobody can make that grow."""

from __future__ import annotations

from typing import Any

from sealtone.model.ladder import KeepLadders
from sealtone.server import ladders
from sealtone.server.ladders import LINGER_S, CallIds, Ladders, Noted
from sealtone.sip.flow import Flow
from store.records import call

FLOW = Flow(1, "udp", ("127.0.0.1", 5060), ("127.0.0.1", 40000))


def message(call_id: str, first: str = "SIP/2.0 180 Ringing", header: str = "Call-ID", size: int = 0) -> bytes:
    return f"{first}\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n{header}: {call_id}\r\n\r\n{'x' * size}".encode()


def invite(call_id: str, **more: Any) -> bytes:
    return message(call_id, "INVITE sip:1001@office.example SIP/2.0", **more)


class World:
    """Captures as a node has them; `calls` are up by their first leg's Call-ID."""

    def __init__(self, keeps: KeepLadders = KeepLadders.ALL) -> None:
        self.calls: dict[str, CallIds] = {}
        self.written: dict[str, tuple[list[Noted], int]] = {}
        self.ladders = Ladders(lambda _: keeps, self.calls.get, self._write)

    def _write(self, call_id: str, messages: list[Noted], left_out: int) -> None:
        self.written[call_id] = (messages, left_out)

    def note(self, data: bytes, incoming: bool = True, now: float = 1.0) -> None:
        self.ladders.note(data, FLOW, now, incoming)

    def begin(self, call_id: str, name: str, now: float = 1.0) -> None:
        self.calls[call_id] = CallIds(name, call_id, 1)
        self.ladders.started(self.calls[call_id], now)

    def end(self, name: str, now: float = 2.0, answered: bool = True) -> None:
        self.ladders.ended(call(1, answered=answered)._replace(id=name), now)


def test_a_call_has_the_messages_of_both_its_legs_up_to_the_last_answer() -> None:
    world = World()
    world.note(invite("a"))
    world.begin("a", "one")
    world.calls["b"] = world.calls["a"]
    world.note(invite("b"), incoming=False)
    world.note(message("b"))
    world.note(message("a", header="i"), incoming=False)
    world.note(message("somebody else's"))
    world.end("one")
    world.note(message("b", "SIP/2.0 200 OK"), now=2.5)
    world.ladders.flush(2.0 + LINGER_S - 0.1)
    assert world.written == {}
    world.ladders.flush(2.0 + LINGER_S)
    messages, left_out = world.written["one"]
    assert [data.split(b" ")[0] for _, _, data, _ in messages] == [b"INVITE", b"INVITE", *[b"SIP/2.0"] * 3]
    assert left_out == 0
    world.note(message("b"), now=9.0)
    assert not world.ladders.is_waiting


def test_of_one_call_only_so_much_is_kept() -> None:
    world = World()
    world.note(invite("a"))
    world.begin("a", "one")
    for _ in range(ladders.MAX_MESSAGES + 9):
        world.note(message("a"))
    world.end("one")
    world.ladders.flush(99.0)
    assert (len(world.written["one"][0]), world.written["one"][1]) == (ladders.MAX_MESSAGES, 10)
    world.note(invite("b", size=ladders.MAX_OCTETS))
    world.begin("b", "two")
    world.end("two")
    world.ladders.flush(99.0)
    assert world.written["two"] == ([], 1)


def test_invites_that_never_become_calls_push_out_only_each_other() -> None:
    world = World()
    world.note(invite("a"))
    world.begin("a", "one")
    for number in range(10 * ladders.MAX_PENDING):
        world.note(invite(f"flood-{number}", size=1000))
    assert len(world.ladders._open) == ladders.MAX_PENDING + 1
    assert world.ladders._octets < (ladders.MAX_PENDING + 1) * 1200
    world.end("one")
    world.ladders.flush(99.0)
    assert len(world.written["one"][0]) == 1


def test_many_calls_at_once_are_not_all_kept_and_later_ones_are_again() -> None:
    world = World()
    for number in range(int(ladders.BURST) + 50):
        world.note(invite(f"c{number}"))
        world.begin(f"c{number}", f"call {number}")
        world.end(f"call {number}")
    world.ladders.flush(99.0)
    assert len(world.written) == int(ladders.BURST)
    assert world.ladders.not_kept == 50
    world.note(invite("later"), now=60.0)
    world.begin("later", "later", 60.0)
    world.end("later", 61.0)
    world.ladders.flush(99.0)
    assert "later" in world.written
    assert world.ladders._open == {}
    assert world.ladders._octets == 0


def test_what_the_account_does_not_want_is_not_kept() -> None:
    for keeps, answered, kept in (
        (KeepLadders.NONE, False, False),
        (KeepLadders.FAILED, True, False),
        (KeepLadders.FAILED, False, True),
        (KeepLadders.ALL, True, True),
    ):
        world = World(keeps)
        world.note(invite("a"))
        world.begin("a", "one")
        world.end("one", answered=answered)
        world.ladders.flush(99.0)
        assert ("one" in world.written) is kept
        assert world.ladders._octets == 0
