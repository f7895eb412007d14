"""Which codecs a leg's phone is offered and answered, and whether two legs pass packets on or go through codecs.

How it works, and its rules:

1. Nothing is transcoded that need not be. A phone is offered first what it has in common with the other one, in its
   user's order, then what the server can turn that into; the latter only as long as it is not known to have any of the
   former. It is answered with what the other phone has accepted, wherever it offered that itself; its own preference
   comes second. A phone that has chosen by its own order all the same, and has listed a common codec too, is offered
   the common ones alone once the call is up; until then it is heard through codecs.
2. Else the server decodes and encodes: each phone is answered with its best codec that the server has, and with
   telephone-event of the same clock (RFC 4733 2.1). That it is given in any case where the server makes its codec: what
   the other phone does not take as an event it hears as a tone (`key_tones.py`).
3. Each leg has payload types of its own. A number means one format for the whole session (RFC 3264 8.3.2).
4. A phone's choice is the first voice codec of its answer. Two legs pass packets on where each one's choice is a codec
   that the other agreed to, in frames that both read, in packets that are not longer than the other takes. A phone may
   send any other codec of its own that was agreed, too; should the other phone not have it, it is heard through codecs
   from the moment on that it does.
5. Where the server decodes nothing (a sealed or direct path) there are no other codecs than those of both phones.

Everything here is decided again and again for the same few lists, so it is remembered by these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from sealtone.b2bua.leg_media import Negotiated, Payloads, Refused, map_between
from sealtone.b2bua.plane import PayloadFormat
from sealtone.sdp import AudioDescription, Codec, SdpError, answer_codecs, fmtp, permitted_codecs, renumbered
from sealtone.sdp.catalogue import CATALOGUE, DEFAULT_ORDER, EVENT_CLOCKS, is_voice, listed, name_of, packet_time
from sealtone.sdp.remember import remembered

Codecs = tuple[Codec, ...]
Encodings = frozenset[str]
"""Those that the server can decode and encode here, in lower case; empty where it can only pass packets on."""
NOTHING: Final[Encodings] = frozenset()

_EVENTS: Final = "telephone-event"
_NOISE: Final = "cn"
_WITH_NOISE: Final = frozenset({"pcmu", "pcma", "g722"})
"""Codecs without a way of their own to say that nobody speaks (RFC 3389 1)."""
_MOST_NAMED: Final = 12
_MOST_DESCRIBED: Final = 16
_UNPRINTABLE: Final = re.compile(r"[^A-Za-z0-9_.+/-]")


def encodings_of(known: Mapping[str, str]) -> Encodings:
    """What the media core can do, from `MediaPlane.codecs`."""
    return frozenset(encoding.lower() for encoding, why_not in known.items() if not why_not)


@remembered
def offered(
    source: Codecs, names: tuple[str, ...], server: Encodings, known: Codecs, common_alone: bool = False
) -> Codecs:
    """What to offer to a phone of a user with the codecs `names`, where the other phone has `source`.

    `server`: what the server may decode in this call; none where media passes it unseen. `known`: what payload types
    mean in this session already. `common_alone`: no voice codec that the other phone has not. Raises `Refused` where
    nothing is left.
    """
    common = permitted_codecs(source, names)
    added = _added(names, common, server, common_alone) if server and decodable(source, server) else ()
    if not any(map(is_voice, (*common, *added))):
        raise Refused(488, without_common(source, names))
    try:
        common = renumbered(common, known) if known else common
    except SdpError as error:
        raise Refused(488, str(error)) from None
    if not added:
        return common
    meant = (*common, *known)
    numbered: list[Codec] = []
    for codec in added:
        try:
            (codec,) = renumbered((codec,), meant)
        except SdpError:
            continue  # no number is left for it
        meant = (codec, *meant)
        numbered.append(codec)
    everything = (*common, *numbered)
    return (*filter(is_voice, everything), *(codec for codec in everything if not is_voice(codec)))


def _added(names: tuple[str, ...], common: Codecs, server: Encodings, common_alone: bool = False) -> Codecs:
    """What the server offers of its own beside `common`: voice codecs, and telephone-event for clocks that lack it.

    Where `common` has events they are passed on, in its clocks; so it gets no others.
    """
    has = {name_of(codec) for codec in common}
    voice = [fmtp.ours(CATALOGUE[name].codec) for name in _in_order(names) if name not in has and not common_alone]
    voice = [codec for codec in voice if codec.encoding.lower() in server]
    clocks = [codec.clock for codec in common if codec.is_telephone_event]
    passed_on = first_voice(common)
    if clocks or passed_on is None or not decodable((passed_on,), server):  # no tone could be made of its keys
        spoken = voice
    else:
        spoken = [*(codec for codec in common if decodable((codec,), server)), *voice]
    events: list[Codec] = []
    for codec in spoken if _EVENTS in server else ():
        if codec.clock not in clocks:
            clocks.append(codec.clock)
            events.append(fmtp.ours(Codec(EVENT_CLOCKS[codec.clock], _EVENTS, codec.clock)))
    return (*voice, *events)


@remembered
def of_our_own(names: tuple[str, ...], server: Encodings) -> Codecs:
    """What the server itself offers to a phone of a user with the codecs `names`: all that it can decode of these."""
    return _added(names, (), server)


@remembered
def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """A user's list in names of the catalogue; an encoding alone means all that it has."""
    if not names:
        return DEFAULT_ORDER
    wanted: dict[str, None] = {}
    for name in names:
        for known, entry in CATALOGUE.items():
            encoding = entry.codec.encoding.lower()
            if name.lower() in (known, encoding, f"{encoding}/{entry.codec.clock}"):
                wanted.setdefault(known)
    return tuple(wanted)


