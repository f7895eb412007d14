"""Debian's rtpengine in userspace, driven over its ng protocol (bencode over UDP)."""

from __future__ import annotations

import base64
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from benches.machine import SERVER_CPU, BenchError, end, free_port, pinned
from benches.relays.interface import (
    EVENTS,
    PCMU,
    SUITES,
    CallMedia,
    CallPlan,
    LegMedia,
    PhonePlan,
    SrtpKey,
    VoiceCodec,
    new_key,
)

Bencode = dict[str, "Bencode"] | list["Bencode"] | str | int

FIRST_PORT, LAST_PORT = 10_000, 31_998


def bencode(value: Bencode) -> bytes:
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        octets = value.encode()
        return b"%d:%s" % (len(octets), octets)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def _bdecode(data: bytes, at: int) -> tuple[Bencode, int]:
    kind = data[at : at + 1]
    if kind == b"i":
        stop = data.index(b"e", at)
        return int(data[at + 1 : stop]), stop + 1
    if kind == b"l":
        items: list[Bencode] = []
        at += 1
        while data[at : at + 1] != b"e":
            item, at = _bdecode(data, at)
            items.append(item)
        return items, at + 1
    if kind == b"d":
        table: dict[str, Bencode] = {}
        at += 1
        while data[at : at + 1] != b"e":
            key, at = _bdecode(data, at)
            table[str(key)], at = _bdecode(data, at)
        return table, at + 1
    colon = data.index(b":", at)
    length = int(data[at:colon])
    return data[colon + 1 : colon + 1 + length].decode(), colon + 1 + length


def bdecode(data: bytes) -> Bencode:
    """Decodes one bencoded value; raises ValueError on broken input."""
    return _bdecode(data, 0)[0]


