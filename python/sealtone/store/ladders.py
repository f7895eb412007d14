"""The SIP messages of calls: one compressed row a call, deleted with the call's record."""

from __future__ import annotations

import json
import zlib

import sqlalchemy
from sqlalchemy import select

from sealtone.model.ladder import Ladder, LadderMessage
from sealtone.store.tables import call_ladder

_LONGEST = 4 * 1024 * 1024
"""Octets that a row may come to when it is unpacked; one holds 200 messages of 64 KiB in all."""


def write_ladder(connection: sqlalchemy.Connection, call_id: str, ladder: Ladder) -> None:
    """Writes the messages of a call; those that are there already are left as they are."""
    packed = zlib.compress(json.dumps({"messages": ladder.messages, "left_out": ladder.left_out}).encode(), 1)
    known = connection.execute(select(call_ladder.c.call_id).where(call_ladder.c.call_id == call_id)).first()
    if known is None:
        connection.execute(call_ladder.insert().values(call_id=call_id, messages=packed))


def read_ladder(connection: sqlalchemy.Connection, call_id: str) -> Ladder | None:
    """The messages of a call, where they were kept."""
    packed = connection.execute(select(call_ladder.c.messages).where(call_ladder.c.call_id == call_id)).scalar()
    if packed is None:
        return None
    content = json.loads(zlib.decompressobj().decompress(packed, _LONGEST))
    return Ladder(tuple(LadderMessage(*message) for message in content["messages"]), content["left_out"])