@remembered
def answered(asked: Codecs, accepted: Codecs, names: tuple[str, ...], server: Encodings) -> Codecs:
    """What to answer to a phone that offered `asked`, where the other one accepted, or has in use, `accepted`.

    `accepted` begins with the other phone's choice. Raises `Refused` where neither passing on nor transcoding is left.
    """
    shared = _relayed(asked, accepted, names)
    if shared:
        # Though the other phone may have chosen what this one has not: it can still be told to change.
        return (*shared, *_unshared_events(asked, shared, server))
    if decodable(accepted, server):
        mine = permitted_codecs(asked, names)
        best = next((codec for codec in mine if is_voice(codec) and decodable((codec,), server)), None)
        if best is not None:
            return (fmtp.answered(best), *_companions(asked, best, server))
    raise Refused(488, without_common(permitted_codecs(asked, names) or asked, accepted))


def _relayed(asked: Codecs, accepted: Codecs, names: tuple[str, ...]) -> Codecs:
    shared = answer_codecs(asked, permitted_codecs(accepted, names))
    by_number = {codec.payload_type: codec for codec in asked}
    return tuple([fmtp.relayed(by_number[codec.payload_type], codec) for codec in shared])


def _unshared_events(asked: Codecs, shared: Codecs, server: Encodings) -> Codecs:
    """telephone-event for a phone whose voice is passed on to one that has none."""
    voice = first_voice(shared)
    if voice is None or any(codec.is_telephone_event for codec in shared) or not decodable((voice,), server):
        return ()
    return tuple(codec for codec in _companions(asked, voice, server) if codec.is_telephone_event)


def _companions(asked: Codecs, voice: Codec, server: Encodings) -> Codecs:
    """Of the formats that go along with `voice`: one for events, one for noise."""
    found: list[Codec] = []
    events = [codec for codec in asked if codec.is_telephone_event]
    if events and _EVENTS in server:
        # Many phones offer 8000 alone, whatever the clock of their voice.
        found.append(fmtp.answered(next((codec for codec in events if codec.clock == voice.clock), events[0])))
    if _NOISE in server and voice.encoding.lower() in _WITH_NOISE:
        noise = (codec for codec in asked if codec.encoding.lower() == _NOISE and codec.clock == voice.clock)
        found += [fmtp.answered(codec) for codec in noise][:1]
    return tuple(found)


def stays(asked: Codecs, in_use: Codecs, names: tuple[str, ...], server: Encodings) -> bool:
    """Whether a phone's new offer can be answered while the other phone goes on with what it has in use."""
    if not server:
        return False
    try:
        return bool(answered(asked, in_use, names, server))
    except Refused:
        return False