def sdp_of(port: int, key: SrtpKey | None, codec: VoiceCodec = PCMU) -> str:
    """The SDP of a phone on loopback: one codec, with one a=crypto line if it has a key."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        f"m=audio {port} {'RTP/SAVP' if key else 'RTP/AVP'} {codec.payload_type} {EVENTS}",
        f"a=rtpmap:{codec.payload_type} {codec.rtpmap}",
        f"a=rtpmap:{EVENTS} telephone-event/8000",
        f"a=ptime:{codec.frame_ms}",
        "a=sendrecv",
    ]
    if key:
        inline = base64.b64encode(key.key + key.salt).decode()
        lines.append(f"a=crypto:1 {key.suite} inline:{inline}")
    return "\r\n".join(lines) + "\r\n"


def read_sdp(sdp: str, suite: str | None) -> tuple[int, int, SrtpKey | None]:
    """The port, the crypto tag and the key that rtpengine gives for `suite`."""
    port, tag, key = 0, 1, None
    for line in sdp.splitlines():
        if line.startswith("m=audio "):
            port = int(line.split()[1])
        if suite and line.startswith("a=crypto:"):
            number, name, inline = line[len("a=crypto:") :].split()[:3]
            if name == suite:
                octets = base64.b64decode(inline.removeprefix("inline:").partition("|")[0] + "==")
                split = SUITES[suite][0]
                tag, key = int(number), SrtpKey(suite, octets[:split], octets[split:])
    if not port or (suite and not key):
        raise BenchError(f"rtpengine gave no port, or no key for {suite}: {sdp!r}")
    return port, tag, key


class Rtpengine:
    name = "rtpengine"

    def __init__(self) -> None:
        self._control = ("127.0.0.1", free_port())
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(5.0)
        self._log: IO[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._cookie = 0

    def start(self) -> None:
        binary = shutil.which("rtpengine")
        if binary is None:
            raise BenchError("rtpengine is not installed (apt-get install rtpengine-daemon)")
        self._folder = tempfile.TemporaryDirectory(prefix="bench-rtpengine-")
        folder = Path(self._folder.name)
        self._log = (folder / "log").open("wb")
        options = {
            "config-file": "none",
            "table": -1,
            "interface": "127.0.0.1",
            "listen-ng": f"{self._control[0]}:{self._control[1]}",
            "pidfile": folder / "pid",
            "port-min": FIRST_PORT,
            "port-max": LAST_PORT,
            "timeout": 7200,
            "silent-timeout": 7200,
            "offer-timeout": 7200,
            "num-threads": 1,
            "log-level": 3,
            "delete-delay": 0,
        }
        command = [binary, "--foreground", "--log-stderr", *(f"--{name}={value}" for name, value in options.items())]
        self._process = subprocess.Popen(
            pinned(SERVER_CPU, command), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        self._wait_until_answering()

    def _wait_until_answering(self) -> None:
        self._socket.settimeout(0.2)
        for _ in range(50):
            try:
                self._ask({"command": "ping"})
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.05)
            else:
                self._socket.settimeout(10.0)
                return
        assert self._folder is not None
        log = Path(self._folder.name, "log").read_text(errors="replace")
        raise BenchError(f"rtpengine does not answer: {log[-400:]}")

    def _ask(self, request: dict[str, Bencode]) -> dict[str, Bencode]:
        self._cookie += 1
        cookie = f"c{self._cookie}".encode()
        self._socket.sendto(cookie + b" " + bencode(request), self._control)
        while True:
            got, _, rest = self._socket.recv(65535).partition(b" ")
            if got == cookie:
                answer = bdecode(rest)
                break
        if not isinstance(answer, dict) or answer.get("result") not in ("ok", "pong"):
            raise BenchError(f"rtpengine refused {request['command']}: {answer!r}")
        return answer

    def add_calls(self, plans: Sequence[CallPlan]) -> list[CallMedia]:
        return [self._add_call(plan) for plan in plans]

    def _add_call(self, plan: CallPlan) -> CallMedia:
        self._cookie += 1
        call_id = f"bench-{self._cookie}"
        key_a, key_b = _phone_key(plan.a), _phone_key(plan.b)
        across: dict[str, Bencode] = {}
        if plan.a.codec != plan.b.codec:
            across = {"codec": {"mask": [plan.a.codec.encoding], "transcode": [plan.b.codec.rtpmap]}}
        offer = self._ask(
            {
                **across,
                "command": "offer",
                "call-id": call_id,
                "from-tag": "a",
                "sdp": sdp_of(plan.a.port, key_a, plan.a.codec),
                "transport-protocol": "RTP/SAVP" if plan.b.suite else "RTP/AVP",
                "ICE": "remove",
                "DTLS": "off",
                "SDES": [f"only-{plan.b.suite}"] if plan.b.suite else [],
            }
        )
        port_b, tag_b, relay_key_b = read_sdp(str(offer["sdp"]), plan.b.suite)
        codec_b = plan.b.codec
        if across:  # under the number that was offered
            offered = re.search(rf"a=rtpmap:(\d+) {codec_b.encoding}/", str(offer["sdp"]), re.IGNORECASE)
            if offered is None:
                raise BenchError(f"rtpengine does not offer {codec_b.encoding}")
            codec_b = codec_b._replace(payload_type=int(offered[1]))
        answer_sdp = sdp_of(plan.b.port, key_b, codec_b).replace("a=crypto:1 ", f"a=crypto:{tag_b} ")
        answer = self._ask(
            {
                "command": "answer",
                "call-id": call_id,
                "from-tag": "a",
                "to-tag": "b",
                "sdp": answer_sdp,
                "transport-protocol": "RTP/SAVP" if plan.a.suite else "RTP/AVP",
                "ICE": "remove",
                "DTLS": "off",
            }
        )
        port_a, _, relay_key_a = read_sdp(str(answer["sdp"]), plan.a.suite)
        return CallMedia(LegMedia(port_a, key_a, relay_key_a), LegMedia(port_b, key_b, relay_key_b))

    def pids(self) -> tuple[int, ...]:
        return (self._process.pid,) if self._process else ()

    def stop(self) -> None:
        if self._process:
            end(self._process)
            self._process = None
        if self._log:
            self._log.close()
            self._log = None
        if self._folder:
            self._folder.cleanup()
            self._folder = None


def _phone_key(phone: PhonePlan) -> SrtpKey | None:
    return new_key(phone.suite) if phone.suite else None
