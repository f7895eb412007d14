"""The server under attack: two accounts on it, all that it says and stores in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interop import server
from interop.processes import eventually
from sealtone.net.control import ask

OURS, OTHERS = "ours.test", "others.test"
"""The domains of two accounts that have nothing to do with each other."""


class Server(server.Server):
    """As the one for real phones, and can be asked what the attack did to it."""

    PANEL = True
    DOMAINS = (OURS, OTHERS)
    USERS = {"open": 240, "srtp": 240, "strict": 240, "sealed": 40, "direct": 10, "ended": 80, "wishing": 10}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, media_ports=300)
        self._read = 0

    def __enter__(self) -> Server:
        super().__enter__()
        try:
            eventually((self.folder / "panel.sock").exists, 90, "the panel starts", self.evidence)
        except BaseException:
            self.stop()
            raise
        return self

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

    def news(self) -> str:
        """What it said since this was last asked."""
        assert self._program is not None
        with self._program.output_file.open("rb") as file:
            file.seek(self._read)
            found = file.read()
        self._read += len(found)
        return found.decode(errors="replace")