@remembered
def of_offer(said: Codecs, names: tuple[str, ...]) -> Codecs:
    """Those of a phone's offer that its user permits, in the user's order."""
    return permitted_codecs(said, names)


@remembered
def of_answer(said: Codecs, names: tuple[str, ...]) -> Codecs:
    """Those of a phone's answer that its user permits. The order is the phone's: it says what the phone has chosen."""
    permitted = permitted_codecs(said, names)
    return tuple([codec for codec in said if codec in permitted]) if names else permitted


def could_pass(agreed: Codecs, theirs: Codecs) -> bool:
    """Whether a phone has chosen what the other one has not, but agreed to a codec that this one has too."""
    return not _has(theirs, first_voice(agreed)) and any(is_voice(codec) and _has(theirs, codec) for codec in agreed)


def gains(asked: Codecs, in_use: Codecs) -> bool:
    """Whether a phone that offered `asked` could be told to use what the other one has chosen."""
    return _has(asked, first_voice(in_use))


def shares(source: Codecs, names: tuple[str, ...], among: Codecs | None = None) -> bool:
    """Whether a user with the codecs `names` permits any voice codec of `source`; one that is `among` these too."""
    return any(is_voice(codec) and (among is None or _has(among, codec)) for codec in permitted_codecs(source, names))


def decodable(codecs: Iterable[Codec], server: Encodings) -> bool:
    """Whether the server can decode and encode any voice codec of these."""
    return any(codec.encoding.lower() in server and name_of(codec) for codec in codecs)


def first_voice(codecs: Iterable[Codec]) -> Codec | None:
    """The first voice codec; None where there is none."""
    for codec in codecs:
        if is_voice(codec):
            return codec
    return None


def events_of(codecs: Codecs) -> Codec | None:
    """telephone-event of the clock of the first voice codec (RFC 4733 2.1), else the first; None without any."""
    voice = first_voice(codecs)
    events = [codec for codec in codecs if codec.is_telephone_event]
    same_clock = (codec for codec in events if voice is not None and codec.clock == voice.clock)
    return next(same_clock, events[0] if events else None)


def _has(codecs: Iterable[Codec], wanted: Codec | None) -> bool:
    return wanted is not None and any(codec.same_format(wanted) for codec in codecs)


# Of two legs that have agreed on codecs each


class Joined(NamedTuple):
    """How two legs are joined; the maps are of payload types, for packets that are passed on."""

    transcodes: bool
    map_ab: dict[int, int]
    map_ba: dict[int, int]


def joined(a: Negotiated, b: Negotiated, server: Encodings) -> Joined:
    """How what two phones agreed on goes together.

    Where the server can do neither well, packets are passed on: some may be understood.
    """
    return _joined(
        *(a.local.codecs, a.remote.codecs, a.agreed, a.local.ptime_ms, a.remote.ptime_ms, a.remote.maxptime_ms),
        *(b.local.codecs, b.remote.codecs, b.agreed, b.local.ptime_ms, b.remote.ptime_ms, b.remote.maxptime_ms),
        *(a.sends, b.sends, server),
    )


@remembered
def _joined(*said: Any) -> Joined:
    a, b = (
        Negotiated(
            AudioDescription("", 0, remote, ptime_ms=wanted_ms, maxptime_ms=most_ms),
            AudioDescription("", 0, local, ptime_ms=told_ms),
            agreed,
            sends,
        )
        for local, remote, agreed, told_ms, wanted_ms, most_ms, sends in (
            (*said[:6], said[12]),
            (*said[6:12], said[13]),
        )
    )
    if joining(a, b, said[14]) == "transcode":
        return Joined(True, {}, {})
    return Joined(False, map_between(a, b), map_between(b, a))


def joining(a: Negotiated, b: Negotiated, server: Encodings) -> Literal["pass", "transcode"]:
    """Whether packets can be passed on, or have to be made anew."""
    ours, theirs = a.sends or first_voice(a.agreed), b.sends or first_voice(b.agreed)
    if ours is None or theirs is None:
        return "pass"
    if (ours is theirs or ours.same_format(theirs)) and ours.encoding.lower() != "ilbc":
        fit = True
    else:
        fit = _takes(b, a, ours) and _takes(a, b, theirs)
    if fit and not _is_too_long(a, b) and not _is_too_long(b, a):
        return "pass"
    return "transcode" if decodable((ours,), server) and decodable((theirs,), server) else "pass"


