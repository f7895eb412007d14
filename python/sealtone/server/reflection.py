"""What an address that has proved nothing gets back over UDP: never more than half as much again as it sent.

A datagram's source can be forged, so every answer may hit somebody who asked for nothing. Rules:

1. Each address has a credit, none at first. What comes from it adds 1.5 times its size, each response takes its size
   from it, and a response that is not covered is not sent. The first messages of real phones cover their challenge. One
   that is unusually short is answered half a second later: SIP repeats a request over UDP, and the repetition brings
   the credit that was missing.
2. Who has authenticated has received our nonce there, so that address and port are theirs: they are limited no more.
   Another port of the same address has proved nothing.
3. Requests of our own are not limited: they go to phones that registered.

Everything is held in bounded tables, longest unused out first.
"""

from collections import OrderedDict
from typing import Final

FACTOR: Final = 1.5
MOST_CREDIT: Final = 4096.0
"""So that nobody saves up for one large burst."""

Address = tuple[str, int]


class ReflectionLimit:
    """Counts octets by source address, of all its ports together: a response may go to another port of it."""

    def __init__(self, limit: int = 65_536) -> None:
        self._limit = limit
        self._credit: OrderedDict[str, float] = OrderedDict()
        self._proved: OrderedDict[Address, None] = OrderedDict()
        self.withheld = 0
        """Responses not sent."""

    def received(self, source: Address, size: int) -> None:
        """A datagram of `size` octets came from `source`."""
        if source in self._proved:
            return
        credit, host = self._credit, source[0]
        credit[host] = min(credit.get(host, 0.0) + FACTOR * size, MOST_CREDIT)
        credit.move_to_end(host)
        if len(credit) > self._limit:
            credit.popitem(last=False)

    def proved(self, target: Address) -> None:
        """Somebody answered the challenge that went to `target`."""
        if target not in self._proved:
            self._credit.pop(target[0], None)  # that was the phone's, and is not for others there
        self._proved[target] = None
        self._proved.move_to_end(target)
        if len(self._proved) > self._limit:
            self._proved.popitem(last=False)

    def covers(self, target: Address, size: int) -> bool:
        """Whether a response of `size` octets may be sent to `target`; if so it is counted."""
        if target in self._proved:
            return True
        left = self._credit.get(target[0], 0.0) - size
        if left < 0:
            self.withheld += 1
            return False
        self._credit[target[0]] = left
        return True
