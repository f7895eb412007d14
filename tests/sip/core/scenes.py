"""What the tests of the core have in common: two endpoints, a call between them, raw messages from a third."""

from __future__ import annotations

from dataclasses import replace

from calls.simnet import Node, SimNet
from sealtone.sip.endpoint import Invitation
from sealtone.sip.events import Answered, Confirmed, RequestReceived
from sealtone.sip.flow import Flow, Hop
from sealtone.sip.message import Request, Response, parse_message
from sealtone.sip.session import InviteSession

OFFER = b"v=0 offer"
ANSWER = b"v=0 answer"


def pair(net: SimNet, **config: object) -> tuple[Node, Node]:
    """Alice and Bob."""
    return net.node("10.0.0.1", **config), net.node("10.0.0.2", **config)


def invitation(hop: Hop, **changes: object) -> Invitation:
    """An invitation of Bob by Alice."""
    base = Invitation(
        request_uri="sip:bob@10.0.0.2",
        from_="Alice <sip:alice@example.org>",
        to="<sip:bob@example.org>",
        hop=hop,
        body=OFFER,
        contact_user="alice",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def ring(net: SimNet, alice: Node, bob: Node, **changes: object) -> tuple[InviteSession, InviteSession]:
    """Alice has called, Bob has taken the call into a session, nothing is answered."""
    hop = changes.pop("hop", None) or net.udp(alice, bob)
    calling = alice.endpoint.invite(invitation(hop, **changes), net.now)  # type: ignore[arg-type]
    net.run(0.05)
    received = bob.take_one(RequestReceived)
    called = bob.endpoint.accept(received.tx, net.now)
    called.contact_user = "bob"
    net.run(0.05)
    return calling, called


def call(net: SimNet, alice: Node, bob: Node, **changes: object) -> tuple[InviteSession, InviteSession]:
    """An established call."""
    calling, called = ring(net, alice, bob, **changes)
    called.progress(180, net.now)
    net.run(0.05)
    called.accept(ANSWER, net.now)
    net.run(0.1)
    alice.take_one(Answered)
    bob.take_one(Confirmed)
    assert (calling.state, called.state) == ("confirmed", "confirmed")
    return calling, called


def assert_clean(net: SimNet, *nodes: Node) -> None:
    """After 64*T1 and what lingers, nothing is left: no session, dialog, transaction or timer."""
    net.run(70.0)
    for node in nodes:
        endpoint = node.endpoint
        assert endpoint.session_count == 0
        assert not endpoint.dialogs
        assert not endpoint.ringing
        assert endpoint.transaction_count == 0
        assert not endpoint.layer.merges
        assert not endpoint.layer.by_flow
        assert endpoint.next_timeout() is None


class RawPeer:
    """A peer whose messages the test writes itself, at 10.0.0.9 (UDP) unless told otherwise."""

    def __init__(self, node: Node, net: SimNet, flow: Flow | None = None) -> None:
        self.node = node
        self.net = net
        self.flow = flow or Flow(node.socket_id, "udp", (node.host, 5060), ("10.0.0.9", 5060))

    def send(self, text: str, body: bytes = b"") -> list[Request | Response]:
        """Give a message (lines ending in LF) to the node; gives what it sent at once."""
        content = "\nContent-Type: application/sdp" if body else ""
        head = (text.strip() + content).replace("\n", "\r\n") + f"\r\nContent-Length: {len(body)}\r\n\r\n"
        self.node.endpoint.receive(head.encode() + body, self.flow, self.net.now)
        return self.replies()

    def replies(self) -> list[Request | Response]:
        """What the node has sent since."""
        return [parse_message(data) for data, _ in self.node.endpoint.transmits()]

    def request(self, method: str, cseq: int = 1, branch: str = "z9hG4bK1", extra: str = "", **parts: str) -> str:
        """A request as text."""
        values = {
            "uri": "sip:bob@10.0.0.2",
            "to": "<sip:bob@example.org>",
            "from_": "<sip:carol@example.org>;tag=carol",
            "call_id": "raw-call",
            "via": f"SIP/2.0/UDP 10.0.0.9:5060;branch={branch};rport",
            "hops": "70",
        } | parts
        return (
            f"{method} {values['uri']} SIP/2.0\nVia: {values['via']}\nMax-Forwards: {values['hops']}\n"
            f"From: {values['from_']}\nTo: {values['to']}\nCall-ID: {values['call_id']}\nCSeq: {cseq} {method}\n"
            f"Contact: <sip:carol@10.0.0.9>\n{extra}"
        )


def invite_in(node: Node) -> Request:
    """The last INVITE that a node sent, parsed."""
    text = [text for text in node.sent if text.startswith("INVITE")][-1]
    message = parse_message(text.encode())
    assert isinstance(message, Request)
    return message


def response_text(request: Request, status: int, to_tag: str | None = "t1", extra: str = "") -> str:
    """A response to a request, as text for `RawPeer.send`."""
    headers = request.headers
    tag = f";tag={to_tag}" if to_tag and request.to.tag is None else ""
    return (
        f"SIP/2.0 {status} Whatever\nVia: {headers.get('Via')}\nFrom: {headers.get('From')}\nTo: {headers.get('To')}{tag}\n"
        f"Call-ID: {headers.get('Call-ID')}\nCSeq: {headers.get('CSeq')}\n{extra}"
    )
