"""Figures in Prometheus' text format: those of the running server, and the panel's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealtone import __version__

_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LAG_EVERY_S = 1.0
_STREAMS = ("/events", "/api/v1/events")  # answers that end when the browser leaves tell nothing by their duration
_SIP = {
    "received": "SIP messages taken in",
    "sent": "SIP messages given out, retransmissions among them",
    "retransmitted": "SIP messages sent again",
    "absorbed": "Repeated SIP messages that a transaction swallowed",
    "malformed": "SIP messages that were unreadable or refused by validation",
    "discarded": "SIP responses and ACKs that match nothing",
    "spoofed": "CANCELs and requests in dialogs from the wrong place",
    "refused_over_limit": "SIP requests refused for want of room",
    "timed_out": "Client transactions without a final response",
}
_NET = {
    "datagrams_in": "UDP datagrams of SIP taken in",
    "datagrams_out": "UDP datagrams of SIP given out",
    "datagrams_dropped": "Datagrams that the kernel had no room for",
    "connections_in": "Connections accepted",
    "connections_out": "Connections opened",
    "refused_total": "Connections refused since there were as many as there may be",
    "displaced": "Connections closed for a new one, since their source or user had too many",
    "refused_descriptors": "Connections refused for want of file descriptors",
    "handshake_failures": "TLS handshakes that failed",
    "idle_closed": "Connections closed since nobody authenticated over them",
    "framing_errors": "Streams in which SIP messages could not be told apart",
    "write_overflows": "Connections cut since their peer read too slowly",
    "connect_failures": "Connections that could not be opened",
}
_MEDIA_COUNTERS = {
    "datagrams": "Media datagrams received",
    "faults": "Legs that the media core gave up after a fault",
    "behind": "Rounds in which a media thread was late",
    "events_dropped": "Events of the media core that were lost",
    "codec_packets": "Packets handed to codec processes",
    "codec_dropped": "Packets that codec processes had no room for",
    "codec_lost": "Codec processes that ended unasked",
    "codec_refused": "Legs that no codec process could take",
}
_HISTOGRAMS = {
    "loop_lag_seconds": "How late the event loop of the SIP server is",
    "loss_ratio": "Share of a leg's packets that never arrived, of calls that ended",
    "jitter_milliseconds": "Interarrival jitter of what phones sent, of calls that ended",
    "mos": "Estimated quality of what phones sent, of calls that ended",
    "call_duration_seconds": "From answer to end, of answered calls that ended",
}


class PanelFigures:
    """The panel's own: how long requests take, and how late its event loop is."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "sealtone_panel_request_seconds",
            "How long requests to the panel and the API take",
            ("method", "route", "status"),
            buckets=_DURATIONS,
            registry=self.registry,
        )
        self._lag = Histogram(
            "sealtone_panel_loop_lag_seconds",
            "How late the event loop of the panel is",
            buckets=_LAGS,
            registry=self.registry,
        )

    async def watch(self) -> None:
        """Measures the lag, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self._lag.observe(max(0.0, loop.time() - due))


class Measured:
    """Around everything: measures each request, by the route it took and not by its address."""

    def __init__(self, app: ASGIApp, figures: PanelFigures) -> None:
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in _STREAMS:
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "PATCH", "DELETE") else "other"
            self._figures.requests.labels(method, route, f"{status // 100}xx").observe(time.perf_counter() - began)


class _Server(Collector):
    def __init__(self, told: Mapping[str, Any] | None) -> None:
        self._told = told

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("sealtone_up", "Whether the SIP server answers", value=float(self._told is not None))
        return [up] if self._told is None else [up, *_families(self._told)]


def exposition(panel: PanelFigures, told: Mapping[str, Any] | None) -> bytes:
    """All figures as text. `told`: the server's answer to ``metrics``; None when it does not answer."""
    server = CollectorRegistry()
    server.register(_Server(told))
    return generate_latest(server) + generate_latest(panel.registry)


def _families(told: Mapping[str, Any]) -> Iterator[Metric]:
    yield InfoMetricFamily("sealtone_build", "The program's version", value={"version": __version__})
    yield _gauge("start_time_seconds", "When the SIP server started, Unix seconds", told["started_at"])
    live = GaugeMetricFamily("sealtone_calls_live", "Calls now, by their weakest leg's state", labels=["state"])
    for state in ("open", "protected-to-server", "protected-to-server-checked", "end-to-end"):
        live.add_metric([state], told["calls_live"].get(state, 0))
    yield live
    ended = CounterMetricFamily("sealtone_calls_ended", "Calls that ended", labels=["state", "outcome"])
    for state, outcome, count in told["calls_ended"]:
        ended.add_metric([state, outcome], count)
    yield ended
    for name, text in (
        ("registrations", "Registered contacts"),
        ("phones_online", "SIP users with a registered contact"),
        ("sip_users", "SIP users"),
        ("connections", "Stream connections of SIP that are open"),
        ("transactions", "SIP transactions that are open"),
        ("codec_processes", "Codec processes that run"),
    ):
        yield _gauge(name, text, told[name])
    yield from _counters("sip_messages_", _SIP, told["sip"])
    yield from _counters("net_", _NET, told["net"])
    yield _counter(
        "responses_withheld", "Responses not sent to sources that proved nothing", told["responses_withheld"]
    )
    passwords = CounterMetricFamily("sealtone_passwords", "Passwords looked at, or refused unseen", labels=["outcome"])
    for outcome, count in told["passwords"].items():
        passwords.add_metric([outcome], count)
    yield passwords
    media = told["media"]
    yield _gauge("media_legs", "Media legs that are open", media["legs"])
    yield _gauge("media_ports_free", "Media ports that are free", media["ports_free"])
    yield _gauge("media_ports_in_use", "Media ports in use", media["ports_in_use"])
    yield from _counters("media_", _MEDIA_COUNTERS, media)
    packets = CounterMetricFamily("sealtone_media_packets", "RTP packets of calls that ended", labels=["direction"])
    for direction, count in told["packets"].items():
        packets.add_metric([direction], count)
    yield packets
    yield _gauge("codecs_offered", "Codecs whose library is there", told["codecs"]["offered"])
    yield _counter("call_records_lost", "Call records that could not be written", told["records_lost"])
    yield _gauge("database_writable", "Whether the last write to the database succeeded", told["database_writable"])
    days = GaugeMetricFamily(
        "sealtone_certificate_expires_seconds", "When certificates end, Unix seconds", labels=["domain"]
    )
    for domain, at in told["certificates"].items():
        days.add_metric([domain], at)
    yield days
    panel = told["panel"]
    yield _counter("panel_restarts", "How often the panel had to be started again", panel["restarts"])
    yield _gauge("panel_connections", "Connections to the panel", panel["open"])
    yield _counter("panel_connections_accepted", "Connections relayed to the panel", panel["accepted"])
    yield _counter("panel_connections_refused", "Connections to the panel beyond its limits", panel["refused"])
    for name, text in _HISTOGRAMS.items():
        yield _histogram(name, text, told["histograms"][name])


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"sealtone_{name}", text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"sealtone_{name}", text, value=float(value))


def _counters(prefix: str, texts: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[Metric]:
    for name, text in texts.items():
        yield _counter(f"{prefix}{name}", text, values[name])


def _histogram(name: str, text: str, told: Mapping[str, Any]) -> Metric:
    buckets, total = [], 0
    for bound, count in zip([*map(str, told["bounds"]), "+Inf"], told["counts"], strict=True):
        total += count
        buckets.append((bound, total))
    return HistogramMetricFamily(f"sealtone_{name}", text, buckets=buckets, sum_value=told["sum"])
