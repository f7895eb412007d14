"""MESSAGE between users outside a call (RFC 3428): to every phone of who is meant; the first to take it settles it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sealtone.b2bua.plane import Directory, NoRoute, Service
from sealtone.model import SipUser
from sealtone.sip.endpoint import Endpoint
from sealtone.sip.events import ResponseReceived, TransactionFailed
from sealtone.sip.message import Headers, Request
from sealtone.sip.transaction import ServerTransaction

MAX_BODY: Final = 16_384


class _Delivery:
    """One message on its way to several phones."""

    __slots__ = ("open", "status", "tx")

    def __init__(self, tx: ServerTransaction) -> None:
        self.tx = tx
        self.open = 0
        self.status = 480


class MessageRelay:
    """Sends messages on and answers who sent them. Nothing is stored: where nobody is there, the sender is told."""

    def __init__(self, endpoint: Endpoint, directory: Directory, entropy_hex: Callable[[int], str]) -> None:
        self._endpoint = endpoint
        self._directory = directory
        self._entropy_hex = entropy_hex

    def relay(self, tx: ServerTransaction, sender: SipUser, now: float) -> None:
        request = tx.request
        if request is None:
            return
        if len(request.body) > MAX_BODY:
            self._endpoint.respond(tx, 413, now, f"A message may have {MAX_BODY} bytes at most")
            return
        found = self._directory.resolve(request.uri, sender)
        if isinstance(found, NoRoute):
            self._endpoint.respond(tx, found.status, now, found.reason)
            return
        if isinstance(found, Service):
            self._endpoint.respond(tx, 405, now, "That number takes no messages")
            return
        delivery = _Delivery(tx)
        forwards = request.max_forwards
        for destination in found.destinations:
            headers = Headers()
            for route in destination.route:
                headers.add("Route", route)
            headers.add("Max-Forwards", str((70 if forwards is None else forwards) - 1))
            headers.add("From", f"<sip:{sender.aor}>;tag={self._entropy_hex(6)}")
            headers.add("To", f"<sip:{destination.user.aor}>")
            headers.add("Call-ID", self._entropy_hex(16))
            headers.add("CSeq", "1 MESSAGE")
            content_type = request.headers.get("Content-Type")
            if content_type is not None:
                headers.add("Content-Type", content_type)
            passed = self._endpoint.request(
                Request("MESSAGE", destination.request_uri, headers, request.body), destination.hop, now
            )
            passed.owner = delivery
            delivery.open += 1

    def on_response(self, event: ResponseReceived, now: float) -> None:
        if event.response.status >= 200:
            self._settle(event.tx.owner, event.response.status, now)

    def on_failure(self, event: TransactionFailed, now: float) -> None:
        self._settle(event.tx.owner, 480, now)

    def _settle(self, delivery: object, status: int, now: float) -> None:
        if not isinstance(delivery, _Delivery):
            return
        delivery.open -= 1
        if status < 300:
            self._endpoint.respond(delivery.tx, status, now)  # no effect after the first
            return
        if status >= 600 or (400 <= status < 500 and status not in (401, 403, 407, 408)):
            delivery.status = status
        if delivery.open == 0:
            self._endpoint.respond(delivery.tx, delivery.status, now)
