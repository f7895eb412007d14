"""How often somebody may try: passwords and codes by their failures, e-mails and sign-ups by their number.

All of it is held in bounded tables, oldest out first. `now` is monotonic seconds.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from typing import NamedTuple

from starlette.exceptions import HTTPException

_MOST_KEYS = 50_000


class Rate(NamedTuple):
    """A token bucket: `burst` at once, then one more every `refill_s` seconds."""

    burst: float
    refill_s: float


ADDRESS = Rate(burst=30, refill_s=60.0)
PAIR = Rate(burst=8, refill_s=60.0)
NAME = Rate(burst=60, refill_s=10.0)


class Buckets:
    """What was spent, by key; a key that owes nothing is not kept."""

    def __init__(self, rate: Rate, most: int = _MOST_KEYS) -> None:
        self._rate = rate
        self._most = most
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until one more is allowed; 0 where it is now."""
        return max(0.0, (self._owed(key, now) + 1 - self._rate.burst) * self._rate.refill_s)

    def spend(self, key: str, now: float) -> None:
        """One more; nobody ever owes more than a burst."""
        self._spent[key] = (min(self._owed(key, now) + 1, self._rate.burst), now)
        self._spent.move_to_end(key)
        if len(self._spent) > self._most:
            self._spent.popitem(last=False)

    def clear(self, key: str) -> None:
        """It owes nothing any more."""
        self._spent.pop(key, None)

    def _owed(self, key: str, now: float) -> float:
        spent, since = self._spent.get(key, (0.0, now))
        return max(0.0, spent - (now - since) / self._rate.refill_s)


class Attempts:
    """Guesses at a secret of somebody (`name`) from an address.

    Only failures cost. An address has one budget over all names, each pair has one, and a name has one over all
    addresses: but not for a pair that was right before, so that an attack from everywhere does not lock out its victim
    at home.
    """

    def __init__(self, most: int = _MOST_KEYS) -> None:
        self._addresses = Buckets(ADDRESS, most)
        self._pairs = Buckets(PAIR, most)
        self._names = Buckets(NAME, most)
        self._good: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def wait_s(self, address: str, name: str, now: float) -> float:
        """Seconds until the next guess is looked at."""
        network = network_of(address)
        pair = f"{network} {name}"
        wait = max(self._addresses.wait_s(network, now), self._pairs.wait_s(pair, now))
        return wait if pair in self._good else max(wait, self._names.wait_s(name, now))

    def failed(self, address: str, name: str, now: float) -> None:
        """The guess was wrong."""
        network = network_of(address)
        pair = f"{network} {name}"
        self._addresses.spend(network, now)
        self._pairs.spend(pair, now)
        if pair not in self._good:
            self._names.spend(name, now)

    def succeeded(self, address: str, name: str, now: float) -> None:
        """It was right."""
        pair = f"{network_of(address)} {name}"
        self._pairs.clear(pair)
        self._good[pair] = None
        self._good.move_to_end(pair)
        if len(self._good) > self._most:
            self._good.popitem(last=False)


def network_of(address: str) -> str:
    """The address, or the /64 of an IPv6 one, as every host of a network may take any address in it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def too_many(wait_s: float) -> HTTPException:
    """The answer to somebody who has to wait."""
    return HTTPException(429, headers={"Retry-After": str(math.ceil(wait_s))})
