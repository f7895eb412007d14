"""How many wrong passwords are looked at before an address, or an account under attack, has to wait.

Rules:
1. Only failures cost; a right password is free and clears what its address owed on that account.
2. An address has one budget over all accounts (a scanner), and each pair of address and account has one (a guesser).
3. An account attacked from many addresses has a budget too. It binds only addresses that already failed on that
   account, so that its owner gets in from a clean address while the attack lasts.
4. A pair that succeeded lately answers to its own budget alone: one misconfigured phone in an office must not lock out
   the others behind the same address.

Everything is held in bounded tables, oldest out first. `now` is monotonic seconds.
"""

from collections import OrderedDict
from typing import NamedTuple


class Budget(NamedTuple):
    """A token bucket: `burst` failures at once, then one more every `refill_s` seconds."""

    burst: float
    refill_s: float


ADDRESS = Budget(burst=20, refill_s=300.0)
PAIR = Budget(burst=8, refill_s=60.0)
ACCOUNT = Budget(burst=40, refill_s=5.0)
CLEAN_PAIR_FAILURES = 2.0


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

    def spend(self, key: str, now: float) -> None:
        self._spent[key] = (self.spent(key, now) + 1, now)
        self._spent.move_to_end(key)
        if len(self._spent) > self._limit:
            self._spent.popitem(last=False)

    def clear(self, key: str) -> None:
        self._spent.pop(key, None)


class Throttle:
    """Decides whether a password may be verified now (SCORECARD: brute force)."""

    def __init__(self, limit: int = 100_000) -> None:
        self._addresses = _Buckets(ADDRESS, limit)
        self._pairs = _Buckets(PAIR, limit)
        self._accounts = _Buckets(ACCOUNT, limit)
        self._good: OrderedDict[str, float] = OrderedDict()
        self._limit = limit
        self.refused = 0

    def wait_s(self, address: str, aor: str, now: float) -> float:
        """Seconds this address has to wait before a password for `aor` is looked at; 0: go on."""
        pair = f"{address} {aor}"
        wait = self._pairs.wait_s(pair, now)
        if pair not in self._good:
            wait = max(wait, self._addresses.wait_s(address, now))
            if self._pairs.spent(pair, now) > CLEAN_PAIR_FAILURES:
                wait = max(wait, self._accounts.wait_s(aor, now))
        if wait > 0:
            self.refused += 1
        return wait

    def failed(self, address: str, aor: str, now: float) -> None:
        self._addresses.spend(address, now)
        self._pairs.spend(f"{address} {aor}", now)
        self._accounts.spend(aor, now)

    def succeeded(self, address: str, aor: str, now: float) -> None:
        pair = f"{address} {aor}"
        self._pairs.clear(pair)
        self._good[pair] = now
        self._good.move_to_end(pair)
        if len(self._good) > self._limit:
            self._good.popitem(last=False)
