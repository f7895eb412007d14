"""The short authentication string, as two people compare it (RFC 6189 4.5.2, 5.1.6 and 7)."""

from __future__ import annotations

from sealtone.zrtp.words import EVEN, ODD

SAS_HASH_OCTETS = 32
_BASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def render(sas_hash: bytes, sas_type: str) -> str:
    """The text to be compared, from the 32 octets of sashash (or the 4 of sasvalue, its leftmost 32 bits).

    "B32 " shows the leftmost 20 bits as four characters, "B256" the leftmost 16 as two words such as
    "aardvark:adroitness". Raises ValueError for another type.
    """
    if sas_type == "B32 ":
        value = int.from_bytes(sas_hash[:4], "big")
        return "".join(_BASE32[value >> shift & 31] for shift in (27, 22, 17, 12))
    if sas_type == "B256":
        return f"{EVEN[sas_hash[0]]}:{ODD[sas_hash[1]]}"
    raise ValueError(f"unknown SAS type {sas_type!r}")
