"""How many wrong passwords are looked at before an address, or an account under attack, has to wait.

Rules:
1. Only failures cost; a right password is free and clears what its address owed on that account.
2. An address has one budget over all accounts (a scanner), and each pair of address and account has one (a guesser).
   An IPv6 address counts as its /64, as every host of a network may take any address in it.
3. An account has a budget too, for who attacks it from many addresses. Where that is used up, a pair that has not
   failed for a while may still draw on a reserve: each address of an attack draws once and is out, so that the owner
   gets in from a clean address while the attack lasts, and even from very many addresses no more than the reserve's
   refill is looked at.
4. A pair that succeeded lately answers to its own budget alone, and does not charge its address: one misconfigured
   phone in an office must not lock out the others behind the same address.
5. Nobody owes more than a burst, however often it failed.

Everything is held in bounded tables, oldest out first. `now` is monotonic seconds.
"""

import ipaddress
from collections import OrderedDict
from functools import lru_cache
from typing import Final, NamedTuple


class Budget(NamedTuple):
    """A token bucket: `burst` failures at once, then one more every `refill_s` seconds."""

    burst: float
    refill_s: float


ADDRESS: Final = Budget(burst=20, refill_s=300.0)
PAIR: Final = Budget(burst=8, refill_s=60.0)
ACCOUNT: Final = Budget(burst=40, refill_s=5.0)
RESERVE: Final = Budget(burst=120, refill_s=1.0)
CLEAN_AFTER_S: Final = 600.0


class _Buckets:
    """Spent tokens by key; a key that owes nothing is not stored."""

    def __init__(self, budget: Budget, limit: int) -> None:
        self._budget = budget
        self._limit = limit
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spent(self, key: str, now: float) -> float:
        entry = self._spent.get(key)
        if entry is None:
            return 0.0
        spent, since = entry
        return max(0.0, spent - (now - since) / self._budget.refill_s)

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until one more failure is affordable; 0 where it is now."""
        over = self.spent(key, now) + 1 - self._budget.burst
        return max(0.0, over * self._budget.refill_s)

    def idle_s(self, key: str, now: float) -> float:
        """Seconds since `key` spent last."""
        entry = self._spent.get(key)
        return float("inf") if entry is None else now - entry[1]

    def spend(self, key: str, now: float) -> None:
        self._spent[key] = (min(self.spent(key, now) + 1, self._budget.burst), now)
        self._spent.move_to_end(key)
        if len(self._spent) > self._limit:
            self._spent.popitem(last=False)

    def clear(self, key: str) -> None:
        self._spent.pop(key, None)


class Throttle:
    """Decides whether a password may be verified now (brute force)."""

    def __init__(self, limit: int = 100_000) -> None:
        self._addresses = _Buckets(ADDRESS, limit)
        self._pairs = _Buckets(PAIR, limit)
        self._accounts = _Buckets(ACCOUNT, limit)
        self._reserves = _Buckets(RESERVE, limit)
        self._good: OrderedDict[str, float] = OrderedDict()
        self._limit = limit
        self.refused = 0

    def wait_s(self, address: str, aor: str, now: float) -> float:
        """Seconds this address has to wait before a password for `aor` is looked at; 0: go on."""
        source = network_of(address)
        pair = f"{source} {aor}"
        wait = self._pairs.wait_s(pair, now)
        if pair not in self._good:
            wait = max(wait, self._addresses.wait_s(source, now))
            account = self._accounts.wait_s(aor, now)
            if account > 0 and self._is_clean(pair, now):
                account = min(account, self._reserves.wait_s(aor, now))
            wait = max(wait, account)
        if wait > 0:
            self.refused += 1
        return wait

    def failed(self, address: str, aor: str, now: float) -> None:
        """A password for `aor` was looked at and is wrong."""
        source = network_of(address)
        pair = f"{source} {aor}"
        if pair not in self._good:
            self._addresses.spend(source, now)
        if self._accounts.wait_s(aor, now) > 0 and self._is_clean(pair, now):
            self._reserves.spend(aor, now)
        else:
            self._accounts.spend(aor, now)
        self._pairs.spend(pair, now)

    def succeeded(self, address: str, aor: str, now: float) -> None:
        """A password for `aor` was right, in a request that nobody can have captured and sent again."""
        pair = f"{network_of(address)} {aor}"
        self._pairs.clear(pair)
        self._good[pair] = now
        self._good.move_to_end(pair)
        if len(self._good) > self._limit:
            self._good.popitem(last=False)

    def _is_clean(self, pair: str, now: float) -> bool:
        return self._pairs.idle_s(pair, now) > CLEAN_AFTER_S


def network_of(address: str) -> str:
    """What is held responsible for an address: IPv4 the address itself, IPv6 its /64."""
    return _network_of(address) if ":" in address else address


@lru_cache(maxsize=4096)
def _network_of(address: str) -> str:
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64)) + "/64"
