"""Who holds a port, for the error message when it cannot be had. Linux only; elsewhere nothing is known."""

from __future__ import annotations

from pathlib import Path

_LISTENING = "0A"
_UDP_BOUND = "07"


def holder_of(kind: str, port: int) -> str | None:
    """``name (pid N)`` of a process with that port; kind is "udp" or "tcp". None when it cannot be told."""
    inodes = _socket_inodes(kind, port)
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if _holds(process, inodes):
            return f"{_name(process)} (pid {process.name})"
    return None


def _socket_inodes(kind: str, port: int) -> set[str]:
    wanted_state = _UDP_BOUND if kind == "udp" else _LISTENING
    suffix = f":{port:04X}"
    found: set[str] = set()
    for table in (f"/proc/net/{kind}", f"/proc/net/{kind}6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[1].endswith(suffix) and fields[3] == wanted_state:
                found.add(f"socket:[{fields[9]}]")
    return found


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in inodes for link in (process / "fd").iterdir())
    except OSError:
        return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process"
