"""Several endpoints joined by a simulated network under simulated time: no sockets, no clock, the same every time.

    net = SimNet(seed=1, loss=0.1)
    alice, bob = net.node("10.0.0.1"), net.node("10.0.0.2")
    session = alice.endpoint.invite(Invitation(..., hop=net.udp(alice, bob)), net.now)
    net.run(5.0)                          # everything that happens within five seconds
    received = bob.take(RequestReceived)  # the events of that type, in order, out of what bob was told

A command to an endpoint outside `run` needs no draining: `run` begins with it. Loss, duplication and reordering hold
for UDP; stream connections keep order and lose nothing. `Node.on_event` may act at once on what its endpoint tells.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush
from typing import TypeVar

from sealtone.sip.endpoint import Endpoint, EndpointConfig
from sealtone.sip.events import Event
from sealtone.sip.flow import Flow, Hop, Target, TransportName

T = TypeVar("T")
PORT = 5060


class Connection:
    """A stream connection between two nodes, with one Flow for each side."""

    def __init__(self, near: Node, far: Node, near_flow: Flow, far_flow: Flow) -> None:
        self.ends = {near_flow.id: (far, far_flow), far_flow.id: (near, near_flow)}
        self.open = True


class Node:
    """One endpoint with an address. `log` holds every event it told, `sent` the messages it gave out, as text."""

    def __init__(self, net: SimNet, host: str, config: EndpointConfig) -> None:
        self.net = net
        self.host = host
        self.socket_id = net.new_id()
        randomness = random.Random(f"{net.seed} {host}")
        self.endpoint = Endpoint(config, randomness.randbytes)
        self.on_event: Callable[[Event], None] | None = None
        self.deaf = False  # loses every datagram that comes to it
        self.log: list[Event] = []
        self.sent: list[str] = []
        self._inbox: list[Event] = []

    def take(self, kind: type[T]) -> list[T]:
        """The events of one type that were told and not taken before."""
        found: list[T] = [event for event in self._inbox if isinstance(event, kind)]
        self._inbox = [event for event in self._inbox if not isinstance(event, kind)]
        return found

    def take_one(self, kind: type[T]) -> T:
        """The same where there has to be exactly one."""
        found = self.take(kind)
        assert len(found) == 1, f"{len(found)} {kind.__name__}, and {self._inbox}"
        return found[0]

    def sent_lines(self) -> list[str]:
        """The start lines of what was sent, in order."""
        return [text.partition("\r\n")[0] for text in self.sent]

    def count_sent(self, beginning: str) -> int:
        """How many messages sent begin so."""
        return sum(text.startswith(beginning) for text in self.sent)

    def tell(self, event: Event) -> None:
        """Note an event and act on it."""
        self.log.append(event)
        self._inbox.append(event)
        if self.on_event is not None:
            self.on_event(event)


class SimNet:
    """The network. `delay_s` is a range drawn from for each datagram; `loss`, `duplicate`, `reorder` are probabilities."""

    def __init__(
        self,
        seed: int = 0,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay_s: tuple[float, float] = (0.01, 0.01),
    ) -> None:
        self.seed = seed
        self.now = 1000.0
        self.loss = loss
        self.duplicate = duplicate
        self.reorder = reorder
        self.delay_s = delay_s
        self.nodes: dict[str, Node] = {}
        self.connections: dict[int, Connection] = {}
        self.drop: Callable[[bytes, Node], bool] | None = None  # drops chosen datagrams
        self._random = random.Random(seed)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._ids = 0

    def new_id(self) -> int:
        """A number not given before."""
        self._ids += 1
        return self._ids

    def node(self, host: str, **config: object) -> Node:
        """Add an endpoint; keywords are those of `EndpointConfig`."""
        base = EndpointConfig(user_agent="", contact_for=lambda hop: (host, PORT))
        node = self.nodes[host] = Node(self, host, replace(base, **config))  # type: ignore[arg-type]
        return node

    def udp(self, near: Node, far: Node) -> Flow:
        """The UDP flow by which `near` reaches `far`."""
        return Flow(near.socket_id, "udp", (near.host, PORT), (far.host, PORT))

    def connect(self, near: Node, far: Node, transport: TransportName = "tcp") -> Flow:
        """Open a stream connection; gives the near side's flow."""
        near_port = 40000 + self.new_id()
        near_flow = Flow(self.new_id(), transport, (near.host, near_port), (far.host, PORT))
        far_flow = Flow(self.new_id(), transport, (far.host, PORT), (near.host, near_port))
        connection = Connection(near, far, near_flow, far_flow)
        self.connections[near_flow.id] = self.connections[far_flow.id] = connection
        return near_flow

    def far_side(self, flow: Flow) -> Flow:
        """The other side's flow of a stream connection."""
        return self.connections[flow.id].ends[flow.id][1]

    def close(self, flow: Flow) -> None:
        """Break a stream connection: both sides learn it."""
        connection = self.connections[flow.id]
        connection.open = False
        for node, end in connection.ends.values():
            node.endpoint.flow_closed(end, self.now)

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something at a simulated time."""
        heappush(self._queue, (when, self.new_id(), action))

    def run(self, seconds: float) -> None:
        """Let simulated time pass."""
        end = self.now + seconds
        while True:
            self._drain()
            when, action = self._next()
            if action is None or when > end:
                break
            self.now = max(self.now, when)
            action()
        self.now = end

    def run_until_quiet(self, limit_s: float = 3600.0) -> float:
        """Let time pass until nothing waits any more, at most `limit_s`; gives how long it took."""
        start = self.now
        while self.now - start < limit_s:
            self._drain()
            when, action = self._next()
            if action is None:
                return self.now - start
            self.now = max(self.now, when)
            action()
        raise AssertionError(f"still not quiet after {limit_s} s")

    def _next(self) -> tuple[float, Callable[[], None] | None]:
        """The next thing to happen."""
        best = self._queue[0][0] if self._queue else float("inf")
        sleeper: Node | None = None
        for node in self.nodes.values():
            when = node.endpoint.next_timeout()
            if when is not None and when < best:
                best, sleeper = when, node
        if sleeper is not None:
            endpoint = sleeper.endpoint
            return best, lambda: endpoint.handle_timeout(self.now)
        return (best, self._take_next) if self._queue else (best, None)

    def _take_next(self) -> None:
        heappop(self._queue)[2]()

    def _drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for node in list(self.nodes.values()):
                for data, hop in node.endpoint.transmits():
                    busy = True
                    node.sent.append(data.decode("utf-8", "surrogateescape"))
                    self._carry(node, data, hop)
                for event in node.endpoint.events():
                    busy = True
                    node.tell(event)

    def _carry(self, node: Node, data: bytes, hop: Hop) -> None:
        if hop.transport == "udp":
            self._carry_datagram(node, data, hop)
        else:
            self._carry_stream(node, data, hop)

    def _carry_datagram(self, node: Node, data: bytes, hop: Hop) -> None:
        host = hop.host if isinstance(hop, Target) else hop.remote[0]
        far = self.nodes.get(host)
        draw = self._random.random
        if far is None or far.deaf or draw() < self.loss or (self.drop is not None and self.drop(data, node)):
            return
        flow = self.udp(far, node)
        copies = 2 if draw() < self.duplicate else 1
        for _ in range(copies):
            delay_s = self._random.uniform(*self.delay_s)
            if draw() < self.reorder:
                delay_s += 0.3 * draw()
            self.at(self.now + delay_s, lambda: far.endpoint.receive(data, flow, self.now))

    def _carry_stream(self, node: Node, data: bytes, hop: Hop) -> None:
        if isinstance(hop, Target):
            far = self.nodes.get(hop.host)
            if far is None:
                node.endpoint.send_failed(hop, self.now)
                return
            flow = self._connection_to(node, far, hop.transport)
        else:
            flow = hop
        connection = self.connections.get(flow.id)
        if connection is None or not connection.open:
            node.endpoint.send_failed(hop, self.now)
            return
        far, far_flow = connection.ends[flow.id]

        def deliver() -> None:
            if connection.open:
                far.endpoint.receive(data, far_flow, self.now)

        self.at(self.now + self.delay_s[1], deliver)

    def _connection_to(self, near: Node, far: Node, transport: TransportName) -> Flow:
        for connection in self.connections.values():
            flows = {node.host: flow for node, flow in connection.ends.values()}
            near_flow = flows.get(near.host)
            if connection.open and near_flow is not None and far.host in flows and near_flow.transport == transport:
                return near_flow
        return self.connect(near, far, transport)
