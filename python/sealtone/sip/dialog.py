"""Dialogs (RFC 3261 12)."""

from __future__ import annotations


class Dialog:
    """`call_id`, `local_tag`, `remote_tag`, `local_seq`, `remote_seq`, `route_set`, `remote_target`, `secure`."""

    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    remote_uri: str
    local_seq: int
    remote_seq: int
    route_set: tuple[str, ...]
    remote_target: str
    secure: bool
