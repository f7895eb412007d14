"""The composition root: one server made of its parts, started and ended in order.

Start: database, certificates, media core, transports, and only then do messages come in. End: new calls are refused,
the running ones get their BYE, records are written, and then the parts go in reverse order.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import uvloop

from sealtone import __version__
from sealtone.admin import FirstUse, Reach, certificates, first_use, recording_files, save_reach
from sealtone.admin.certificates import must_be_own
from sealtone.admin.people import owner_link
from sealtone.admin.service import service_settings
from sealtone.config import Config
from sealtone.media import (
    CodecFault,
    CodecsLost,
    Digit,
    Engine,
    EngineConfig,
    PacketReceived,
    Played,
    Primitives,
    RecordingEnded,
    Silent,
    Unmapped,
)
from sealtone.model import CertificateSource, Snapshot
from sealtone.net.control import SOCKET_FILE, ControlSocket
from sealtone.net.errors import ControlError, ListenError
from sealtone.net.listen import nearest_free_port
from sealtone.net.local_address import machine_addresses, primary_addresses
from sealtone.net.plain_http import PlainHttp
from sealtone.net.relay import PANEL_SOCKET, HttpRelay
from sealtone.net.transport import Listening, Transports
from sealtone.pki import Authority, CertificateStore
from sealtone.pki.certificates import forget_certificate
from sealtone.registrar import Rules
from sealtone.server.certificate_orders import CertificateOrders
from sealtone.server.changes import EXPECTED, ChangesTakenUp
from sealtone.server.control import control_actions
from sealtone.server.domain_watch import watch_domains
from sealtone.server.figures import Figures
from sealtone.server.journal import Journal
from sealtone.server.media_plane import EnginePlane, codec_notes
from sealtone.server.node import Node
from sealtone.server.panel_process import PanelProcess
from sealtone.server.recordings import purge_recordings
from sealtone.server.sound_files import FOLDER, SoundFiles
from sealtone.server.zrtp_memory import ZrtpMemory
from sealtone.sip.flow import Flow, Hop
from sealtone.store import Store, StoreError
from sealtone.store.changes import Settled
from sealtone.store.directory import last_change
from sealtone.store.records import PURGED_AT_ONCE
from sealtone.store.zrtp_cache import read_zrtp_records
from sealtone.zrtp import StandardCrypto

_POLL_S = 2.0
_CERTIFICATES_S = 24 * 3600.0
_PURGE_S, _PURGE_PAUSE_S = 600.0, 0.5
_HTTPS = 443
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Ready:
    """What a person needs to know of a server that has just started. `first` only the first time, with secrets."""

    data: Path
    domains: tuple[str, ...]
    listening: tuple[Listening, ...]
    addresses: tuple[str, ...]
    ca_file: Path
    ca_fingerprint: str
    first: FirstUse | None
    notes: tuple[str, ...]
    panel: str = ""
    """The panel's address; empty without one."""
    owner_link: str = ""
    """Where the first owner makes themselves known, once and within a day; empty when there is one."""


