"""Messages of RFCs for tests, written in the notation of RFC 4475 and expanded here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_HEX = re.compile(rb"<hex>([0-9A-Fa-f\s]*)</hex>")
_REPEAT = re.compile(rb"<repeat count=(\d+)>(.*?)</repeat>", re.DOTALL)


class Vector(NamedTuple):
    """One message: the section of the RFC it stands in, its name there, its octets."""

    section: str
    name: str
    octets: bytes


def vectors(file: str) -> dict[str, Vector]:
    """The messages of a file beside this one, by name."""
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    found: dict[str, Vector] = {}
    for part in ("\n" + text).split("\n== ")[1:]:
        heading, _, message = part.partition("\n")
        section, name, *_ = heading.split()
        assert name not in found, f"{name} stands twice in {file}"
        found[name] = Vector(section, name, expanded(message))
    return found


def expanded(text: str) -> bytes:
    """The octets that a message in the notation of RFC 4475 section 2.1 stands for."""
    octets = bytearray()
    whole_lines = True
    for line in text.removesuffix("\n").split("\n"):
        if line in ("<allOneLine>", "</allOneLine>"):
            whole_lines = line == "</allOneLine>"
            octets += b"\r\n" if whole_lines else b""
        else:
            octets += line.encode() + (b"\r\n" if whole_lines else b"")
    repeated = _REPEAT.sub(lambda found: found[2] * int(found[1]), bytes(octets))
    return _HEX.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), repeated)
