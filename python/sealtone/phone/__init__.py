"""A small softphone on the project's own libraries: for demonstrations, checks and tests."""

from sealtone.phone.audio import AudioError, Nowhere, Silence, Sound, Tone, WavSink, WavSource, measure
from sealtone.phone.call import Call, CallFailed, CallState, LegProtection
from sealtone.phone.command import main
from sealtone.phone.connection import ConnectError
from sealtone.phone.events import PhoneEvent
from sealtone.phone.media import MediaStats
from sealtone.phone.negotiation import Encryption, Wish
from sealtone.phone.phone import Phone, PhoneConfig, RegistrationFailed
from sealtone.phone.zrtp_memory import MemoryUnusable, ZrtpMemory
from sealtone.phone.zrtp_stream import ZrtpView

__all__ = [
    "AudioError",
    "Call",
    "CallFailed",
    "CallState",
    "ConnectError",
    "Encryption",
    "LegProtection",
    "MediaStats",
    "MemoryUnusable",
    "Nowhere",
    "Phone",
    "PhoneConfig",
    "PhoneEvent",
    "RegistrationFailed",
    "Silence",
    "Sound",
    "Tone",
    "WavSink",
    "WavSource",
    "Wish",
    "ZrtpMemory",
    "ZrtpView",
    "main",
    "measure",
]
