"""PJSIP (PyPI pjsua2-python) as a phone, in a process of its own: an independent iLBC, Speex, GSM and G.722."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from interop.phones import RealPhone
from interop.processes import Program, eventually

_PROGRAM = Path(__file__).with_name("pjsua_program.py")
_STATES = {"incoming", "ringing", "established", "closed"}


class Pjsua(RealPhone):
    """Speaks plain RTP over UDP or TCP. Its recording is complete when the call has ended."""

    def __init__(self, setup: Any) -> None:
        super().__init__(setup)
        self._program: Program | None = None
        self._heard = setup.folder / "heard.wav"

    def start(self) -> None:
        setup = self.setup
        assert setup.server is not None, "this phone calls through a server"
        settings = {
            "user": setup.user,
            "secret": setup.secret,
            "domain": setup.domain,
            "server": setup.server,
            "transport": setup.transport,
            "sip_port": self.sip_port,
            "rtp_port": self.first_port + 4,
            "codecs": setup.codecs,
            "auto_answer": setup.auto_answer,
            "play": str(self.played_file),
            "record": str(self._heard),
            "log": str(setup.folder / "log"),
        }
        path = setup.folder / "settings.json"
        path.write_text(json.dumps(settings))
        command = [sys.executable, str(_PROGRAM), str(path)]
        self._program = Program("pjsua", command, setup.folder, with_stdin=True)
        eventually(lambda: any(self.events("ready")), 10, "the PJSIP phone starts", self.evidence)

    def stop(self) -> None:
        if self._program:
            self._program.stop()
            self._program = None

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """What the program told so far, all or of one kind."""
        lines = self._program.output().splitlines() if self._program else []
        events = [json.loads(line) for line in lines if line.startswith('{"event"') and line.endswith("}")]
        return [event for event in events if not kind or event["event"] == kind]

    def evidence(self) -> str:
        log = self.setup.folder / "log"
        text = log.read_text(errors="replace")[-4000:] if log.exists() else ""
        return f"--- pjsua {self.setup.user} ---\n{self._program.tail(1500) if self._program else ''}\n{text}"

    def _say(self, line: str) -> None:
        assert self._program is not None, "the PJSIP phone is not running"
        self._program.say(line)

    def is_registered(self) -> bool:
        return bool(self.events("registered"))

    def registration_refused(self) -> bool:
        return bool(self.events("refused"))

    def call(self, uri: str) -> None:
        self._say(f"call {uri}")

    def answer(self) -> None:
        self._say("answer")

    def hang_up(self) -> None:
        self._say("hangup")

    def hold(self) -> None:
        self._say("hold")

    def resume(self) -> None:
        self._say("resume")

    def change_codecs(self, *names: str) -> None:
        """Offer these codecs alone in a re-INVITE of the running call."""
        self._say(f"codecs {' '.join(names)}")

    def dial_digits(self, digits: str) -> None:
        """Press keys in the call, as RFC 4733 events."""
        self._say(f"digits {digits}")

    def digits(self) -> str:
        """The keys that the far side pressed."""
        return "".join(event["digit"] for event in self.events("digit"))

    def transfer(self, uri: str) -> None:
        raise NotImplementedError("not needed of this phone")

    def states(self) -> list[str]:
        return [event["event"] for event in self.events() if event["event"] in _STATES]

    def final_status(self) -> int:
        closed = self.events("closed")
        return closed[-1]["status"] if closed and closed[-1]["status"] >= 300 else 0

    def srtp_suite(self) -> str:
        return ""

    def codec(self) -> str:
        """The codec in use, such as iLBC."""
        return self.events("codec")[-1]["name"]

    def wait_audio(self, hz: float, seconds: float = 1.5, since: int = 0, timeout_s: float = 12.0) -> None:
        def seconds_heard() -> float:
            # It writes as it goes, in large blocks, at 16 kHz; the header stays empty until the end.
            return self._heard.stat().st_size / 32_000 if self._heard.exists() else 0.0

        wanted = seconds_heard() + seconds + 0.5
        eventually(lambda: seconds_heard() >= wanted, timeout_s, f"{self.setup.user} receives audio", self.evidence)

    def recording(self) -> Path | None:
        return self._heard if self._heard.exists() else None
