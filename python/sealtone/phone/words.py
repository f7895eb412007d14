"""What a person is told of who could listen, from what was reached and what the server says of the other side."""

from __future__ import annotations

from sealtone.model import ZrtpStage
from sealtone.phone.zrtp_stream import ZrtpView

_CACHE = {
    "first contact": "first call with this peer",
    "matched": "the secret of earlier calls matches",
    "mismatch": "THE SECRET OF EARLIER CALLS IS NOT KNOWN THERE",
    "expired": "the secret of earlier calls has expired",
}
_SERVER = "The server could listen."


def secured_words(view: ZrtpView, peer: str) -> str:
    """The outcome of ZRTP with the SAS, and what to do with it."""
    cache = f"; {_CACHE[view.cache]}" if view.cache in _CACHE else ""
    return f"ZRTP ({view.suite}{cache}). SAS {view.sas}: {_compare(view, peer)}"


def relayed_words(view: ZrtpView, peer: str) -> str:
    """That the server relayed the SAS of the far side."""
    return f"through a trusted server, which relays the SAS {view.sas} of the other side: compare it with {peer}."


def _compare(view: ZrtpView, peer: str) -> str:
    if view.verified and view.trusted_mitm:
        return "compared before. Through a trusted server, which could listen."
    if view.verified:
        return "compared before."
    if view.trusted_mitm:
        return "compare it with the one that the server's panel shows. Through a trusted server, which could listen."
    return f"compare it with {peer}."


def who_could_listen(suite: str, tls: str, zrtp: ZrtpView | None, held: bool, far_leg: str) -> str:
    """One honest sentence or two.

    `suite`: of the keys that our signalling carried over `tls`, "" where there are none. `zrtp`: None where the phone
    is not set up for it. `held`: nothing is sent or heard. `far_leg`: the server's X-Sealtone-Far-Leg.
    """
    if zrtp is not None and not suite:
        if zrtp.is_secure and not zrtp.trusted_mitm:
            return _end_to_end(zrtp)
        if zrtp.is_secure:
            return f"This side: ZRTP ({zrtp.suite}) with a trusted server. {_far(far_leg)}"
        if held:
            why = "Keys are being agreed on by ZRTP" if zrtp.stage is ZrtpStage.AGREEING else f"{zrtp.why[:-1]}"
            return f"{why}; until there are keys, nothing is sent or heard."
    here = (
        f"This side: {suite} with keys over {tls}."
        if suite and tls
        else "This side is open: anyone on the network between here and the server could listen."
    )
    return f"{here} {_far(far_leg)}"


def _end_to_end(view: ZrtpView) -> str:
    if view.differs:
        return f"ZRTP ({view.suite}), but THE SAS DIFFERS: somebody in the middle may be listening."
    if view.verified:
        return f"End-to-end: ZRTP ({view.suite}), SAS {view.sas} compared. Nobody but the two of you could listen."
    return (
        f"End-to-end: ZRTP ({view.suite}). Nobody but the two of you could listen, "
        f"once you have compared the SAS {view.sas}."
    )


def _far(far_leg: str) -> str:
    if not far_leg:
        return f"{_SERVER[:-1]}; it says nothing about the other side."
    fields = dict(part.partition("=")[::2] for part in far_leg.split(";"))
    if fields.get("media", "none") in ("none", ""):
        return f"The other side is open: anyone on the network there could listen. {_SERVER}"
    over = f"{fields.get('media', '')} over {fields.get('signalling', '?')}"
    return f"The other side is encrypted too ({over}). {_SERVER}"