class Server:
    """One server. `start` within a running event loop, then `stop`."""

    def __init__(self, config: Config, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._notes: list[str] = []
        self._advertised = ""
        self._change_seen = 0
        self._own: frozenset[tuple[str, int]] = frozenset()
        self._tasks: set[asyncio.Task[None]] = set()
        self._parts = contextlib.AsyncExitStack()
        self.panel = PanelProcess(config.data, journal)
        self.relay = HttpRelay(config.data / PANEL_SOCKET, is_expected=self.panel.is_starting)

    async def start(self) -> Ready:
        """Start all parts. Raises `StoreError`, `CertificateError`, `ListenError`, `MediaError`, in plain words."""
        try:
            return await self._start()
        except BaseException:
            await self._parts.aclose()
            raise

    async def _start(self) -> Ready:
        config, loop = self._config, asyncio.get_running_loop()
        self._store = store = Store(config.data, config.database)
        self._parts.push_async_callback(store.close)
        control: dict[str, Callable[..., object]] = {}
        socket_file = ControlSocket(config.data / SOCKET_FILE, control)
        await socket_file.open()  # refuses a second server on the same data before anything is changed
        self._parts.push_async_callback(socket_file.close)
        first = await store.submit(lambda transaction: first_use(transaction, time.time(), config.domain))
        if config.advertise:
            self._advertised = await _resolved(config.advertise)
        self._local_names = {*machine_addresses(), socket.gethostname().lower(), *filter(None, (self._advertised,))}
        self._changes = ChangesTakenUp(store)
        self._change_seen = await store.read(last_change)
        async with self._changes.taking_up():
            snapshot = await store.load_snapshot(self._local_names)
        self._authority = Authority.open(config.data / "authority")
        self._certificates = CertificateStore(config.data / "certificates", self._authority)
        self._renew(snapshot)
        self._engine = engine = Engine(
            EngineConfig(workers=config.workers, port_min=config.media_ports[0], port_max=config.media_ports[1])
        )
        self._parts.callback(engine.stop)
        for note in codec_notes(engine):
            self._journal.say(note)
        sounds = SoundFiles(FOLDER, engine.load_sound)
        if sounds.note:
            self._notes.append(sounds.note)
        loop.add_reader(engine.event_fd(), self._on_media_events)
        self._parts.callback(loop.remove_reader, engine.event_fd())
        self._zrtp = ZrtpMemory(store, await store.read(read_zrtp_records))
        self.node = node = Node(
            user_agent=f"Sealtone/{__version__}",
            plane=EnginePlane(
                engine, self._media_address, loop.call_later, sounds, recording_files.folder_of(config.data)
            ),
            store=store,
            snapshot=snapshot,
            contact_for=self._contact,
            own_addresses=lambda: self._own,
            journal=self._journal,
            entropy=os.urandom,
            rules=Rules(),
            zrtp=self._zrtp,
            zrtp_crypto=StandardCrypto(Primitives()),
        )
        self._changes.on_settled = self._tell_settled
        await store.delete_expired(time.time())
        await store.submit(lambda transaction: recording_files.close_interrupted(transaction, config.data))
        node.registrar.load(await store.load_bindings(time.time()))
        self._transports = transports = Transports(
            node.on_message,
            node.on_closed,
            node.on_send_failed,
            certificates=self._certificates,
            urgent=(engine.event_fd(),),
        )
        self._parts.push_async_callback(transports.close)
        node.start(transports, loop)
        self._parts.push_async_callback(node.stop)
        listening = await self._listen()
        self._orders = CertificateOrders(
            config.data,
            self._hosts,
            store,
            self._authority,
            self._certificates,
            lambda: self.node.snapshot,
            self.reload,
            self._journal.say,
            serves_http=await self._listen_http(),
        )
        self._parts.push_async_callback(self._orders.close)
        self._parts.callback(self.relay.close)
        await self._store.submit(partial(save_reach, reach=self._reach(listening)))
        self._own = frozenset((address, one.port) for one in listening for address in machine_addresses())
        control.update(
            control_actions(
                node=node,
                transports=transports,
                engine=engine,
                store=store,
                listening=listening,
                began=time.monotonic(),
                reload=self._reload_on_request,
                panel=self.panel,
                relay=self.relay,
            )
        )
        figures = Figures(
            node=node,
            transports=transports,
            engine=engine,
            store=store,
            certificates=self._certificates,
            panel=self.panel,
            relay=self.relay,
        )
        control.update(figures.actions())
        store.on_record = figures.ended
        store.on_written = lambda record: node.feed.tell("record.written", record.account_id, call=record.id)
        control.update({"certificates.order": self._orders.order, "certificates.state": self._orders.state})
        purges = (self._purge_calls, self._purge_recordings, self._purge_secrets)
        watched = (self._watch_changes, self._renew_daily, self._watch_domains, self._orders.watch, figures.watch)
        for background in (*watched, *purges):
            task = loop.create_task(background(), name=background.__name__)
            task.add_done_callback(self._on_background_end)
            self._tasks.add(task)
        # What exists now lives as long as the process: the collector need not look at it at every call.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        panel, owner = await self._start_panel()
        return Ready(
            data=config.data,
            domains=tuple(domain.name for domain in snapshot.domains()),
            listening=listening,
            addresses=self._reachable_by(),
            ca_file=self._authority.certificate_file,
            ca_fingerprint=self._authority.fingerprint,
            first=first,
            notes=tuple(self._notes),
            panel=panel,
            owner_link=owner,
        )

    async def stop(self) -> None:
        """End calls with BYE, write their records, end all parts in reverse order.

        The phones have half a second (`Node.stop`). A BYE that has to wait for the ACK of our 200 (RFC 3261 15) goes
        out if that comes within this time; a phone whose ACK is later finds out by its session timer.
        """
        for task in self._tasks:
            task.cancel()
        await self._parts.aclose()
        self._journal.flush()

    async def reload(self) -> int:
        """Read users and domains anew; calls go on. Gives the new snapshot's version.

        Raises `StoreError`, in which case nothing has changed, or `CertificateError` or `OSError`: then the users and
        domains count already, with the certificates there were.
        """
        async with self._changes.taking_up() as ids:
            snapshot = await self._store.load_snapshot(self._local_names)
            before = self.node.snapshot
            self.node.swap(snapshot)
            self._forget_certificates(before, snapshot)
            self._renew(snapshot)
        self._change_seen = max(self._change_seen, *ids, 0)
        return snapshot.version

    def _tell_settled(self, settled: tuple[Settled, ...]) -> None:
        for change in settled:
            self.node.feed.tell("change.settled", change.account_id, change=change.id, state=change.state)

    async def _reload_on_request(self) -> int:
        try:
            return await self.reload()
        except EXPECTED as error:
            raise ControlError(f"The running server has not taken all of this up yet: {error}") from error

    # listening

    async def _listen(self) -> tuple[Listening, ...]:
        config, transports = self._config, self._transports
        self._hosts = hosts = tuple(host for host in config.listen if self._is_usable(host))
        sip, tls, shared = config.sip_port, config.tls_port, config.shared_tls_port
        sip = self._port(hosts, sip, Config._field_defaults["sip_port"], ("udp", "tcp"), (tls, shared))
        tls = self._port(hosts, tls, Config._field_defaults["tls_port"], ("tcp",), (sip, shared))
        if shared:
            shared = self._port(hosts, shared, Config._field_defaults["shared_tls_port"], ("tcp",), (sip, tls))
        # Where there are two TLS ports the panel is on one only, so that a firewall can keep the other to phones.
        web = self.relay.handover if config.panel else None
        listening: list[Listening] = []
        for host in hosts:
            listening.append(await transports.listen_udp(host, sip))
            listening.append(await transports.listen_tcp(host, sip))
            listening.append(await transports.listen_tls(host, tls, handover=None if shared else web))
            if shared:
                listening.append(await transports.listen_tls(host, shared, handover=web))
        self._web_port = shared or tls
        return tuple(listening)

    async def _listen_http(self) -> bool:
        """Plain HTTP, where it can be had: without it everything works but the check of names on port 80."""
        config, opened = self._config, False
        for host in self._hosts if config.http_port else ():
            try:
                files = self._certificates.challenges.file
                http = PlainHttp(host, config.http_port, files, self._web_port if config.panel else 0)
                self._parts.callback(http.close)
                await http.open()
                opened = True
            except ListenError as error:
                if config.http_port != Config._field_defaults["http_port"]:
                    raise
                self._journal.say(f"http not served: {error}")
        return opened

    async def _start_panel(self) -> tuple[str, str]:
        """The panel's address, and the link for the first owner where there is none yet."""
        if not self._config.panel:
            return "", ""
        self.panel.start()
        self._parts.push_async_callback(self.panel.stop)
        link = await self._store.submit(lambda transaction: owner_link(transaction, time.time()))
        settings = await self._store.read(service_settings)
        reached_by = self._reachable_by()
        host = settings.public_name or (reached_by[0] if reached_by else "127.0.0.1")
        named = f"[{host}]" if ":" in host else host
        address = f"https://{named}{'' if self._web_port == _HTTPS else f':{self._web_port}'}/"
        return address, f"{address}welcome/{link.token}" if link is not None else ""

    def _reach(self, listening: tuple[Listening, ...]) -> Reach:
        """Where phones reach this server, for whoever writes DNS records and links."""
        tls = [one.port for one in listening if one.transport == "tls"]
        shared = next((port for port in tls if port != tls[0]), 0)
        return Reach("", self._reachable_by(), listening[0].port, tls[0], shared)

    def _is_usable(self, host: str) -> bool:
        """A machine without IPv6 is no fault, where nobody asked for IPv6 by name."""
        if host != "::":
            return True
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
                probe.bind(("::", 0))
        except OSError:
            self._notes.append("This machine has no IPv6; phones reach it by IPv4 only.")
            return False
        return True

    def _port(
        self, hosts: tuple[str, ...], wanted: int, default: int, kinds: tuple[str, ...], others: tuple[int, ...] = ()
    ) -> int:
        """The wanted port. Only where nobody chose it may it be the nearest free one instead, and that is said; never
        one of the `others` of this server."""
        if wanted != default:
            return wanted
        port = nearest_free_port(hosts, wanted, kinds, spoken_for=others)
        if port != wanted:
            self._notes.append(f"Port {wanted} is taken or not permitted here, so {port} is used instead.")
        return port

    # addresses

    def _media_address(self, hop: Hop) -> tuple[str, str]:
        """Where media towards a hop leaves from, and what SDP says of it."""
        if isinstance(hop, Flow):
            local, remote = hop.local[0], hop.remote[0]
        else:
            found = self._transports.local_for(hop)
            local, remote = found[0] if found is not None else primary_addresses()[0], hop.host
        return local, self._outside(local, remote)

    def _contact(self, hop: Hop) -> tuple[str, int]:
        """Host and port for Via and Contact towards a hop."""
        remote = hop.remote[0] if isinstance(hop, Flow) else hop.host
        found = self._transports.local_for(hop)
        if found is None:
            return primary_addresses()[0], self._config.sip_port
        return self._outside(found[0], remote), found[1]

    def _outside(self, local: str, remote: str) -> str:
        """The advertised address, for phones that are not on this machine's own network."""
        if not self._advertised or (":" in self._advertised) != (":" in local):
            return local
        return local if ipaddress.ip_address(remote).is_private else self._advertised

    def _reachable_by(self) -> tuple[str, ...]:
        wildcard = {"0.0.0.0", "::"} & set(self._config.listen)
        own = primary_addresses() if wildcard else ()
        named = [host for host in self._config.listen if host not in ("0.0.0.0", "::")]
        return tuple(dict.fromkeys([*filter(None, (self._advertised,)), *own, *named]))

    # in the background

    def _on_media_events(self) -> None:
        """Take what the media core tells, so that nothing waits there. Calls end by signalling, not by silence."""
        for event in self._engine.events():
            if isinstance(event, PacketReceived):
                if event.protocol == "zrtp":
                    self.node.on_zrtp(event.leg, event.data)
            elif isinstance(event, Digit):
                self.node.on_digit(event.leg, event.digit)
            elif isinstance(event, Unmapped):
                self.node.on_unmapped(event.leg, event.payload_type)
            elif isinstance(event, Played):
                self.node.on_played(event.leg, event.playing)
            elif isinstance(event, RecordingEnded):
                self.node.on_recording_ended(event.recording, event.reason, event.octets, event.seconds)
            elif isinstance(event, CodecFault):
                self._journal.say(f"error media leg={event.leg} is sent no sound: {event.reason}")
                self.node.on_codec_fault(event.leg, event.reason)
            elif isinstance(event, CodecsLost):
                self._journal.say(f"error media worker={event.worker} its codec process ended and is started again")
            elif isinstance(event, Silent):
                self._journal.say(f"media leg={event.leg} nothing is heard from the phone")

    def _renew(self, snapshot: Snapshot) -> None:
        domains = list(snapshot.domains())
        if domains:
            addresses = [name for name in self._local_names if _is_ip(name)]
            own = {domain.name for domain in domains if must_be_own(domain)}
            self._certificates.refresh([domain.name for domain in domains], addresses, own_only=own)

    def _forget_certificates(self, before: Snapshot, now: Snapshot) -> None:
        """Of domains that are gone, and of those that take another authority's certificate no longer."""
        for domain in before.domains():
            present = now.domain(domain.name)
            stays = present is not None and present.id == domain.id
            sources = domain.certificate_source, present.certificate_source if present is not None else None
            if not stays or (sources[0] is not CertificateSource.OWN and sources[1] is CertificateSource.OWN):
                forget_certificate(self._config.data / certificates.FOLDER, domain.name)

    async def _renew_daily(self) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATES_S)
            try:
                self._renew(self.node.snapshot)
            except EXPECTED as error:
                self._journal.say(f"error the certificates were not renewed, next try in a day: {error}")

    async def _watch_domains(self) -> None:
        await watch_domains(self._store, self._journal.say)

    async def _watch_changes(self) -> None:
        """Take up what the command line changed while it could not say so.

        What fails is tried again with the next look, and said once.
        """
        said = ""
        while True:
            await asyncio.sleep(_POLL_S)
            try:
                last = await self._store.read(last_change)
                if last != self._change_seen:
                    await self.reload()
                    self._change_seen = last
                said = ""
            except EXPECTED as error:
                if str(error) != said:
                    said = str(error)
                    self._journal.say(f"error a change was not taken up, it is tried again every {_POLL_S:g} s: {said}")

    async def _purge_calls(self) -> None:
        """Delete call records that are kept no longer: few at once, with pauses, so that calls do not notice."""
        while True:
            pause = _PURGE_S
            try:
                if await self._store.delete_outdated_calls(time.time()) >= PURGED_AT_ONCE:
                    pause = _PURGE_PAUSE_S
            except StoreError as error:
                self._journal.say(f"error outdated call records were not deleted, next try in {pause:g} s: {error}")
            await asyncio.sleep(pause)

    async def _purge_secrets(self) -> None:
        """Forget phones whose retained secrets are of no more use."""
        while True:
            try:
                await self._zrtp.purge(int(time.time()))
            except StoreError as error:
                self._journal.say(f"error old ZRTP secrets were not deleted, next try in {_PURGE_S:g} s: {error}")
            await asyncio.sleep(_PURGE_S)

    async def _purge_recordings(self) -> None:
        """Delete recordings that are kept no longer, their files first, and files that belong to none for long."""
        while True:
            pause = _PURGE_S
            try:
                if await purge_recordings(self._store, self._config.data, time.time()):
                    pause = _PURGE_PAUSE_S
            except EXPECTED as error:
                self._journal.say(f"error outdated recordings were not deleted, next try in {pause:g} s: {error}")
            await asyncio.sleep(pause)

    def _on_background_end(self, task: asyncio.Task[None]) -> None:
        """None ever ends by itself: where one does, that must not stay unseen."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._journal.say(f"error {task.get_name()} has ended, restart the server: {error!r}")


async def _resolved(name: str) -> str:
    """The address of an advertised name; an IP literal as it is."""
    if _is_ip(name):
        return name
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ListenError(
            f"advertise = {name} has no address in DNS ({error.strerror}). Correct the name, or write the address.",
            host=name,
            port=0,
        ) from error
    return str(found[0][4][0])


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def serve(
    config: Config,
    on_ready: Callable[[Ready], None],
    *,
    trace: bool = False,
    log: TextIO = sys.stderr,
    on_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Run a server until Ctrl-C or SIGTERM, then end it cleanly. A second Ctrl-C does not wait."""

    async def run() -> None:
        journal = Journal(log, tracing=trace, quiet=config.log_level in ("warning", "error"))
        server = Server(config, journal)
        on_ready(await server.start())
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        await stopping.wait()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: os._exit(130))
        on_stopping()
        await server.stop()

    uvloop.run(run())
