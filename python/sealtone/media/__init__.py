"""The media engine: moves RTP and RTCP between the legs of calls, each leg plain or SRTP, on threads of its own.

Nothing here waits for the network or for a busy worker: commands are posted, statistics are read from shared counters.
"""

from sealtone.media._engine import (
    EngineBusy,
    EngineStats,
    EngineStopped,
    LegStats,
    MediaError,
    PortsExhausted,
    Srtp,
    SrtpError,
    UnknownLeg,
)
from sealtone.media.engine import Engine, EngineConfig, LegPlan, MediaLeg, SrtpKey
from sealtone.media.events import Heard, Latched, MediaEvent, PacketReceived, Silent
from sealtone.media.primitives import (
    KEY_AGREEMENT_LENGTHS,
    KeyAgreementLengths,
    KeyAgreementName,
    MacName,
    Primitives,
    SkeinName,
)

__all__ = [
    "KEY_AGREEMENT_LENGTHS",
    "Engine",
    "EngineBusy",
    "EngineConfig",
    "EngineStats",
    "EngineStopped",
    "Heard",
    "KeyAgreementLengths",
    "KeyAgreementName",
    "Latched",
    "LegPlan",
    "LegStats",
    "MacName",
    "MediaError",
    "MediaEvent",
    "MediaLeg",
    "PacketReceived",
    "PortsExhausted",
    "Primitives",
    "Silent",
    "SkeinName",
    "Srtp",
    "SrtpError",
    "SrtpKey",
    "UnknownLeg",
]