def sent_as(media: Negotiated, payload_type: int, server: Encodings) -> Codec | None:
    """The voice codec that a phone sends under this number, where it was agreed and the server can decode it."""
    for side in (media.local.codecs, media.remote.codecs):
        codec = next((codec for codec in side if codec.payload_type == payload_type), None)
        if codec is not None and _has(media.agreed, codec) and is_voice(codec) and decodable((codec,), server):
            return codec
    return None


def _takes(receiver: Negotiated, sender: Negotiated, voice: Codec) -> bool:
    """Whether the receiving phone agreed to what the other one sends."""
    match = next((codec for codec in receiver.agreed if codec.same_format(voice)), None)
    if match is None:
        return False
    return match.encoding.lower() != "ilbc" or _frame_ms(receiver, match) == _frame_ms(sender, voice)


def _frame_ms(media: Negotiated, codec: Codec) -> int:
    parameters = _agreed_parameters(media.local.codecs, media.remote.codecs, codec)
    return parameters.mode if isinstance(parameters, fmtp.IlbcParameters) else 0


def _agreed_parameters(local: Codecs, remote: Codecs, codec: Codec) -> fmtp.Parameters:
    return fmtp.agreed(_same(local, codec) or codec, _same(remote, codec) or codec)


def _same(codecs: Codecs, wanted: Codec) -> Codec | None:
    """The format among `codecs`: under the same number where it stands there, else under another."""
    found: Codec | None = None
    for codec in codecs:
        if codec.same_format(wanted):
            if codec.payload_type == wanted.payload_type:
                return codec
            found = found or codec
    return found


def _is_too_long(sender: Negotiated, receiver: Negotiated) -> bool:
    """Whether one phone's packets are longer than the other takes. What a phone asks for is what it mostly sends."""
    most = receiver.remote.maxptime_ms
    if most is None:
        return False
    voice = first_voice(sender.agreed)
    entry = CATALOGUE.get(name_of(voice)) if voice is not None else None
    usual = entry.packet_ms if entry is not None else 20
    if voice is not None and entry is not None and entry.name == "ilbc":
        usual = _frame_ms(sender, voice)
    return (sender.remote.ptime_ms or sender.local.ptime_ms or usual) > most


class Meanings:
    """What the payload types of a session mean, for as long as it lasts (RFC 3264 8.3.2)."""

    __slots__ = ("_described",)

    def __init__(self) -> None:
        self._described: list[Codecs] = []

    def note(self, *described: Codecs) -> None:
        """These codecs were described, on either side."""
        self._described += described
        if len(self._described) > _MOST_DESCRIBED:
            self._described = [self.known]

    @property
    def known(self) -> Codecs:
        return known_after(*self._described) if self._described else ()


def known_after(*described: Codecs) -> Codecs:
    """What payload types mean in a session, after these descriptions of it. The first meaning of a number counts."""
    meanings: dict[int, Codec] = {}
    for codecs in described:
        for codec in codecs:
            meanings.setdefault(codec.payload_type, codec)
    return tuple(meanings.values())


# What the media core is told


def payloads_of(media: Negotiated) -> Payloads:
    """What a leg's packets hold, each way."""
    remote = media.remote
    return _payloads(media.local.codecs, remote.codecs, media.agreed, remote.ptime_ms, remote.maxptime_ms)


@remembered
def _payloads(local: Codecs, remote: Codecs, agreed: Codecs, ptime_ms: int | None, maxptime_ms: int | None) -> Payloads:
    voice = first_voice(agreed)
    return Payloads(
        types=tuple(dict.fromkeys([codec.payload_type for codec in (*local, *remote)])),
        clock_rate=voice.clock if voice is not None else 8000,
        formats=_formats(local, remote, agreed),
        transmit=_transmit(local, remote, agreed, ptime_ms, maxptime_ms),
    )


