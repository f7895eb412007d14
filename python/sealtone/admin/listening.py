"""Who could listen, in words: the same sentences for panel, API and command line, translated where they are shown."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.model import Audience, Compare, Listener, Scheme


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


class Sentence(NamedTuple):
    """A sentence in English, with places such as ``{who}`` for `values`."""

    template: str
    values: dict[str, str]

    def __str__(self) -> str:
        return self.template.format(**self.values)


SCHEMES: dict[Scheme, str] = {
    Scheme.BOTH_SRTP: _("TLS and SRTP on both sides, through the server"),
    Scheme.BOTH_ZRTP: _("ZRTP on both sides, with the server as trusted middle"),
    Scheme.ZRTP_DIRECT: _("ZRTP from phone to phone, directly"),
    Scheme.ZRTP_SEALED: _("ZRTP from phone to phone, sealed through the server"),
    Scheme.SRTP_ZRTP: _("SRTP on one side, ZRTP on the other, through the server"),
    Scheme.OPEN: _("Not encrypted on at least one side"),
}


def who_could_listen_in_words(audience: Audience, caller: str, callee: str) -> tuple[Sentence, ...]:
    """What to tell a person: who could listen first, then what to do and what else is shown to whom."""
    names = {"caller": caller, "callee": callee}
    said = [Sentence(_listeners(audience.listeners), names)]
    if audience.compare is Compare.EACH_OTHER:
        said.append(Sentence(_("To be sure of that, compare the four characters (SAS) with each other once."), {}))
    elif audience.compare is Compare.SERVER:
        said.append(Sentence(_("Compare the SAS on the ZRTP phone with the one in the panel once, to be sure."), {}))
    if audience.addresses_shown:
        said.append(Sentence(_("Each phone is shown the other's IP address."), {}))
    networks = set(audience.metadata) - {Listener.SERVER}
    if networks:
        said.append(Sentence(_metadata(networks), names))
    return tuple(said)


def _listeners(listeners: tuple[Listener, ...]) -> str:
    networks = set(listeners) - {Listener.SERVER}
    if not listeners:
        return _("Nobody but the two of you could listen; the server cannot.")
    if not networks:
        return _("The server could listen. Nobody on the network could.")
    if len(networks) > 1:
        return _("The server could listen, and so could anybody on the network, on both sides.")
    if Listener.CALLER_NETWORK in networks:
        return _("The server could listen, and so could anybody on the network between {caller} and the server.")
    return _("The server could listen, and so could anybody on the network between {callee} and the server.")


def _metadata(networks: set[Listener]) -> str:
    if len(networks) > 1:
        return _("The signalling is not encrypted: the network on both sides sees who calls whom.")
    if Listener.CALLER_NETWORK in networks:
        return _("The signalling of {caller} is not encrypted: the network there sees who calls whom.")
    return _("The signalling of {callee} is not encrypted: the network there sees who calls whom.")
