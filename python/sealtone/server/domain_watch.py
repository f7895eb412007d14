"""The daily look at DNS: claims that may be proven by now, and records of parked domains that may have gone."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from functools import partial

from sealtone.admin import NotFound, Standing, domain_checks
from sealtone.net.dns_lookup import DnsLookup
from sealtone.store import Store, StoreError, Transaction
from sealtone.store.domains import Finding
from sealtone.store.errors import StoreClosed

DAY_S = 86_400.0
_LOOK_S = 600.0
_DOMAINS_A_LOOK = 50
_PAUSE_S = 0.2


async def watch_domains(store: Store, say: Callable[[str], None]) -> None:
    """Runs for ever. Few domains at a look and one at a time, so that neither DNS nor the database is crowded."""
    while True:
        # Not all servers of the world at the same second after a common restart.
        await asyncio.sleep(_LOOK_S * (0.5 + random.random()))  # noqa: S311 - spreads load, keeps no secret
        try:
            await check_due(store)
        except StoreClosed:
            return
        except StoreError as error:
            say(f"error the DNS records of domains were not checked, next try in {_LOOK_S:g} s: {error}")


async def check_due(store: Store, now_wall: Callable[[], float] = time.time) -> int:
    """Checks what was not for a day; gives how many. Raises `StoreError`."""
    due = await store.read(lambda transaction: domain_checks.due_for_check(transaction, now_wall(), DAY_S))
    lookup = DnsLookup(await store.read(domain_checks.dns_resolvers))
    for standing in due[:_DOMAINS_A_LOOK]:
        findings = await domain_checks.look_up(lookup, standing)
        with contextlib.suppress(NotFound):  # deleted meanwhile
            await store.submit(partial(_save, now_wall=now_wall(), standing=standing, findings=findings))
        await asyncio.sleep(_PAUSE_S)
    return len(due[:_DOMAINS_A_LOOK])


def _save(transaction: Transaction, now_wall: float, standing: Standing, findings: tuple[Finding, ...]) -> None:
    domain_checks.record_check(transaction, domain_checks.DAILY_CHECK, now_wall, standing, findings)
