"""Dialogs (RFC 3261 12): the identifiers, sequence numbers, route set and remote target, and requests made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtone.sip.session import InviteSession

DialogKey = tuple[str, str, str]  # Call-ID, local tag, remote tag


def is_loose(route: str) -> bool:
    """Whether a Route element ("<sip:proxy;lr>") asks for loose routing: its URI has the parameter "lr"."""
    uri = _uri_of(route).partition("?")[0]
    return any(parameter.partition("=")[0].lower() == "lr" for parameter in uri.split(";")[1:])


def routed(route_set: tuple[str, ...], target: str) -> tuple[str, str]:
    """The Request-URI and the Route lines for a target behind a route set, RFC 3261 12.2.1.1."""
    if not route_set:
        return target, ""
    if is_loose(route_set[0]):
        return target, f"Route: {', '.join(route_set)}\r\n"
    # A strict router finds its own URI as Request-URI, and the target as the last route.
    return _uri_of(route_set[0]).partition("?")[0], f"Route: {', '.join((*route_set[1:], f'<{target}>'))}\r\n"


def _uri_of(route: str) -> str:
    start = route.rfind("<") + 1
    return route[start : route.find(">", start)] if start else route.partition(";")[0]


class Dialog:
    """One dialog.

    `local_uri` and `remote_uri` are the whole From and To values of requests sent, tags included. `route_set` holds
    Route elements, nearest proxy first. `remote_seq` is 0 until the peer has sent a request. `negotiated`: offer and
    answer are complete in this dialog. `invite_seq`: the CSeq number
    of our last INVITE in it. `remote_rseq`: the last reliable provisional response acknowledged in order.
    """

    __slots__ = (
        "_block",
        "_uri",
        "call_id",
        "invite_seq",
        "local_seq",
        "local_tag",
        "local_uri",
        "negotiated",
        "remote_body",
        "remote_rseq",
        "remote_seq",
        "remote_tag",
        "remote_target",
        "remote_uri",
        "route_set",
        "secure",
        "session",
    )
    __deletable__ = ("session",)  # mypyc wants to know

    def __init__(
        self,
        call_id: str,
        local_tag: str,
        remote_tag: str,
        local_uri: str,
        remote_uri: str,
        local_seq: int,
        remote_seq: int,
        route_set: tuple[str, ...],
        remote_target: str,
        secure: bool,
        session: InviteSession,
    ) -> None:
        self.session = session
        self.call_id = call_id
        self.local_tag = local_tag
        self.remote_tag = remote_tag
        self.local_uri = local_uri
        self.remote_uri = remote_uri
        self.local_seq = local_seq
        self.remote_seq = remote_seq
        self.route_set = route_set
        self.remote_target = remote_target
        self.secure = secure
        self.negotiated = False
        self.remote_body = b""
        self.remote_rseq = 0
        self.invite_seq = local_seq
        self._uri = ""
        self._block = ""

    @property
    def key(self) -> DialogKey:
        """How the endpoint finds the dialog."""
        return self.call_id, self.local_tag, self.remote_tag

    def refresh_target(self, uri: str) -> None:
        """Take the peer's Contact of a target refresh request or its 2xx (RFC 3261 12.2.1.2)."""
        if uri != self.remote_target:
            self.remote_target = uri
            self._block = ""

    def set_route(self, route_set: tuple[str, ...]) -> None:
        """Take the Record-Route of the 2xx, which replaces that of the provisional response (RFC 3261 13.2.2.4)."""
        if route_set != self.route_set:
            self.route_set = route_set
            self._block = ""

    def next_seq(self) -> int:
        """The CSeq number of the next request."""
        self.local_seq += 1
        return self.local_seq

    def request(self, method: str, seq: int, via: str, lines: str, body: bytes = b"") -> bytes:
        """A request in the dialog. `lines` are further whole header lines, Content-Type among them."""
        block = self._block
        if not block:
            self._uri, routes = routed(self.route_set, self.remote_target)
            block = self._block = (
                f"{routes}From: {self.local_uri}\r\nTo: {self.remote_uri}\r\nCall-ID: {self.call_id}\r\n"
            )
        head = (
            f"{method} {self._uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n{block}"
            f"CSeq: {seq} {method}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        return head + body if body else head

    @property
    def routing(self) -> tuple[str, str]:
        """The Request-URI and the Route lines of requests in this dialog."""
        return routed(self.route_set, self.remote_target)
