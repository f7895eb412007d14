"""A fresh linphonec, and our own phone, set up by a link of the panel: over HTTPS, once, and then encrypted or not at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.linphone import Linphone
from interop.phones import Setup
from interop.processes import LOOPBACK, eventually
from interop.server import DOMAIN, Server
from interop.test_calls import A_HZ, B_HZ, end_and_prove, place
from sealtone.admin import Actor, SipUserChange, update_sip_user
from sealtone.admin.phone_links import make_phone_link
from sealtone.model import CallState, KeyExchange
from sealtone.net.control import ask
from sealtone.store import Database

ACTOR = Actor("tests", "loopback")


class PanelServer(Server):
    """With its panel, from which phones get their settings."""

    PANEL = True
    USERS = {"open": 2, "srtp": 4, "strict": 4, "sealed": 4, "direct": 2, "ended": 6, "wishing": 2}

    def link(self, user: str) -> str:
        """The address that a QR code of the panel holds."""
        database = Database(self.folder)
        with database.write() as transaction:
            token = make_phone_link(transaction, ACTOR, time.time(), f"{user}@{DOMAIN}").token
        database.close()
        return f"https://localhost:{self.shared_port}/p/{token}"

    def change(self, user: str, **fields: str) -> None:
        """Saves fields of a user, and has the running server take them up."""
        database = Database(self.folder)
        with database.write() as transaction:
            update_sip_user(transaction, ACTOR, time.time(), f"{user}@{DOMAIN}", SipUserChange(**fields))  # type: ignore[arg-type]
        database.close()
        ask(self.folder, "reload")

    def wait_for_panel(self) -> None:
        eventually((self.folder / "panel.sock").exists, 20, "the panel starts", self.evidence)


class FreshLinphone(Linphone):
    """Knows nothing but a link, this machine's addresses, and whom to trust; what it was before is the opposite of
    what the link should make of it."""

    def __init__(self, setup: Setup, link: str) -> None:
        super().__init__(setup)
        self.link = link

    def _write_configuration(self) -> Path:
        first = self.first_port
        lines = [
            "[misc]",
            f"config-uri={self.link}",
            "[sip]",
            "media_encryption=none",
            "media_encryption_mandatory=0",
            "use_ipv6=0",
            "guess_hostname=0",
            f"bind_address={LOOPBACK}",
            f"root_ca={self.setup.authority}",
            "register_only_when_network_is_up=0",
            "[rtp]",
            "accept_any_encryption=1",
            f"audio_rtp_port={first + 4}",
            f"bind_address={LOOPBACK}",
            "[video]",
            "enabled=0",
            "[sound]",
            "echocancellation=0",
            "[audio_codec_0]",
            "mime=GSM",
            "rate=8000",
            "channels=1",
            "enabled=1",
        ]
        path = self.setup.folder / "linphonerc"
        path.write_text("\n".join(lines) + "\n")
        return path

    def wait_registered(self, timeout_s: float = 12.0) -> None:
        """What it plays and records is forgotten with the configuration that it had before."""
        super().wait_registered(timeout_s)
        for line in ("soundcard use files", f"record {self._heard}", f"play {self.played_file}"):
            self._say(line)

    def kept(self) -> dict[str, dict[str, str]]:
        """Its configuration as it wrote it down."""
        found: dict[str, dict[str, str]] = {}
        section: dict[str, str] = {}
        for line in (self.setup.folder / "linphonerc").read_text().splitlines():
            if line.startswith("["):
                section = found.setdefault(line.strip("[]"), {})
            elif "=" in line:
                name, value = line.split("=", 1)
                section[name] = value
        return found

    def log(self) -> str:
        return self._log()


@pytest.fixture(scope="module")
def panel_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelServer]:
    with PanelServer(tmp_path_factory.mktemp("server"), media_ports=60) as running:
        running.wait_for_panel()
        yield running


@pytest.fixture
def fresh(panel_server: PanelServer, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """A factory of phones that are set up by a link: `fresh(user, tone_hz)`."""
    started: list[FreshLinphone] = []

    def start(user: str, tone_hz: float, link: str = "", codecs: str = "pcma,pcmu") -> FreshLinphone:
        panel_server.change(user, codecs=codecs)
        folder = tmp_path / f"{len(started)}-{user}"
        setup = Setup(user, folder, tone_hz, domain=DOMAIN, authority=panel_server.authority)
        phone = FreshLinphone(setup, link or panel_server.link(user))
        started.append(phone)
        phone.__enter__()
        return phone

    yield start
    for phone in started:
        phone.stop()


def test_a_link_makes_a_fresh_phone_one_that_registers_by_digest_and_forgets_the_link(
    panel_server: PanelServer, fresh: Any
) -> None:
    user = panel_server.user("ended")
    phone = fresh(user, A_HZ, codecs="g729,opus")
    phone.wait_registered()
    assert re.search(r"Authorization: +Digest .*algorithm=SHA-256", phone.log())
    phone.stop()
    kept = phone.kept()
    assert "config-uri" not in kept["misc"]
    assert kept["sip"]["media_encryption"] == "zrtp"
    assert kept["sip"]["media_encryption_mandatory"] == "1"
    assert kept["rtp"]["accept_any_encryption"] == "0"
    assert "passwd" not in kept["auth_info_0"]
    assert kept["proxy_0"]["reg_route"] == f"<sip:localhost:{panel_server.shared_port};transport=tls;lr>"
    codecs = [kept[f"audio_codec_{number}"] for number in range(20) if f"audio_codec_{number}" in kept]
    assert [one["mime"] for one in codecs if one["enabled"] == "1"] == ["G729", "opus"]


def test_two_phones_by_links_call_one_by_zrtp_the_other_by_srtp(panel_server: PanelServer, fresh: Any) -> None:
    caller, callee = fresh(panel_server.user("ended"), A_HZ), fresh(panel_server.user("strict"), B_HZ)
    caller.wait_registered()
    callee.wait_registered()
    place(caller, callee)
    end_and_prove(caller, callee)
    record = panel_server.call_of(caller.setup.user)
    assert record.state is CallState.PROTECTED_TO_SERVER
    reached = {leg.aor.partition("@")[0]: leg.security for leg in record.legs if leg.chosen}
    assert reached[caller.setup.user].key_exchange is KeyExchange.ZRTP
    assert reached[callee.setup.user].key_exchange is KeyExchange.SDES
    assert all(security.transport == "tls" for security in reached.values())


def test_two_phones_by_links_talk_sealed_and_show_the_same_string(panel_server: PanelServer, fresh: Any) -> None:
    caller, callee = fresh(panel_server.user("sealed"), A_HZ), fresh(panel_server.user("sealed"), B_HZ)
    caller.wait_registered()
    callee.wait_registered()
    place(caller, callee)
    strings = [
        eventually(phone.short_authentication_string, 8, "the SAS is shown", phone.evidence)
        for phone in (caller, callee)
    ]
    assert strings[0] == strings[1]
    end_and_prove(caller, callee)
    assert panel_server.call_of(caller.setup.user).state is CallState.END_TO_END


def test_a_phone_that_was_told_srtp_refuses_a_plain_offer(panel_server: PanelServer, fresh: Any) -> None:
    user = panel_server.user("strict")
    phone = fresh(user, A_HZ)
    phone.wait_registered()
    panel_server.change(user, protection="none", strictness="prefer")
    # Now the server would let this call be open; the phone does not.
    ask(panel_server.folder, "calls.test", user=f"{user}@{DOMAIN}", service="echo")
    eventually(lambda: "SIP/2.0 488" in phone.log(), 8, "the phone refuses the clear", phone.evidence)
    phone.wait_for("established")
    phone.hang_up()
    record = panel_server.call_of(user)
    assert record.state is CallState.PROTECTED_TO_SERVER  # it was offered SRTP next, and took that


def test_a_link_that_was_used_sets_up_no_second_phone(panel_server: PanelServer, fresh: Any) -> None:
    user = panel_server.user("srtp")
    link = panel_server.link(user)
    fresh(user, A_HZ, link).wait_registered()
    second = fresh(user, B_HZ, link)
    eventually(lambda: "404" in second.log(), 8, "the second phone is answered", second.evidence)
    assert not second.is_registered()
    assert "proxy_0" not in second.kept()


def test_our_own_phone_is_set_up_by_a_link_and_remembers(panel_server: PanelServer, tmp_path: Path) -> None:
    user = panel_server.user("ended")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*how: str) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "sealtone.cli", "phone", "--zrtp-folder", str(tmp_path / "phone"), "--json"]
        command += ["--tone", "440", "--duration", "2", "--call", "*42", *how]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    for how in (
        ("--provision", panel_server.link(user), "--ca", str(panel_server.authority)),
        ("--account", f"{user}@{DOMAIN}"),
    ):
        told = run(*how)
        assert any(each["event"] == "registered" for each in told)
        summary = next(each for each in told if each["event"] == "summary")
        assert summary["zrtp"]["sas"]
        assert summary["protection"]["suites"]
