"""Who could listen to a call, from what its legs reached: as data, which the panel, the API and the command line word.

Rules:

1. It is computed from two legs as they are (`LegSecurity`), never from what was wished. A call that is only thought
   of has legs too: those that it would come to.
2. What does not add up counts as open (`security.leg_fault`): the network may listen wherever it is not known that it
   cannot.
3. A server that ends the media of a call can listen to it, whatever protects the legs. Only of a sealed or a direct
   call that agreed on keys it is said that the server cannot.
4. ZRTP keeps out who only listens; somebody in the middle is kept out once the SAS was compared. Who has to compare
   with whom is `compare`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from sealtone.model.security import CallState, KeyExchange, LegSecurity, MediaPath, call_state, leg_state


class Scheme(StrEnum):
    """How the two legs of a call are protected together."""

    BOTH_SRTP = "srtp-srtp"
    """TLS and SRTP on both legs, the media ended in the server."""
    BOTH_ZRTP = "zrtp-zrtp"
    """ZRTP on both legs, the server being the trusted man in the middle."""
    ZRTP_DIRECT = "zrtp-direct"
    """ZRTP between the two phones, whose media goes from one to the other."""
    ZRTP_SEALED = "zrtp-sealed"
    """ZRTP between the two phones, through the server, which cannot decrypt it."""
    SRTP_ZRTP = "srtp-zrtp"
    """One leg each, ended in the server."""
    OPEN = "open"
    """At least one leg is not encrypted."""

    @property
    def number(self) -> str:
        """As the documents number the schemes: 1, 2, 3 (direct), 3s (sealed), 4, 5."""
        return _NUMBERS[self]


_NUMBERS: Final = {
    Scheme.BOTH_SRTP: "1",
    Scheme.BOTH_ZRTP: "2",
    Scheme.ZRTP_DIRECT: "3",
    Scheme.ZRTP_SEALED: "3s",
    Scheme.SRTP_ZRTP: "4",
    Scheme.OPEN: "5",
}


class Listener(StrEnum):
    """Somebody beside the two who could hear what is said."""

    SERVER = "server"
    CALLER_NETWORK = "caller's network"
    """Whoever is on the way between the caller's phone and the server."""
    CALLEE_NETWORK = "callee's network"


class Compare(StrEnum):
    """Who has to compare a SAS, so that nobody can have placed themselves in the middle."""

    NOTHING = "nothing"
    """There is no SAS, or it was compared before."""
    EACH_OTHER = "each other"
    """The two, with each other."""
    SERVER = "server"
    """Whoever has a ZRTP leg, with the server's panel."""


class Audience(NamedTuple):
    """Who could listen to a call."""

    scheme: Scheme
    listeners: tuple[Listener, ...]
    """Empty: nobody but the two."""
    state: CallState
    """What a person is shown."""
    compare: Compare
    addresses_shown: bool
    """Whether each phone learns the other's IP address (a direct path)."""
    metadata: tuple[Listener, ...]
    """Who can see that the two talk with each other: the server always, a network where its signalling is not
    encrypted."""


def who_could_listen(a: LegSecurity, b: LegSecurity | None = None) -> Audience:
    """Of a call from `a` to `b`; None where a service of the server answers."""
    legs = (a,) if b is None else (a, b)
    state = call_state(a, b)
    if state is CallState.END_TO_END:
        listeners: tuple[Listener, ...] = ()
    elif state is CallState.OPEN:
        alone = [leg_state(leg) is CallState.OPEN for leg in legs]
        # Where each leg would do for itself, it is the two together that do not add up.
        listeners = (Listener.SERVER, *_networks([not any(alone) or is_open for is_open in alone]))
    else:
        listeners = (Listener.SERVER,)
    return Audience(
        _scheme(state, legs),
        listeners,
        state,
        _compare(state, legs),
        addresses_shown=any(leg.media_path is MediaPath.DIRECT for leg in legs),
        metadata=(Listener.SERVER, *_networks([not leg.signalling_is_encrypted for leg in legs])),
    )


def _networks(chosen: list[bool]) -> tuple[Listener, ...]:
    networks = (Listener.CALLER_NETWORK, Listener.CALLEE_NETWORK)
    return tuple(network for network, is_chosen in zip(networks, chosen, strict=False) if is_chosen)


def _scheme(state: CallState, legs: tuple[LegSecurity, ...]) -> Scheme:
    if state is CallState.OPEN:
        return Scheme.OPEN
    if state is CallState.END_TO_END:
        return Scheme.ZRTP_DIRECT if legs[0].media_path is MediaPath.DIRECT else Scheme.ZRTP_SEALED
    by_zrtp = {leg.key_exchange is KeyExchange.ZRTP for leg in legs}
    if len(by_zrtp) > 1:
        return Scheme.SRTP_ZRTP
    return Scheme.BOTH_ZRTP if True in by_zrtp else Scheme.BOTH_SRTP


def _compare(state: CallState, legs: tuple[LegSecurity, ...]) -> Compare:
    if state is CallState.END_TO_END:
        return Compare.EACH_OTHER
    if any(leg.key_exchange is KeyExchange.ZRTP and not leg.sas_verified for leg in legs):
        return Compare.SERVER
    return Compare.NOTHING
