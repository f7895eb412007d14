"""The server's log: one line an event, with its Call-ID; and the trace of messages, secrets masked.

Lines are gathered and written together some times a second, so that no call waits for a terminal.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final, TextIO

from sealtone.b2bua.events import CallEvent
from sealtone.registrar import Registration
from sealtone.sip.flow import Flow, Hop
from sealtone.sip.masking import masked

_FLUSH_S: Final = 0.1
_MAX_LINES: Final = 10_000


class Journal:
    """Writes to `out`. At most `_MAX_LINES` wait between two writes; what is over is counted and said."""

    def __init__(self, out: TextIO = sys.stderr, *, tracing: bool = False, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet
        self._lines: list[str] = []
        self._dropped = 0
        self._flush_at: asyncio.TimerHandle | None = None
        self._second = 0
        self._stamp = ""
        self.tracing = tracing

    def say(self, line: str) -> None:
        """One line, with the time in front."""
        if len(self._lines) >= _MAX_LINES:
            self._dropped += 1
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        milliseconds = str(int(now * 1000) % 1000).zfill(3)
        self._lines.append(f"{self._stamp}.{milliseconds} {_printable(line)}\n")
        if self._flush_at is None:
            try:
                self._flush_at = asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)
            except RuntimeError:
                self.flush()

    def call_event(self, event: CallEvent) -> None:
        if not self._quiet:
            self.say(f"call {event.kind} {event.detail} call={event.call} call-id={event.call_id}")

    def registered(self, registration: Registration, call_id: str) -> None:
        if self._quiet:
            return
        kind = "registered" if registration.saved else "unregistered"
        first = (registration.saved or registration.removed)[0]
        self.say(f"{kind} {registration.aor} {first.transport} {_address(first.received)} call-id={call_id}")

    def denied(self, call_id: str, method: str, flow: Flow, reason: str) -> None:
        self.say(f"denied {method} from {_address(flow.remote)}: {reason} call-id={call_id}")

    def store_failed(self, call_id: str) -> None:
        self.say(f"error the database did not take a registration; the phone was told to try again call-id={call_id}")

    def trace(self, arrow: str, data: bytes, hop: Hop) -> None:
        """A message as it went over the wire, secrets masked."""
        remote = hop.remote if isinstance(hop, Flow) else (hop.host, hop.port)
        text = masked(data).replace("\r\n", "\n").rstrip("\n")
        self.say(f"{arrow} {hop.transport} {_address(remote)}")
        self._lines.append("".join(f"    {_printable(line)}\n" for line in text.split("\n")))

    def flush(self) -> None:
        self._flush_at = None
        lines, self._lines = self._lines, []
        if self._dropped:
            lines.append(f"({self._dropped} lines left out: too many at once)\n")
            self._dropped = 0
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except (OSError, ValueError):
            pass  # nobody listens any more; the calls matter more than their log


def _printable(text: str) -> str:
    """No control characters from the wire reach a terminal or split a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)


def _address(address: tuple[str, int]) -> str:
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