def _formats(local: Codecs, remote: Codecs, agreed: Codecs) -> tuple[PayloadFormat, ...]:
    """What the phone may send, where the server could decode it: under our numbers, and its own, which many use."""
    found: dict[int, PayloadFormat] = {}
    for side in (local, remote):
        for codec in agreed:
            match = _same(side, codec)
            if match is not None and match.payload_type not in found and (name_of(codec) or not is_voice(codec)):
                parameters = _agreed_parameters(local, remote, codec)
                found[match.payload_type] = _format(match, parameters, None, None)
    return tuple(format_ for format_ in found.values() if format_.encoding not in ("red", "ulpfec"))


def _transmit(
    local: Codecs, remote: Codecs, agreed: Codecs, ptime_ms: int | None, maxptime_ms: int | None
) -> tuple[PayloadFormat, ...]:
    """The phone's choice, in packets as it wants them."""
    voice = first_voice(agreed)
    if voice is None or not name_of(voice):
        return ()
    events = events_of(agreed)
    chosen = [voice] if events is None else [voice, events]
    noise: list[Codec] = []
    if voice.encoding.lower() in _WITH_NOISE:
        noise = [codec for codec in agreed if codec.encoding.lower() == _NOISE and codec.clock == voice.clock][:1]
    first, *others = (
        _format(_same(remote, codec) or codec, _agreed_parameters(local, remote, codec), ptime_ms, maxptime_ms)
        for codec in (*chosen, *noise)
    )
    return (first._replace(dtx=True) if noise else first, *others)


def _format(codec: Codec, parameters: fmtp.Parameters, ptime_ms: int | None, maxptime_ms: int | None) -> PayloadFormat:
    encoding, name = codec.encoding.lower(), name_of(codec)
    plain = PayloadFormat(codec.payload_type, encoding, codec.clock)
    if not name:
        return plain
    frame_ms = parameters.mode if isinstance(parameters, fmtp.IlbcParameters) else 0
    plain = plain._replace(
        packet_ms=packet_time(name, frame_ms or CATALOGUE[name].frame_ms, ptime_ms, maxptime_ms), frame_ms=frame_ms
    )
    if isinstance(parameters, fmtp.OpusParameters):
        rate = parameters.max_playback_rate
        return plain._replace(
            bitrate=parameters.max_average_bitrate,
            fec=parameters.use_inband_fec,
            dtx=parameters.use_dtx,
            max_rate=rate if rate < codec.clock else 0,
        )
    if isinstance(parameters, fmtp.SilkParameters):
        return plain._replace(
            bitrate=parameters.max_average_bitrate, fec=parameters.use_inband_fec, dtx=parameters.use_dtx
        )
    if isinstance(parameters, fmtp.G729Parameters):
        return plain._replace(dtx=parameters.annexb)
    if isinstance(parameters, fmtp.SpeexParameters):
        return plain._replace(dtx=parameters.vbr == "vad")
    return plain


# What a person is told


def without_common(ones: Iterable[Codec], others: Iterable[Codec | str]) -> str:
    """Why a call cannot be, naming what either side has."""
    return (
        f"The two phones have no codec in common: one has {named(ones)}, the other {named(others)}, "
        "and the server cannot convert between them"
    )


def none_permitted(said: Codecs, names: tuple[str, ...], aor: str) -> str:
    """What is wrong where a phone offers voice codecs, and its user permits none of them; else empty."""
    offers_voice = any(map(is_voice, said))
    if not names or not offers_voice or any(map(is_voice, permitted_codecs(said, names))):
        return ""
    return f"The phone of {aor} offers {named(said)}, but its user may use {named(names)} alone"


def named(codecs: Iterable[Codec | str]) -> str:
    """The voice codecs as a sentence holds them. What a phone calls its codecs is not repeated to the letter."""
    names: dict[str, None] = {}
    for codec in codecs:
        if isinstance(codec, str):
            name = codec
        elif is_voice(codec):
            name = name_of(codec) or f"{codec.encoding}/{codec.clock}"
        else:
            continue
        names.setdefault(_UNPRINTABLE.sub("", name)[:24])
    if len(names) > _MOST_NAMED:
        return listed([*list(names)[:_MOST_NAMED], "others"])
    return listed(names) or "none"
