"""The offer/answer state of a session (RFC 3264, RFC 3311, RFC 6337): who has offered, in what, and what may follow.

Rules. 1. At most one offer is under way in a session. 2. Who receives an offer while its own is unanswered refuses with
491; who receives a second one before answering the first refuses with 500 and Retry-After (RFC 3311 5.2, RFC 3261
14.2). 3. An offer is withdrawn by the failure of whatever carried it; what was agreed before then holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from sealtone.sip.transaction import ServerTransaction

By = Literal["", "local", "remote"]
Carrier = Literal["", "INVITE", "UPDATE", "PRACK", "1xx", "2xx"]

# Who has an offer outstanding -> the status that refuses an offer from the peer.
REFUSALS: Final[dict[By, int]] = {"": 0, "local": 491, "remote": 500}


class OfferState:
    """`by`: whose offer waits for an answer ("" none). `carrier`: what carried it. `tx`: the peer's request to answer.

    `wanted`: the peer's re-INVITE came without an offer and waits for ours. `proposed`: our offer, to become the
    local description once it is answered.
    """

    __slots__ = ("by", "carrier", "proposed", "tx", "wanted")

    def __init__(self) -> None:
        self.by: By = ""
        self.carrier: Carrier = ""
        self.tx: ServerTransaction | None = None
        self.wanted = False
        self.proposed = b""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.by and not self.wanted

    def refusal(self) -> int:
        """The status that refuses an offer coming now, 0 if it is welcome."""
        return 500 if self.wanted else REFUSALS[self.by]

    def offered(self, body: bytes, carrier: Carrier) -> None:
        """We have sent an offer."""
        self.by = "local"
        self.carrier = carrier
        self.proposed = body
        self.wanted = False

    def received(self, carrier: Carrier, tx: ServerTransaction | None) -> None:
        """The peer has sent an offer."""
        self.by = "remote"
        self.carrier = carrier
        self.tx = tx

    def settle(self) -> bytes:
        """The offer is answered or withdrawn; gives what we had offered."""
        proposed = self.proposed
        self.by = ""
        self.carrier = ""
        self.tx = None
        self.wanted = False
        self.proposed = b""
        return proposed
