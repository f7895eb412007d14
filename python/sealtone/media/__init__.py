"""The media engine: moves RTP and RTCP between the legs of calls, each leg plain or SRTP, on threads of its own.

Nothing here waits for the network or for a busy worker: commands are posted, statistics are read from shared counters.
"""

from sealtone.media._engine import (
    EngineBusy,
    EngineStats,
    EngineStopped,
    LegStats,
    MediaError,
    NoCodecs,
    PortsExhausted,
    Srtp,
    SrtpError,
    UnknownLeg,
)
from sealtone.media.engine import (
    CODEC_PROCESS,
    Engine,
    EngineConfig,
    LegPlan,
    MediaLeg,
    PayloadFormat,
    RecordingWish,
    SrtpKey,
)
from sealtone.media.events import (
    CodecFault,
    CodecsLost,
    Digit,
    Heard,
    Latched,
    MediaEvent,
    PacketReceived,
    Played,
    RecordingEnded,
    Silent,
)
from sealtone.media.primitives import (
    KEY_AGREEMENT_LENGTHS,
    KeyAgreementLengths,
    KeyAgreementName,
    MacName,
    Primitives,
    SkeinName,
)

__all__ = [
    "CODEC_PROCESS",
    "KEY_AGREEMENT_LENGTHS",
    "CodecFault",
    "CodecsLost",
    "Digit",
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
    "NoCodecs",
    "PacketReceived",
    "PayloadFormat",
    "Played",
    "PortsExhausted",
    "Primitives",
    "RecordingEnded",
    "RecordingWish",
    "Silent",
    "SkeinName",
    "Srtp",
    "SrtpError",
    "SrtpKey",
    "UnknownLeg",
]
