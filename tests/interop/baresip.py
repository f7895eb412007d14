"""baresip (Debian 1.0.0) as a phone, driven over its ctrl_tcp module: JSON in netstrings, events and commands.

Facts about this version that the driver leans on: it takes its SIP port + 1 for TLS even when unused; `aufile` only
plays (and a call ends with the file); `sndfile` dumps what was heard into a WAV as it goes, but nothing more after a
re-INVITE (the filters are not set up again), so that what reaches it then is measured on the wire; its SRTP knows
AES_CM_128 with 80 and 32 bit tags and GCM 128/256.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

from interop.phones import RealPhone, Setup
from interop.processes import LOOPBACK, Program, eventually

_MEDIA_ENCRYPTION = {"none": "", "srtp": ";mediaenc=srtp", "required": ";mediaenc=srtp-mand"}
_MODULES = {"pcmu": "g711", "pcma": "g711", "gsm": "gsm", "g722": "g722", "opus": "opus"}
_FULL_NAMES = {"opus": "opus/48000/2", "g722": "G722/16000/1"}
_STATES = {
    "CALL_INCOMING": "incoming", "CALL_RINGING": "ringing", "CALL_PROGRESS": "ringing",
    "CALL_ESTABLISHED": "established", "CALL_CLOSED": "closed",
}  # fmt: skip


class Control:
    """The connection to ctrl_tcp: sends commands, collects events in a thread of its own."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), timeout=2)
        self._socket.settimeout(None)
        self.events: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        held = b""
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            held += data
            while True:
                length, colon, rest = held.partition(b":")
                if not colon or len(rest) < int(length) + 1:
                    break
                message = json.loads(rest[: int(length)].decode(errors="replace"), strict=False)
                (self.events if message.get("event") else self.answers).append(message)
                held = rest[int(length) + 1 :]

    def command(self, name: str, parameters: str = "") -> dict[str, Any]:
        seen = len(self.answers)
        text = json.dumps({"command": name, "params": parameters, "token": "t"}).encode()
        self._socket.sendall(b"%d:%s," % (len(text), text))
        return eventually(lambda: self.answers[seen:], 5, f"baresip answers the command {name}")[0]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Baresip(RealPhone):
    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._program: Program | None = None
        self._control: Control | None = None

    @property
    def listening_port(self) -> int:
        return self.sip_port + (self.setup.transport == "tls")

    def _write_configuration(self) -> None:
        setup, first = self.setup, self.first_port
        voice = dict.fromkeys(_MODULES[name.partition("/")[0].lower()] for name in setup.codecs)
        modules = [*voice, "sndfile", "aufile", "aubridge", "srtp"]
        lines = [
            "poll_method epoll",
            f"sip_listen {LOOPBACK}:{self.sip_port}",
            f"audio_source aufile,{self.played_file}",
            "ausrc_srate 8000",  # the tone's, whatever the codec's
            "ausrc_channels 1",
            "audio_player aubridge,far",
            "audio_alert aubridge,alert",
            f"rtp_ports {first + 4}-{first + self.PORTS - 1}",
            f"net_interface {LOOPBACK}",
            f"ctrl_tcp_listen {LOOPBACK}:{first + 2}",
            f"snd_path {setup.folder}",
            "ringback_disabled yes",
            "call_max_calls 4",
            "module_path /usr/lib/baresip/modules",
            *(f"module {name}.so" for name in modules),
            "module_tmp account.so",
            "module_app menu.so",
            "module_app ctrl_tcp.so",
        ]
        if setup.authority:
            lines.append(f"sip_cafile {setup.authority}")
        server_pem = setup.folder / "server.pem"
        if server_pem.exists():
            lines.append(f"sip_certificate {server_pem}")
        (setup.folder / "config").write_text("\n".join(lines) + "\n")
        (setup.folder / "contacts").write_text("")
        (setup.folder / "accounts").write_text(self._account() + "\n")

    def _account(self) -> str:
        setup = self.setup
        codecs = ",".join(_FULL_NAMES.get(name.lower(), f"{name}/8000/1") for name in setup.codecs)
        domain = setup.domain if setup.server else f"{LOOPBACK}:{self.listening_port}"
        parts = [
            f"<sip:{setup.user}@{domain};transport={setup.transport}>",
            f";auth_pass={setup.secret}" if setup.secret else "",
            f";regint={setup.expires_s if setup.server else 0}",
            f";answermode={'auto' if setup.auto_answer else 'manual'}",
            f";audio_codecs={codecs}",
            _MEDIA_ENCRYPTION[setup.encryption],
        ]
        if setup.server:
            host, port = setup.server
            parts.append(f';outbound="sip:{host}:{port};transport={setup.transport}"')
        return "".join(parts)

    def start(self) -> None:
        self._write_configuration()
        folder = self.setup.folder
        self._program = Program("baresip", ["baresip", "-f", str(folder), "-s", "-v"], folder)
        eventually(lambda: "baresip is ready" in self._log(), 10, "baresip starts", self.evidence)
        self._control = Control(self.first_port + 2)

    def stop(self) -> None:
        if self._control:
            self._control.close()
            self._control = None
        if self._program:
            self._program.stop()
            self._program = None

    def _log(self) -> str:
        return (self.setup.folder / "baresip.out").read_text(errors="replace")

    def evidence(self) -> str:
        log = re.sub(r"(\[\d:\d\d:\d\d\][^\[\n]*\(bit/s\) *)+", "", self._log())
        return f"--- baresip {self.setup.user} ---\n{log[-5000:]}"

    def _do(self, command: str, parameters: str = "") -> str:
        assert self._control is not None, "baresip is not running"
        answer = self._control.command(command, parameters)
        assert answer.get("ok"), f"baresip refused {command} {parameters}: {answer}"
        return str(answer.get("data", ""))

    def is_registered(self) -> bool:
        return "registered successfully" in self._log() or bool(re.search(r"\{\d/\w+/v\d\} 200 ", self._log()))

    def registration_refused(self) -> bool:
        # It answers every new challenge, until the server tells it to wait.
        return bool(re.search(r"reg: \S+ 40[134] ", self._log()))

    def call(self, uri: str) -> None:
        self._do("dial", uri)

    def answer(self) -> None:
        self._do("accept")

    def hang_up(self) -> None:
        self._do("hangup")

    def hold(self) -> None:
        self._do("hold")

    def resume(self) -> None:
        self._do("resume")

    def transfer(self, uri: str) -> None:
        self._do("transfer", uri)

    def states(self) -> list[str]:
        events = self._control.events if self._control else []
        return [_STATES[event["type"]] for event in events if event.get("type") in _STATES]

    def final_status(self) -> int:
        closed = [e for e in (self._control.events if self._control else []) if e.get("type") == "CALL_CLOSED"]
        match = re.match(r"(\d{3})\b", str(closed[-1].get("param", ""))) if closed else None
        return int(match[1]) if match else 0

    def srtp_suite(self) -> str:
        found = re.findall(r"SRTP is Enabled \(cryptosuite=([\w]+)\)", self._log())
        return found[-1] if found else ""

    def recording(self) -> Path | None:
        # Several calls in one second share a name; the newest file is the last call's.
        dumps = sorted(self.setup.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime_ns)
        return dumps[-1] if dumps else None
