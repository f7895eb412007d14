"""The states of a session, and what each message means in each of them, as a table.

::

    IDLE ─start─► DISCOVERY ─HelloACK─► ACKED ─────Hello────┐
                      └──────Hello────► HEARD ──HelloACK──► READY ──our Commit──► COMMITTED
                                          │                   │                   │   │
                                          └──────Commit───────┴──────Commit───────┘   │ DHPart1
                                                     ▼                                ▼
                                               DHPART1_SENT                     DHPART2_SENT
                                                     │ DHPart2                        │ Confirm1
                                                     ▼                                ▼
                                               CONFIRM1_SENT ───┐         ┌──── CONFIRM2_SENT
                                                        Confirm2 │         │ Conf2ACK or authentic media
                                                                 ▼         ▼
                                                                   SECURE

In Preshared and Multistream modes the DHPart states are left out. Every state before SECURE can end in FAILED, from
which a new Hello leads back to DISCOVERY. What is not in the table is counted and ignored.
"""

from __future__ import annotations

from enum import IntEnum, auto

from sealtone.zrtp.message import Kind


class State(IntEnum):
    """Where a session stands."""

    IDLE = auto()
    """Not started."""
    DISCOVERY = auto()
    """Our Hello goes out; nothing has come back."""
    ACKED = auto()
    """The peer has our Hello; we do not have its."""
    HEARD = auto()
    """We have the peer's Hello; it has not acknowledged ours."""
    READY = auto()
    """Both know each other; a Commit is awaited."""
    COMMITTED = auto()
    """We sent Commit."""
    DHPART1_SENT = auto()
    """We answered a Commit."""
    DHPART2_SENT = auto()
    """We have the keys; Confirm1 is awaited."""
    CONFIRM1_SENT = auto()
    """We have the keys; Confirm2 is awaited."""
    CONFIRM2_SENT = auto()
    """The peer has proven its keys; Conf2ACK is awaited."""
    SECURE = auto()
    """Done."""
    FAILED = auto()
    """Given up, until a new Hello comes."""
    CLOSED = auto()
    """Ended by the owner; keys wiped."""


class Action(IntEnum):
    """What a session does with a message."""

    MEET = auto()
    """Accept a first Hello."""
    GREET_AGAIN = auto()
    """Acknowledge a repeated Hello; before an exchange, accept a new one in its place."""
    GREET_REPEATED = auto()
    """Acknowledge a repeated Hello; ignore a new one."""
    ACKNOWLEDGED = auto()
    """Stop sending Hello."""
    RESPOND = auto()
    """Answer a Commit."""
    CONTEND = auto()
    """Settle who is the initiator."""
    TAKE_DHPART1 = auto()
    TAKE_DHPART2 = auto()
    TAKE_CONFIRM1 = auto()
    TAKE_CONFIRM2 = auto()
    CONFIRMED = auto()
    """Conf2ACK."""
    REPEAT = auto()
    """Send the last answer again, if this is the very message that it answered."""
    BEGIN_ANEW = auto()
    """A Hello after a failure."""
    TAKE_ERROR = auto()
    ERROR_ACKNOWLEDGED = auto()
    REFUSE_CLEAR = auto()
    TAKE_RELAY = auto()
    RELAY_ACKNOWLEDGED = auto()
    ANSWER_PING = auto()


_ALWAYS = {Kind.PING: Action.ANSWER_PING, Kind.ERROR: Action.TAKE_ERROR}

TABLE: dict[State, dict[Kind, Action]] = {
    State.IDLE: {},
    State.DISCOVERY: _ALWAYS | {Kind.HELLO: Action.MEET, Kind.HELLO_ACK: Action.ACKNOWLEDGED},
    State.ACKED: _ALWAYS | {Kind.HELLO: Action.MEET},
    State.HEARD: _ALWAYS
    | {Kind.HELLO: Action.GREET_AGAIN, Kind.HELLO_ACK: Action.ACKNOWLEDGED, Kind.COMMIT: Action.RESPOND},
    State.READY: _ALWAYS | {Kind.HELLO: Action.GREET_AGAIN, Kind.COMMIT: Action.RESPOND},
    State.COMMITTED: _ALWAYS
    | {
        Kind.HELLO: Action.GREET_REPEATED,
        Kind.COMMIT: Action.CONTEND,
        Kind.DHPART1: Action.TAKE_DHPART1,
        Kind.CONFIRM1: Action.TAKE_CONFIRM1,
    },
    State.DHPART1_SENT: _ALWAYS
    | {Kind.HELLO: Action.GREET_REPEATED, Kind.COMMIT: Action.REPEAT, Kind.DHPART2: Action.TAKE_DHPART2},
    State.DHPART2_SENT: _ALWAYS | {Kind.CONFIRM1: Action.TAKE_CONFIRM1},
    State.CONFIRM1_SENT: _ALWAYS
    | {Kind.COMMIT: Action.REPEAT, Kind.DHPART2: Action.REPEAT, Kind.CONFIRM2: Action.TAKE_CONFIRM2},
    State.CONFIRM2_SENT: _ALWAYS | {Kind.CONF2_ACK: Action.CONFIRMED},
    State.SECURE: _ALWAYS
    | {
        Kind.HELLO: Action.GREET_REPEATED,
        Kind.CONFIRM2: Action.REPEAT,
        Kind.GO_CLEAR: Action.REFUSE_CLEAR,
        Kind.SAS_RELAY: Action.TAKE_RELAY,
        Kind.RELAY_ACK: Action.RELAY_ACKNOWLEDGED,
    },
    State.FAILED: _ALWAYS | {Kind.HELLO: Action.BEGIN_ANEW, Kind.ERROR_ACK: Action.ERROR_ACKNOWLEDGED},
    State.CLOSED: {},
}

EXCHANGING = frozenset(
    {State.COMMITTED, State.DHPART1_SENT, State.DHPART2_SENT, State.CONFIRM1_SENT, State.CONFIRM2_SENT}
)
"""States in which a key agreement is under way."""
