"""linphonec (Debian 5.1) as a phone, driven by commands on its standard input, read by its log.

Facts that the driver leans on: without $HOME/.local/share/linphone it opens no SIP socket; with IPv6 left on it
advertises a global IPv6 address even to an IPv4 peer; `play` and `record` count from the next call when given before;
the recording reaches the disk only when the call (or, at hold and resume, the stream) ends.
"""

from __future__ import annotations

import re
from pathlib import Path

from interop.phones import RealPhone, Setup
from interop.processes import Program, eventually

_STATES = {
    "LinphoneCallIncomingReceived": "incoming",
    "LinphoneCallOutgoingRinging": "ringing",
    "LinphoneCallOutgoingEarlyMedia": "ringing",
    "LinphoneCallConnected": "established",
    "LinphoneCallPaused": "held",
    "LinphoneCallEnd": "closed",
    "LinphoneCallError": "closed",
}
_ENCRYPTION = {"none": "none", "srtp": "srtp", "required": "srtp", "zrtp": "zrtp"}
# All that this version has; it forgets those that its configuration leaves out.
_CODECS = [
    ("opus", 48000, 2), ("speex", 16000, 1), ("speex", 8000, 1), ("speex", 32000, 1), ("PCMU", 8000, 1),
    ("PCMA", 8000, 1), ("GSM", 8000, 1), ("G722", 8000, 1), ("G729", 8000, 1), ("iLBC", 8000, 1),
]  # fmt: skip
_MOVES = re.compile(r"CallSession \[\w+\] moving from state \w+ to (\w+)")


def _place_of(codec: tuple[str, int, int], wanted: list[str]) -> int:
    """Where a codec stands in a list of names, "speex/16000" or "pcmu"; the list's length where it does not."""
    name, rate, _ = codec
    names = (f"{name}/{rate}".lower(), name.lower())
    return next((place for place, want in enumerate(wanted) if want in names), len(wanted))


