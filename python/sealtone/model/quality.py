"""How a conversation sounds, estimated from what is known of its network: the E-model of ITU-T G.107.

What is computed, and what is assumed:

1. R = Ro - Is - Id - Ie,eff + A (G.107 7.1), all of it, with the Recommendation's default values for what a server does
   not know: loudness, noise, echo loss, A = 0. So R is 93.2 where nothing is wrong.
2. Codecs and loss come in by Ie,eff (G.107 7.5): Ie and Bpl of each codec are those of G.113 Appendices I and IV where
   they have them, else estimates of ours, marked below.
3. Wide-band codecs are rated on the wide-band scale (G.107.1), simplified: R begins at 129, and echo counts as it does
   in narrow band. A MOS is thus for its own band: 4.4 is the best of narrow band, 4.5 that of wide band, and the two
   are not to be compared.
4. What is transcoded is impaired twice, and impairments add up.
"""

from __future__ import annotations

import math
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

FEWEST_PACKETS: Final = 50
"""A second of voice: of less, nothing is said."""

# Defaults of G.107 table 2, dB and dBm where it has units.
_SLR, _RLR, _STMR, _DS, _DR, _TELR, _WEPL = 8.0, 2.0, 15.0, 3.0, 3.0, 65.0, 110.0
_QDU, _NC, _NFOR, _PS, _PR = 1.0, -70.0, -64.0, 35.0, 35.0
_BEST_WIDE: Final = 129.0
_WIDER: Final = 1.29


class CodecImpairment(NamedTuple):
    """A codec in the E-model: Ie without loss, and how well it bears random loss (Bpl)."""

    ie: float
    bpl: float
    wide: bool = False
    """On the scale of G.107.1."""
    lookahead_ms: float = 0.0
    """What the encoder waits for beyond its frame."""


IMPAIRMENTS: Final[MappingProxyType[str, CodecImpairment]] = MappingProxyType(
    {
        # G.113 (11/2007) Appendix I. Of G.711 without concealment Bpl is 4.3, but every phone conceals.
        "pcmu": CodecImpairment(0, 25.1),
        "pcma": CodecImpairment(0, 25.1),
        "g729": CodecImpairment(11, 19.0, lookahead_ms=5),  # G.729A with VAD; the only G.729 whose Bpl is there
        "gsm": CodecImpairment(20, 10.0),  # full rate; Bpl is not there, so that of the enhanced full rate (5, 10.0)
        # G.113 has nothing of these.
        "ilbc": CodecImpairment(11, 32.0, lookahead_ms=5),  # an estimate; RFC 3951 likens its losses to G.711's
        "speex/8000": CodecImpairment(11, 15.0, lookahead_ms=10),  # an estimate
        "silk/8000": CodecImpairment(8, 18.0, lookahead_ms=5),  # an estimate
        "silk/12000": CodecImpairment(5, 18.0, lookahead_ms=5),  # an estimate, as narrow band
        # G.113 Appendix IV has Ie of G.722 at 64 kbit/s; Bpl is an estimate, near what it has of G.722.2 (12.65: 4.3).
        "g722": CodecImpairment(13, 4.9, wide=True, lookahead_ms=1.5),
        # G.113 has nothing of these.
        "speex/16000": CodecImpairment(20, 8.0, wide=True, lookahead_ms=13.9),  # an estimate
        "speex/32000": CodecImpairment(18, 8.0, wide=True, lookahead_ms=14.9),  # an estimate
        "silk/16000": CodecImpairment(10, 12.0, wide=True, lookahead_ms=5),  # an estimate
        "silk/24000": CodecImpairment(8, 12.0, wide=True, lookahead_ms=5),  # an estimate
        "opus": CodecImpairment(6, 15.0, wide=True, lookahead_ms=6.5),  # an estimate, with its error correction
    }
)
"""By the codec's name in the catalogue."""


class Path(NamedTuple):
    """What is known of one direction of a leg."""

    codec: str
    """Its name in the catalogue."""
    received: int
    """Packets that arrived."""
    lost: int
    """Packets that did not."""
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    """None: unknown, and counted as none."""
    packet_ms: int = 20
    mean_burst: float = 1.0
    """Packets lost one after the other, on average."""

    @property
    def loss_percent(self) -> float:
        lost = max(self.lost, 0)
        return 100.0 * lost / (lost + self.received) if lost else 0.0

    @property
    def burst_ratio(self) -> float:
        """Of the mean burst to that of random loss of the same rate (G.107 7.5); 1 for random loss and better."""
        return max(1.0, self.mean_burst * (1.0 - self.loss_percent / 100.0))

    @property
    def delay_ms(self) -> float:
        """One way: half the round trip, a packet, the encoder's lookahead, and a jitter buffer of twice the jitter that
        holds one packet at least."""
        codec = IMPAIRMENTS.get(self.codec)
        lookahead = codec.lookahead_ms if codec is not None else 0.0
        return (self.round_trip_ms or 0.0) / 2 + self.packet_ms + lookahead + max(2 * self.jitter_ms, self.packet_ms)


