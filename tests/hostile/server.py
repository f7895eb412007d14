"""The server under attack: a process of its own, two accounts on it, all that it says and stores in one folder."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sealtone
from interop.processes import LOOPBACK, Program, eventually, free_ports
from sealtone.admin.actor import Actor
from sealtone.admin.domains import create_domain
from sealtone.admin.sip_users import SipUserChange, create_sip_user
from sealtone.net.control import ask
from sealtone.store import Store
from sealtone.store import directory as rows

OURS, OTHERS = "ours.test", "others.test"
"""The domains of two accounts that have nothing to do with each other."""
_KINDS = {"open": ("none", "prefer"), "srtp": ("srtp", "prefer"), "strict": ("srtp", "require")}
_USERS_OF_A_KIND = 240

_SERVE = """
import sys
from sealtone.app import serve
from sealtone.config import load_config
serve(load_config({"data": sys.argv[1]}), lambda ready: print("ready", flush=True), trace=True)
"""


class Server:
    """Started by `with`. `user(kind, domain)` hands each user out once, so that tests do not meet."""

    MEDIA_PORTS = 300

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sip_port = free_ports(4)
        self.tls_port = self.sip_port + 1
        self.media = free_ports(self.MEDIA_PORTS, 61_000, 65_500)
        self.secrets: dict[str, str] = {}
        """By address: 1000@ours.test."""
        self.handed_out: list[str] = []
        self._read = 0
        self._unused: dict[tuple[str, str], Iterator[str]] = {}
        self._program: Program | None = None

    @property
    def authority(self) -> Path:
        return next(path for path in self.folder.rglob("*.pem") if "authority" in path.name or path.stem == "ca")

    def user(self, kind: str = "srtp", domain: str = OURS) -> str:
        """The number of a user nobody had before: "open" (protection none), "srtp" (prefer) or "strict" (require)."""
        name = next(self._unused[kind, domain])
        self.handed_out.append(f"{name}@{domain}")
        return name

    def secret(self, user: str, domain: str = OURS) -> str:
        return self.secrets[f"{user}@{domain}"]

    def status(self) -> dict[str, Any]:
        """What `sealtone status` gets; an answer also shows that the server's loop runs."""
        found = ask(self.folder, "status")
        assert isinstance(found, dict)
        return found

    def verified(self) -> int:
        """Passwords looked at since the start."""
        return int(self.status()["passwords"]["verified"])

    def calls(self) -> int:
        return int(self.status()["calls"])

    def __enter__(self) -> Server:
        asyncio.run(self._fill())
        settings = [
            f'listen = ["{LOOPBACK}"]',
            f"sip_port = {self.sip_port}",
            f"tls_port = {self.tls_port}",
            "shared_tls_port = 0",
            f'media_ports = "{self.media}-{self.media + self.MEDIA_PORTS - 1}"',
            "workers = 1",
            f'domain = "{OURS}"',
        ]
        (self.folder / "sealtone.toml").write_text("\n".join(settings) + "\n")
        command = [sys.executable, "-c", _SERVE, str(self.folder)]
        self._program = Program("server", command, self.folder, PYTHONPATH=str(Path(sealtone.__file__).parents[1]))
        try:
            eventually(self._is_ready, 20, "the server starts", self.evidence)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _fill(self) -> None:
        store = Store(self.folder)
        try:
            actor, now = Actor("hostile tests", "loopback"), time.time()

            def fill(transaction: Any) -> None:
                first = itertools.count(1000, 1000)
                for domain in (OURS, OTHERS):
                    account = rows.insert_account(transaction, f"Account of {domain}", now)
                    create_domain(transaction, actor, now, domain, account)
                    for kind, (protection, strictness) in _KINDS.items():
                        start = next(first)
                        names = [str(start + n) for n in range(_USERS_OF_A_KIND if domain == OURS else 8)]
                        for name in names:
                            form = SipUserChange(protection=protection, strictness=strictness)
                            created = create_sip_user(transaction, actor, now, f"{name}@{domain}", form)
                            self.secrets[f"{name}@{domain}"] = created.secret
                        self._unused[kind, domain] = iter(names)

            await store.submit(fill)
        finally:
            await store.close()

    def _is_ready(self) -> bool:
        assert self._program is not None
        assert self._program.running, self._program.tail()
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

    def news(self) -> str:
        """What it said since this was last asked."""
        assert self._program is not None
        with self._program.output_file.open("rb") as file:
            file.seek(self._read)
            found = file.read()
        self._read += len(found)
        return found.decode(errors="replace")

    def evidence(self) -> str:
        return self._program.tail(6000) if self._program else ""
