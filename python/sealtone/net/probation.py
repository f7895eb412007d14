"""Accepted connections that nobody has authenticated over, those still in their hand-shake included, oldest first.

Who opens many and leaves them idle shall keep nobody else out, not even behind the same address. So a newcomer is not
turned away where there are too many: the one that has waited longest makes room. A phone authenticates within a few
round trips; a connection that does not is soon the oldest.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtone.net.stream import StreamConnection


class Probation:
    """See the module. Sources are keys as connections have them (`StreamConnection.source`)."""

    def __init__(self) -> None:
        self._all: OrderedDict[StreamConnection, None] = OrderedDict()
        self._by_source: defaultdict[str, OrderedDict[StreamConnection, None]] = defaultdict(OrderedDict)

    def __iter__(self) -> Iterator[StreamConnection]:
        return iter(list(self._all))

    def add(self, connection: StreamConnection) -> None:
        """A connection has been accepted."""
        self._all[connection] = None
        self._by_source[connection.source][connection] = None

    def discard(self, connection: StreamConnection) -> bool:
        """Whether it was on probation until now."""
        if connection not in self._all:
            return False
        del self._all[connection]
        of_source = self._by_source[connection.source]
        del of_source[connection]
        if not of_source:
            del self._by_source[connection.source]
        return True

    def count(self, source: str) -> int:
        """How many there are of a source."""
        return len(self._by_source[source]) if source in self._by_source else 0

    def end_oldest(self, source: str | None = None) -> bool:
        """End the oldest, of one source or of all; False where there is none."""
        among = self._all if source is None else self._by_source.get(source, self._all)
        oldest = next(iter(among), None)
        if oldest is None:
            return False
        self.discard(oldest)
        oldest.abort()
        return True