def mos(path: Path, before: Path | None = None) -> float | None:
    """The MOS of what was heard at the end of `path`, 1 to 4.5.

    `before`: the way of the same sound to the server, where it was decoded and encoded there. None where too few
    packets were sent, or the codec is not known here.
    """
    codec = IMPAIRMENTS.get(path.codec)
    if codec is None or path.received + max(path.lost, 0) < FEWEST_PACKETS:
        return None
    impaired = effective_impairment(codec, path.loss_percent, path.burst_ratio)
    delay_ms, wide = path.delay_ms, codec.wide
    if before is not None:
        earlier = IMPAIRMENTS.get(before.codec)
        if earlier is None:
            return None
        # What was narrow once stays so, and is rated as such.
        wide = wide and earlier.wide
        impaired = sum(
            effective_impairment(
                one if one.wide == wide else CodecImpairment(0, one.bpl), at.loss_percent, at.burst_ratio
            )
            for one, at in ((codec, path), (earlier, before))
        )
        delay_ms += before.delay_ms
    rating = rating_of(impaired, delay_ms, wide=wide)
    return round(mos_of(rating / _WIDER if wide else rating), 2)


def rating_of(impaired: float, delay_ms: float, *, wide: bool = False) -> float:
    """R of a way with that effective impairment and one-way delay (mouth to ear, milliseconds).

    Ro - Is less Id less Ie,eff, for the defaults of G.107 table 2.
    """
    return (_BEST_WIDE if wide else _BEST) - _delayed(round(delay_ms)) - impaired


def effective_impairment(codec: CodecImpairment, loss_percent: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff (G.107 7.5): the codec's impairment with packets lost."""
    ratio = max(burst_ratio, 1.0)
    return codec.ie + (95.0 - codec.ie) * loss_percent / (loss_percent / ratio + codec.bpl)


def mos_of(rating: float) -> float:
    """The MOS that belongs to R, 0 to 100 (G.107 annex B). It is not let fall below 1 for small R, as there."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return max(1.0, 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6)


def _noise() -> float:
    """No: all noise at the 0 dBr point, dBm0p (7.2)."""
    loudness = _SLR + _RLR
    sending = _PS - _SLR - _DS - 100.0 + 0.004 * (_PS - loudness - _DS - 14.0) ** 2
    effective = _PR + 10.0 * math.log10(1.0 + 10.0 ** ((10.0 - (_STMR + _DR)) / 10.0))
    receiving = _RLR - 121.0 + effective + 0.008 * (effective - 35.0) ** 2
    floor = _NFOR + _RLR
    return 10.0 * math.log10(sum(10.0 ** (level / 10.0) for level in (_NC, sending, receiving, floor)))


def _simultaneous(basic: float, noise: float) -> float:
    """Is: loudness, side tone and quantising (7.3), without any delay."""
    loudness = _SLR + _RLR
    x = loudness + 0.2 * (64.0 + noise - _RLR)
    too_loud = 20.0 * (_bend(x / 8.0, 8) - x / 8.0)
    sidetone = -10.0 * math.log10(10.0 ** (-_STMR / 10.0) + 10.0 ** (-_TELR / 10.0))
    side = (
        12.0 * _bend((sidetone - 13.0) / 6.0, 8)
        - 28.0 * _bend((sidetone + 1.0) / 19.4, 35)
        - 13.0 * _bend((sidetone - 3.0) / 33.0, 13)
        + 29.0
    )
    q = 37.0 - 15.0 * math.log10(_QDU)
    g = 1.07 + 0.258 * q + 0.0602 * q * q
    y, z = (basic - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0, 46.0 / 30.0 - g / 40.0
    return too_loud + side + 15.0 * math.log10(1.0 + math.pow(10.0, y) + math.pow(10.0, z))


@lru_cache(maxsize=1024)
def _delayed(delay_ms: int) -> float:
    """Id: talker echo, listener echo, and delay itself (7.4), the one-way delay being that of all its paths."""
    delay = float(max(delay_ms, 0))
    level = (
        _TELR - 40.0 * math.log10((1.0 + delay / 10.0) / (1.0 + delay / 150.0)) + 6.0 * math.exp(-0.3 * delay * delay)
    )
    difference = -1.5 * (_NOISE - _RLR) - (80.0 + 2.5 * (level - 14.0))
    talker = (difference / 2.0 + math.sqrt(difference**2 / 4.0 + 100.0) - 1.0) * (1.0 - math.exp(-delay))
    listened = _BASIC - 10.5 * (_WEPL + 7.0) * math.pow(2.0 * delay + 1.0, -0.25)
    listener = listened / 2.0 + math.sqrt(listened**2 / 4.0 + 169.0)
    if delay <= 100.0:
        return talker + listener
    x = math.log2(delay / 100.0)
    return talker + listener + 25.0 * (_bend(x, 6) - 3.0 * _bend(x / 3.0, 6) + 2.0)


def _bend(x: float, power: int) -> float:
    """1 for small x, and x itself for large ones: how the Recommendation joins two straight lines."""
    return math.pow(1.0 + math.pow(x, power), 1.0 / power)


_NOISE: Final = _noise()
_BASIC: Final = 15.0 - 1.5 * (_SLR + _NOISE)
"""Ro."""
_BEST: Final = _BASIC - _simultaneous(_BASIC, _NOISE)
"""Ro - Is."""
