"""What DNS says of a name now, record by record, as text: for people who look at their records.

Nothing is remembered between questions, each has a time limit, few run at once, and answers are cut to a bounded
number of values, so that a hostile zone can neither hold the server up nor fill its memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

_TIME_S = 4.0
_AT_ONCE = 8
_MOST_VALUES = 20
_LONGEST_VALUE = 512
_NO_SUCH = (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN)


class DnsLookup:
    """Asks for single records. `nameservers` (address, port) replace the system's."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = ()) -> None:
        self._nameservers = tuple(nameservers)
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def values(self, kind: str, name: str) -> tuple[str, ...] | None:
        """The values in the form of a zone file, names in lower case without the last dot; TXT without quotes.

        Empty where there is no such record; None where DNS gave no answer in time, or an error.
        """
        async with self._at_once:
            try:
                answer = await self._resolver().resolve(name, kind, raise_on_no_answer=False, search=False)
            except _NO_SUCH:
                return ()
            except (dns.exception.DNSException, OSError, UnicodeError, ValueError):
                return None
        values = [_text(kind, record) for record in answer] if answer.rrset is not None else []
        return tuple(sorted(values)[:_MOST_VALUES])

    async def all_values(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, ...] | None]:
        """The same of many (kind, name), at once as far as permitted."""
        questions = list(dict.fromkeys(wanted))
        answers = await asyncio.gather(*(self.values(*question) for question in questions))
        return dict(zip(questions, answers, strict=True))

    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = [host for host, _ in self._nameservers]
            resolver.nameserver_ports = dict(self._nameservers)
        resolver.lifetime = _TIME_S
        return resolver


def _text(kind: str, record: Any) -> str:
    if kind == "TXT":
        text = b"".join(record.strings).decode("utf-8", "replace")
    elif kind == "SRV":
        text = f"{record.priority} {record.weight} {record.port} {_name(record.target)}"
    elif kind == "NAPTR":
        flags, service, regexp = (
            value.decode("ascii", "replace") for value in (record.flags, record.service, record.regexp)
        )
        fields = f'"{flags.lower()}" "{service.upper()}" "{regexp}"'
        text = f"{record.order} {record.preference} {fields} {_name(record.replacement)}"
    elif kind == "CNAME":
        text = _name(record.target)
    else:
        text = record.to_text()
    return text[:_LONGEST_VALUE]


def _name(name: Any) -> str:
    text: str = name.to_text(omit_final_dot=True)
    return text.lower()
