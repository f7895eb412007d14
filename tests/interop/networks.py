"""Network namespaces of our own: a public network with the server and phones, and a private one behind a router's NAT."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from contextlib import ExitStack

SERVER, PUBLIC_A, PUBLIC_B, ROUTER = "9.9.9.1", "9.9.9.10", "9.9.9.11", "9.9.9.20"
PRIVATE, GATEWAY = "10.0.0.5", "10.0.0.1"
"""Addresses that anybody, and that only their own network, would reach; nothing leaves the namespaces."""

_numbers = itertools.count()


def may_make_networks() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None and shutil.which("nft") is not None


class Networks:
    """By name: "server", "a" and "b" in public, "private" behind the router. Start them by `with`."""

    def __init__(self) -> None:
        self._prefix = f"st{os.getpid() % 100000}-{next(_numbers)}"
        self._made = ExitStack()

    def named(self, name: str) -> str:
        """The namespace's name for `ip netns`."""
        return f"{self._prefix}-{name}"

    def __enter__(self) -> Networks:
        try:
            for name in ("server", "a", "b", "router", "private"):
                self._ip("netns", "add", self.named(name))
                self._made.callback(self._ip, "netns", "delete", self.named(name))
                self._ip("-n", self.named(name), "link", "set", "lo", "up")
            self._ip("-n", self.named("server"), "link", "add", "public", "type", "bridge")
            self._ip("-n", self.named("server"), "address", "add", f"{SERVER}/24", "dev", "public")
            self._ip("-n", self.named("server"), "link", "set", "public", "up")
            for name, address in (("a", PUBLIC_A), ("b", PUBLIC_B), ("router", ROUTER)):
                self._join(name, "outside", "server", name)
                self._ip("-n", self.named("server"), "link", "set", "dev", name, "master", "public")
                self._ip("-n", self.named(name), "address", "add", f"{address}/24", "dev", "outside")
            self._join("private", "outside", "router", "inside")
            self._ip("-n", self.named("router"), "address", "add", f"{GATEWAY}/24", "dev", "inside")
            self._ip("-n", self.named("private"), "address", "add", f"{PRIVATE}/24", "dev", "outside")
            self._ip("-n", self.named("private"), "route", "add", "default", "via", GATEWAY)
            self._translate("router")
        except BaseException:
            self._made.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._made.close()

    def _join(self, name: str, device: str, other: str, its: str) -> None:
        self._ip(
            "link", "add", "name", device, "netns", self.named(name), "type", "veth",
            "peer", "name", its, "netns", self.named(other),
        )  # fmt: skip
        self._ip("-n", self.named(name), "link", "set", "dev", device, "up")
        self._ip("-n", self.named(other), "link", "set", "dev", its, "up")

    def _translate(self, name: str) -> None:
        """Forward, and write the router's own address over those of the private network."""
        inside = ("netns", "exec", self.named(name))
        self._ip(*inside, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for rule in (
            "add table ip nat",
            "add chain ip nat leaving { type nat hook postrouting priority 100; }",
            "add rule ip nat leaving oifname outside masquerade",
        ):
            self._ip(*inside, "nft", rule)

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)