class Linphone(RealPhone):
    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._program: Program | None = None
        self._heard = setup.folder / "heard.wav"

    def _write_configuration(self) -> Path:
        setup, first = self.setup, self.first_port
        port = {"udp": "sip_port", "tcp": "sip_tcp_port", "tls": "sip_tls_port"}[setup.transport]
        # 0 switches a listener off; a TLS or TCP client needs none that listens, -1 is "any".
        ports = {"sip_port": 0, "sip_tcp_port": 0, "sip_tls_port": 0, port: first if setup.transport == "udp" else -1}
        lines = ["[sip]", *(f"{name}={value}" for name, value in ports.items())]
        lines += [
            f"media_encryption={_ENCRYPTION[setup.encryption]}",
            f"media_encryption_mandatory={int(setup.encryption in ('required', 'zrtp'))}",
            "accept_any_encryption=0",
            "use_ipv6=0",
            "guess_hostname=0",
            f"bind_address={setup.host}",
            f'contact="{setup.user}" <sip:{setup.user}@{setup.host}>',
            "verify_server_certs=1",
            "verify_server_cn=1",
            "register_only_when_network_is_up=0",
        ]
        if setup.authority:
            lines.append(f"root_ca={setup.authority}")
        if setup.zrtp_key_agreements:
            lines.append(f"zrtp_key_agreements_suites={setup.zrtp_key_agreements}")
        if setup.srtp_suites:
            lines.append(f"srtp_crypto_suites={setup.srtp_suites}")
        if setup.server:
            lines.append("default_proxy=0")
        lines += ["[rtp]", f"audio_rtp_port={first + 4}", f"bind_address={setup.host}", "[video]", "enabled=0"]
        lines += ["[sound]", "echocancellation=0"]
        lines += self._account()
        wanted = [name.lower() for name in setup.codecs]
        for index, (mime, rate, channels) in enumerate(sorted(_CODECS, key=lambda codec: _place_of(codec, wanted))):
            lines += [f"[audio_codec_{index}]", f"mime={mime}", f"rate={rate}", f"channels={channels}"]
            lines.append(f"enabled={int(_place_of((mime, rate, channels), wanted) < len(wanted))}")
        path = setup.folder / "linphonerc"
        path.write_text("\n".join(lines) + "\n")
        return path

    def _account(self) -> list[str]:
        setup = self.setup
        if not setup.server:
            return []
        host, port = setup.server
        route = f"<sip:{host}:{port};transport={setup.transport};lr>"
        return [
            "[proxy_0]",
            f"reg_proxy={route}",
            f"reg_route={route}",
            f"reg_identity=sip:{setup.user}@{setup.domain}",
            f"reg_expires={setup.expires_s}",
            "reg_sendregister=1",
            "publish=0",
            "[auth_info_0]",
            f"username={setup.user}",
            f"passwd={setup.secret}",
        ]

    def start(self) -> None:
        folder = self.setup.folder
        (folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        configuration = self._write_configuration()
        inside = ["ip", "netns", "exec", self.setup.namespace] if self.setup.namespace else []
        command = [*inside, "linphonec", "-c", str(configuration), "-d", "6", "-l", str(folder / "log"), "-S"]
        self._program = Program("linphonec", command, folder, with_stdin=True)
        eventually(lambda: "linphonec>" in self._program_output(), 10, "linphonec starts", self.evidence)
        self._program.say("soundcard use files")
        self._program.say(f"record {self._heard}")
        self._program.say(f"play {self.played_file}")
        if self.setup.auto_answer:
            self._program.say("autoanswer enable")
        eventually(lambda: "Using wav files" in self._program_output(), 10, "linphonec takes files", self.evidence)

    def _program_output(self) -> str:
        return self._program.output() if self._program else ""

    def stop(self) -> None:
        if self._program:
            self._program.stop()
            self._program = None

    def _log(self) -> str:
        path = self.setup.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def evidence(self) -> str:
        log = "\n".join(line for line in self._log().splitlines() if "mediastreamer" not in line)
        return f"--- linphonec {self.setup.user} ---\n{self._program_output()[-1500:]}\n{log[-5000:]}"

    def _say(self, line: str) -> None:
        assert self._program is not None, "linphonec is not running"
        self._program.say(line)

    def is_registered(self) -> bool:
        return "to [LinphoneRegistrationOk]" in self._log()

    def registration_refused(self) -> bool:
        return "to [LinphoneRegistrationFailed]" in self._log()

    def call(self, uri: str) -> None:
        self._say(f"call {uri}")

    def answer(self) -> None:
        self._say("answer")

    def hang_up(self) -> None:
        self._say("terminate")

    def hold(self) -> None:
        self._say("pause")

    def resume(self) -> None:
        self._say("resume")

    def transfer(self, uri: str) -> None:
        self._say(f"transfer {uri}")

    def connect_others(self) -> None:
        """Attended transfer of its first call to its second."""
        self._say("transfer 1 --to-call 2")

    def press(self, key: str) -> None:
        """A key in a call: linphonec takes a line of one key for that."""
        self._say(key)

    def states(self) -> list[str]:
        return [_STATES[name] for name in _MOVES.findall(self._log()) if name in _STATES]

    def final_status(self) -> int:
        found = re.findall(r"receiving call response \[(\d{3})\]", self._log())
        return int(found[-1]) if found and int(found[-1]) >= 300 else 0

    def srtp_suite(self) -> str:
        found = re.findall(r"crypto suite (\w+)|SRTP.*?(AES_\w+|AEAD_\w+)", self._log())
        return next((name for pair in reversed(found) for name in pair if name), "")

    def short_authentication_string(self) -> str:
        """What it shows of ZRTP, "" before the call is secure."""
        found: list[str] = re.findall(r"auth token is ([\w:]+)", self._program_output() + self._log())
        return found[-1] if found else ""

    def recording(self) -> Path | None:
        return self._heard if self._heard.exists() else None

    def wait_audio(self, hz: float, seconds: float = 1.5, since: int = 0, timeout_s: float = 12.0) -> None:
        def seconds_flowing() -> int:
            # One line a second: download in kbit/s, about 75 for G.711, 24 and more with headers for any codec.
            return sum(float(rate) > 15 for rate in re.findall(r"RTP : \[d=([\d.]+)", self._log()))

        wanted = seconds_flowing() + seconds + 1
        eventually(lambda: seconds_flowing() >= wanted, timeout_s, f"{self.setup.user} receives audio", self.evidence)
