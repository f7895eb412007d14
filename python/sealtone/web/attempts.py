"""How often something may be tried from one address: a bucket of tokens each, bounded in number."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address


class Attempts:
    """`burst` at once, and one more each `each_s` seconds. Not for several threads."""

    def __init__(self, burst: int, each_s: float, most_addresses: int = 10_000) -> None:
        self._burst, self._each_s, self._most = burst, each_s, most_addresses
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """Takes a token, and 0; or how many seconds until there is one. `now`: any clock that does not go back."""
        key = _neighbourhood(address)
        left, at = self._left.pop(key, (float(self._burst), now))
        left = min(self._burst, left + max(0.0, now - at) / self._each_s)
        wait = 0.0 if left >= 1 else (1 - left) * self._each_s
        self._left[key] = (left - 1 if left >= 1 else left, now)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
        return wait


def _neighbourhood(address: str) -> str:
    """An IPv6 network of 64 bits is one customer's: whoever has it has all its addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(int(parsed) >> 64)
    return address
