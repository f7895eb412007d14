"""What an address that has proved nothing gets back over UDP: hardly more than it sent.

A datagram's source can be forged, so every answer may hit somebody who asked for nothing. Rules:

1. Each source has a credit. What comes from it adds 1.4 times its size, each response takes its size from it, and a
   response that is not covered is not sent. SIP repeats a request over UDP, and the repetition brings the credit that
   was missing: a phone with unusually short messages is answered half a second later, not never.
2. A source starts with a little, so that short first requests are answered at once.
3. Who has authenticated has received our nonce there, so the address is theirs: it is not limited any more.
4. Requests of our own are not limited: they go to phones that registered.

Everything is held in bounded tables, longest unused out first.
"""

from collections import OrderedDict

FACTOR = 1.4
FIRST_CREDIT = 256.0
MOST_CREDIT = 4096.0
"""So that nobody saves up for one large burst."""


class ReflectionLimit:
    """Counts octets by source address."""

    def __init__(self, limit: int = 65_536) -> None:
        self._limit = limit
        self._credit: OrderedDict[str, float] = OrderedDict()
        self._proved: OrderedDict[str, None] = OrderedDict()
        self.withheld = 0
        """Responses not sent."""

    def received(self, address: str, size: int) -> None:
        """A datagram of `size` octets came from `address`."""
        if address in self._proved:
            return
        credit = self._credit
        credit[address] = min(credit.get(address, FIRST_CREDIT) + FACTOR * size, MOST_CREDIT)
        credit.move_to_end(address)
        if len(credit) > self._limit:
            credit.popitem(last=False)

    def proved(self, address: str) -> None:
        """Somebody at `address` answered our challenge."""
        self._credit.pop(address, None)
        self._proved[address] = None
        self._proved.move_to_end(address)
        if len(self._proved) > self._limit:
            self._proved.popitem(last=False)

    def covers(self, address: str, size: int) -> bool:
        """Whether a response of `size` octets may be sent to `address`; if so it is counted."""
        if address in self._proved:
            return True
        left = self._credit.get(address, FIRST_CREDIT) - size
        if left < 0:
            self.withheld += 1
            return False
        self._credit[address] = left
        return True
