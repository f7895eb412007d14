"""Figures of the running server: an account's overview, and what is counted for whoever watches over the machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sealtone.b2bua.record import state_of
from sealtone.media import Engine
from sealtone.model import Domain
from sealtone.model.record import CallRecord
from sealtone.net.control import Action
from sealtone.net.relay import HttpRelay
from sealtone.net.transport import Transports
from sealtone.pki import CertificateError, CertificateStore
from sealtone.server.node import Node
from sealtone.server.panel_process import PanelProcess
from sealtone.store import Store

_LAG_EVERY_S = 0.5
_COUNTED_FOR_S = 2.0
_CERTIFICATES_EVERY_S = 300.0
_MOST_DOMAINS = 1000
_CODEC_PROGRAM = "sealtone-codec"  # the kernel keeps 15 characters

LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LOSS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
JITTER_MS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0)
MOS = (1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.4)
DURATION_S = (1.0, 5.0, 15.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0)


class Histogram:
    """How many observations fell into which bucket. `bounds`: upper ends, included, rising."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Counts one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def shown(self) -> dict[str, Any]:
        """For JSON: upper ends, counts (one more, for what is above all of them), and the sum."""
        return {"bounds": list(self.bounds), "counts": list(self.counts), "sum": self.total}


class Figures:
    """Counts for the life of the process. `watch` runs beside the server."""

    def __init__(
        self,
        *,
        node: Node,
        transports: Transports,
        engine: Engine,
        store: Store,
        certificates: CertificateStore,
        panel: PanelProcess,
        relay: HttpRelay,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._node = node
        self._transports = transports
        self._engine = engine
        self._store = store
        self._certificates = certificates
        self._panel = panel
        self._relay = relay
        self._began = time.monotonic()
        self._clock = clock
        self._lag = Histogram(LAG_S)
        self._loss, self._jitter = Histogram(LOSS), Histogram(JITTER_MS)
        self._mos, self._duration = Histogram(MOS), Histogram(DURATION_S)
        self._ended: Counter[tuple[str, str]] = Counter()
        self._packets: Counter[str] = Counter()
        self._online: tuple[float, Counter[int]] = (0.0, Counter())
        self._expiries: dict[str, float] = {}

    def actions(self) -> dict[str, Action]:
        """What may be asked through the control socket."""
        return {"overview": self.overview, "metrics": self.metrics}

    def ended(self, record: CallRecord) -> None:
        """A call came to its end."""
        self._ended[(record.state.value, "answered" if record.answered_at is not None else "failed")] += 1
        if record.answered_at is not None:
            self._duration.observe(record.duration_s)
        for leg in record.legs:
            self._packets["received"] += leg.packets_rx
            self._packets["sent"] += leg.packets_tx
            if leg.packets_rx:
                lost = max(leg.lost, 0)
                self._loss.observe(lost / (leg.packets_rx + lost))
            if leg.jitter_ms is not None:
                self._jitter.observe(leg.jitter_ms)
            if leg.mos_rx is not None:
                self._mos.observe(leg.mos_rx)

    async def watch(self) -> None:
        """Measures how late the event loop is, for ever, and looks at the certificates now and then."""
        loop = asyncio.get_running_loop()
        look_at = 0.0
        while True:
            if loop.time() >= look_at:
                self._expiries = await asyncio.to_thread(self._read_expiries, tuple(self._node.snapshot.domains()))
                look_at = loop.time() + _CERTIFICATES_EVERY_S
            due = loop.time() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self._lag.observe(max(0.0, loop.time() - due))

    def overview(self, account_id: int | None = None) -> dict[str, Any]:
        """What is going on in an account now (None: in all of them); the certificate that ends first."""
        calls = [
            call
            for call in list(self._node.exchange.calls.values())
            if account_id is None or call.a.user.account_id == account_id
        ]
        online = self._phones_online()
        domains = [domain.name for domain in self._node.snapshot.domains() if account_id in (None, domain.account_id)]
        ends = sorted((self._expiries[domain], domain) for domain in domains if domain in self._expiries)
        return {
            "calls": len(calls),
            "encrypted": sum(1 for call in calls if state_of(call).value != "open"),
            "phones_online": online.total() if account_id is None else online[account_id],
            "certificate": {"domain": ends[0][1], "expires_at": ends[0][0]} if ends else None,
            "uptime_s": round(time.monotonic() - self._began, 1),
        }

    def metrics(self) -> dict[str, Any]:
        """Everything that is counted, for `web.metrics`."""
        node, media, net = self._node, self._engine.stats(), self._transports.counters
        sip = node.endpoint.counters
        live = Counter(state_of(call).value for call in list(node.exchange.calls.values()))
        return {
            "started_at": self._clock() - (time.monotonic() - self._began),
            "calls_live": dict(live),
            "calls_ended": [[state, outcome, count] for (state, outcome), count in sorted(self._ended.items())],
            "registrations": len(node.registrar),
            "phones_online": self._phones_online().total(),
            "sip_users": sum(1 for _ in node.snapshot.users()),
            "connections": self._transports.connections(),
            "transactions": node.endpoint.transaction_count,
            "sip": {name: getattr(sip, name) for name in type(sip).__slots__},
            "net": asdict(net),
            "responses_withheld": node.reflection.withheld,
            "passwords": {
                "verified": node.authenticator.verified,
                "wrong": node.authenticator.failed,
                "throttled": node.throttle.refused,
            },
            "media": {name: getattr(media, name) for name in _MEDIA},
            "packets": dict(self._packets),
            "codecs": {"offered": sum(1 for why in node.exchange.plane.codecs().values() if not why)},
            "codec_processes": _codec_processes(),
            "records_lost": self._store.records_lost,
            "database_writable": not self._store.last_error,
            "certificates": dict(self._expiries),
            "panel": {"restarts": self._panel.restarts, "open": len(self._relay), **asdict(self._relay.counters)},
            "histograms": {
                "loop_lag_seconds": self._lag.shown(),
                "loss_ratio": self._loss.shown(),
                "jitter_milliseconds": self._jitter.shown(),
                "mos": self._mos.shown(),
                "call_duration_seconds": self._duration.shown(),
            },
        }

    def _phones_online(self) -> Counter[int]:
        """SIP users with a binding, by account; counted anew when the last count is two seconds old."""
        at, counted = self._online
        now_wall = self._clock()
        if not 0 <= now_wall - at < _COUNTED_FOR_S:
            user = self._node.snapshot.user
            aors = {binding.aor for binding in self._node.registrar.all_bindings(now_wall)}
            counted = Counter(found.account_id for aor in aors if (found := user(aor)) is not None)
            self._online = now_wall, counted
        return counted

    def _read_expiries(self, domains: tuple[Domain, ...]) -> dict[str, float]:
        """When each domain's certificate ends; parsing them takes a while, so this runs on a thread."""
        found: dict[str, float] = {}
        for domain in domains[:_MOST_DOMAINS]:
            with contextlib.suppress(CertificateError):  # none yet, or damaged: the check page says so
                found[domain.name] = self._certificates.expiry(domain.name).timestamp()
        return found


_MEDIA = (
    "calls",
    "legs",
    "datagrams",
    "behind",
    "faults",
    "events_dropped",
    "codec_packets",
    "codec_dropped",
    "codec_lost",
    "codec_refused",
    "ports_free",
    "ports_in_use",
)


def _codec_processes() -> int:
    """How many codec processes run now: children of this process by their name."""
    count = 0
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for pid in children.read_text(encoding="ascii").split():
                with contextlib.suppress(OSError):
                    name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
                    count += name.startswith(_CODEC_PROGRAM)
    return count
