"""A server of our own under test: a data folder with known users, free ports on the loopback, a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import sealtone
from interop.processes import LOOPBACK, Program, eventually, free_ports
from sealtone.admin.actor import Actor
from sealtone.admin.domains import DomainChange, create_domain, update_domain
from sealtone.admin.sip_users import SipUserChange, create_sip_user
from sealtone.model.record import CallRecord
from sealtone.store import Store, Transaction
from sealtone.store import directory as rows
from sealtone.store.records import CallFilter

DOMAIN = "interop.test"
# Of each kind: protection, strictness, media path.
_KINDS = {
    "open": ("none", "prefer", "sealed"),
    "srtp": ("srtp", "prefer", "sealed"),
    "strict": ("srtp", "require", "sealed"),
    "sealed": ("zrtp", "require", "sealed"),
    "direct": ("zrtp", "require", "direct"),
    "ended": ("zrtp", "require", "server"),
    "wishing": ("zrtp", "prefer", "server"),
}

_SERVE = """
import sys
from sealtone.app import serve
from sealtone.config import load_config
serve(load_config({"data": sys.argv[1]}), lambda ready: print("ready", flush=True), trace=True)
"""


class Server:
    """Started by `with`. `user(kind)` hands each user out once, so that tests do not meet."""

    PANEL = False
    """Whether it has a panel, on a TLS port of its own, `shared_port`."""
    MUSIC = False
    """Whether who is on hold hears music."""
    DOMAINS = (DOMAIN,)
    """The first is the one meant where none is named. Each is an account's own."""
    USERS = {"open": 20, "srtp": 250, "strict": 20, "sealed": 60, "direct": 30, "ended": 60, "wishing": 20}
    """How many of each kind the first domain has; any other has `USERS_ELSEWHERE`."""
    USERS_ELSEWHERE = 8

    def __init__(self, folder: Path, media_ports: int = 400) -> None:
        self.folder = folder
        self.media_ports = media_ports
        self.sip_port = free_ports(4)
        self.tls_port = self.sip_port + 1
        self.shared_port = self.sip_port + 2
        self.media = free_ports(media_ports, 61_000, 65_500)  # above the ephemeral ports
        self.secrets: dict[str, str] = {}
        """By address: 1000@interop.test."""
        self.handed_out: list[str] = []
        self._unused: dict[tuple[str, str], Iterator[str]] = {}
        self._program: Program | None = None
        self.host, self.namespace = LOOPBACK, ""
        """Where it listens: on the loopback of ours, or in the network namespace named."""

    @property
    def ports(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """All ports of the server, for a wiretap."""
        return (self.sip_port, self.sip_port + 1), (self.media, self.media + self.media_ports - 1)

    @property
    def authority(self) -> Path:
        found = next(
            (path for path in self.folder.rglob("*.pem") if "authority" in path.name or path.stem == "ca"), None
        )
        assert found is not None, f"no authority's certificate in {sorted(self.folder.rglob('*'))}"
        return found

    def user(self, kind: str = "srtp", domain: str = "") -> str:
        """The number of a user nobody had before: "open" (protection none), "srtp" (prefer), "strict" (require),
        "sealed", "direct" or "ended" (ZRTP required, by media path), "wishing" (ZRTP preferred)."""
        domain = domain or self.DOMAINS[0]
        name = next(self._unused[kind, domain])
        self.handed_out.append(f"{name}@{domain}")
        return name

    def secret(self, user: str, domain: str = "") -> str:
        return self.secrets[f"{user}@{domain or self.DOMAINS[0]}"]

    def __enter__(self) -> Server:
        asyncio.run(self._fill())
        settings = [
            f'listen = ["{self.host}"]',
            f"sip_port = {self.sip_port}",
            f"tls_port = {self.tls_port}",
            f"shared_tls_port = {self.shared_port if self.PANEL else 0}",
            f'media_ports = "{self.media}-{self.media + self.media_ports - 1}"',
            "workers = 1",
            f"panel = {str(self.PANEL).lower()}",
            "http_port = 0",
            f'domain = "{self.DOMAINS[0]}"',
        ]
        (self.folder / "sealtone.toml").write_text("\n".join(settings) + "\n")
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        command = [*inside, sys.executable, "-c", _SERVE, str(self.folder)]
        self._program = Program("server", command, self.folder, PYTHONPATH=str(Path(sealtone.__file__).parents[1]))
        try:
            eventually(self._is_ready, 60, "the server starts", self.evidence)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _fill(self) -> None:
        store = Store(self.folder)
        try:
            actor, now = Actor("tests", "loopback"), time.time()

            def fill(transaction: Transaction) -> None:
                first = itertools.count(1000, 1000)
                for domain in self.DOMAINS:
                    account = rows.insert_account(transaction, f"Account of {domain}", now)
                    create_domain(transaction, actor, now, domain, account)
                    # What phones hear is measured: where music belongs, the test says so.
                    update_domain(transaction, actor, now, domain, DomainChange(music_on_hold=self.MUSIC))
                    for kind, (protection, strictness, path) in _KINDS.items():
                        start = next(first)
                        count = self.USERS[kind] if domain == self.DOMAINS[0] else self.USERS_ELSEWHERE
                        names = [str(start + number) for number in range(count)]
                        for name in names:
                            form = SipUserChange(protection=protection, strictness=strictness, path=path)
                            created = create_sip_user(transaction, actor, now, f"{name}@{domain}", form)
                            self.secrets[f"{name}@{domain}"] = created.secret
                        self._unused[kind, domain] = iter(names)

            await store.submit(fill)
        finally:
            await store.close()

    def _is_ready(self) -> bool:
        assert self._program is not None
        assert self._program.running, self._program.tail()
        if self.namespace:
            return "ready" in self.output()
        for port in (self.sip_port, self.tls_port):
            with socket.socket() as probe:
                if probe.connect_ex((LOOPBACK, port)):
                    return False
        return True

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop(signal.SIGINT, grace_s=10)

    @property
    def running(self) -> bool:
        return self._program is not None and self._program.running

    def output(self) -> str:
        """All that the server said: its journal, and its trace."""
        return self._program.output() if self._program else ""

    def evidence(self) -> str:
        return self._program.tail(6000) if self._program else ""

    def users_now(self) -> list[str]:
        """The names of all users in the database."""

        async def read() -> list[str]:
            store = Store(self.folder)
            try:
                return [user.username for user in (await store.load_snapshot()).users()]
            finally:
                await store.close()

        return asyncio.run(read())

    def calls_of(self, user: str) -> list[CallRecord]:
        """The records of calls that the user had a part in, newest first."""

        async def read() -> list[CallRecord]:
            store = Store(self.folder)
            try:
                return list((await store.calls(CallFilter(party=f"{user}@{self.DOMAINS[0]}"))).records)
            finally:
                await store.close()

        return asyncio.run(read())

    def call_of(self, user: str) -> CallRecord:
        """The record of the user's only call, once it is written."""
        records = eventually(lambda: self.calls_of(user), 20, f"a record of {user}'s call is written", self.evidence)
        assert len(records) == 1, records
        return records[0]
