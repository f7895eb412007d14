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


def sas_words(view: ZrtpView, peer: str) -> str:
    """The SAS, and what to do with it."""
    if view.differs:
        return f"SAS {view.sas}, which differs."
    if view.relayed:
        return f"SAS {view.sas} of the other side, relayed by the trusted server: compare it with {peer}."
    if view.verified:
        return f"SAS {view.sas}, compared before."
    if view.trusted_mitm:
        return f"SAS {view.sas}: compare it with the one that the server's panel shows."
    return f"SAS {view.sas}: compare it with {peer}."


def who_could_listen(suite: str, tls: str, zrtp: ZrtpView | None, held: bool, far_leg: str) -> str:
    """One honest sentence or two.

    `suite`: of the keys that our signalling carried over `tls`, "" where there are none. `zrtp`: None where the phone
    is not set up for it. `held`: nothing is sent or heard. `far_leg`: the server's X-Sealtone-Far-Leg.
    """
    if zrtp is not None and zrtp.is_secure and zrtp.trusted_mitm:
        return f"This side: {_keys(zrtp)} with a trusted server. {_far(far_leg)}"
    if zrtp is not None and zrtp.is_secure:
        return _end_to_end(zrtp)
    if held and zrtp is not None and zrtp.stage is ZrtpStage.AGREEING:
        return "Keys are being agreed on by ZRTP; until then nothing is sent or heard."
    if held:
        return "There are no keys, so nothing is sent or heard."
    here = (
        f"This side: {suite} with keys over {tls}."
        if suite and tls
        else "This side is open: anyone on the network between here and the server could listen."
    )
    return f"{here} {_far(far_leg)}"


def _keys(view: ZrtpView) -> str:
    cache = f"; {_CACHE[view.cache]}" if view.cache in _CACHE else ""
    return f"ZRTP ({view.suite}{cache})"


def _end_to_end(view: ZrtpView) -> str:
    if view.differs:
        return f"{_keys(view)}, but THE SAS DIFFERS: somebody in the middle may be listening."
    if view.verified:
        return f"End-to-end: {_keys(view)}. Nobody but the two of you could listen."
    return f"End-to-end: {_keys(view)}. Nobody but the two of you could listen, once you have compared the SAS."


def _far(far_leg: str) -> str:
    if not far_leg:
        return f"{_SERVER[:-1]}; it says nothing about the other side."
    fields = dict(part.partition("=")[::2] for part in far_leg.split(";"))
    if fields.get("media", "none") in ("none", ""):
        return f"The other side is open: anyone on the network there could listen. {_SERVER}"
    if fields["media"] == "zrtp":  # said before any keys were agreed on there, and not again
        return f"The other side is set up for ZRTP; whether it came to keys, the server knows. {_SERVER}"
    over = f"{fields.get('media', '')} over {fields.get('signalling', '?')}"
    return f"The other side is encrypted too ({over}). {_SERVER}"
