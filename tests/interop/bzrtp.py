"""libbzrtp, the ZRTP of Linphone, as an endpoint under simulated time: its functions called, its callbacks answered."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

_LIBRARY = "libbzrtp.so.0"

# The numbers that bzrtp gives to algorithm types and names (its bzrtp.h).
TYPES = {"hashes": 0x01, "ciphers": 0x02, "auth_tags": 0x04, "key_agreements": 0x08, "sas_types": 0x10}
NAMES = {
    "S256": 0x11,
    "S384": 0x12,
    "AES1": 0x21,
    "AES3": 0x23,
    "HS32": 0x31,
    "HS80": 0x32,
    "DH2k": 0x41,
    "X255": 0x42,
    "X448": 0x44,
    "DH3k": 0x45,
    "Mult": 0x4F,
    "B32 ": 0x51,
    "B256": 0x52,
}
BY_NUMBER = {number: name for name, number in NAMES.items()}
_SECURE = 0x1004
_CACHE_MISMATCH = 0x01
_POLL_S = 0.010

_Octets = ctypes.POINTER(ctypes.c_uint8)


class _SrtpSecrets(ctypes.Structure):
    _fields_ = [
        ("self_key", _Octets),
        ("self_key_length", ctypes.c_uint8),
        ("self_salt", _Octets),
        ("self_salt_length", ctypes.c_uint8),
        ("peer_key", _Octets),
        ("peer_key_length", ctypes.c_uint8),
        ("peer_salt", _Octets),
        ("peer_salt_length", ctypes.c_uint8),
        ("cipher", ctypes.c_uint8),
        ("cipher_key_length", ctypes.c_uint8),
        ("auth_tag", ctypes.c_uint8),
        ("sas", ctypes.c_char_p),
        ("sas_length", ctypes.c_uint8),
        ("hash", ctypes.c_uint8),
        ("key_agreement", ctypes.c_uint8),
        ("sas_type", ctypes.c_uint8),
        ("cache_mismatch", ctypes.c_uint8),
        ("aux_mismatch", ctypes.c_uint8),
    ]


_Status = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint8, ctypes.c_uint8, ctypes.c_char_p)
_Send = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, _Octets, ctypes.c_uint16)
_Available = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_SrtpSecrets), ctypes.c_uint8)
_Start = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_SrtpSecrets), ctypes.c_int32)
_Exported = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint8)


class _Callbacks(ctypes.Structure):
    _fields_ = [
        ("status_message", _Status),
        ("message_level", ctypes.c_int),
        ("send_data", _Send),
        ("secrets_available", _Available),
        ("start_session", _Start),
        ("ready_for_exported_keys", _Exported),
    ]


def is_installed() -> bool:
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


@cache
def _library() -> Any:
    library = ctypes.CDLL(_LIBRARY)
    context, ssrc = ctypes.c_void_p, ctypes.c_uint32
    library.bzrtp_createBzrtpContext.restype = context
    for name, arguments in {
        "bzrtp_initBzrtpContext": [context, ssrc],
        "bzrtp_destroyBzrtpContext": [context, ssrc],
        "bzrtp_setCallbacks": [context, ctypes.POINTER(_Callbacks)],
        "bzrtp_setZIDCache_lock": [context, context, ctypes.c_char_p, ctypes.c_char_p, context],
        "bzrtp_setClientData": [context, ssrc, context],
        "bzrtp_addChannel": [context, ssrc],
        "bzrtp_startChannelEngine": [context, ssrc],
        "bzrtp_iterate": [context, ssrc, ctypes.c_uint64],
        "bzrtp_processMessage": [context, ssrc, ctypes.c_char_p, ctypes.c_uint16],
        "bzrtp_setSupportedCryptoTypes": [context, ctypes.c_uint8, _Octets, ctypes.c_uint8],
        "bzrtp_getChannelStatus": [context, ssrc],
        "bzrtp_setPeerHelloHash": [context, ssrc, ctypes.c_char_p, ctypes.c_size_t],
        "bzrtp_getSelfHelloHash": [context, ssrc, ctypes.c_char_p, ctypes.c_size_t],
        "bzrtp_setAuxiliarySharedSecret": [context, ctypes.c_char_p, ctypes.c_size_t],
        "bzrtp_getAuxiliarySharedSecretMismatch": [context],
        "bzrtp_SASVerified": [context],
        "bzrtp_initCache_lock": [context, context],
        "bzrtp_resetRetransmissionTimer": [context, ssrc],
    }.items():
        getattr(library, name).argtypes = arguments
    return library


class Cache:
    """A database of ZIDs and secrets as Linphone keeps it, in memory."""

    def __init__(self) -> None:
        self._sqlite = ctypes.CDLL(ctypes.util.find_library("sqlite3") or "libsqlite3.so.0")
        self.database = ctypes.c_void_p()
        assert self._sqlite.sqlite3_open(b":memory:", ctypes.byref(self.database)) == 0
        _library().bzrtp_initCache_lock(self.database, None)

    def close(self) -> None:
        self._sqlite.sqlite3_close(self.database)


@dataclass
class Result:
    """What bzrtp says of a secure channel. `verified`: both sides' V flags, from earlier calls."""

    send: tuple[bytes, bytes]
    receive: tuple[bytes, bytes]
    cipher: str
    auth_tag: str
    hash: str
    key_agreement: str
    sas: str
    cache_mismatch: bool
    verified: bool


@dataclass
class Channel:
    """One stream; an endpoint for `zrtp.network.Network`."""

    peer: BzrtpPeer
    ssrc: int
    outgoing: list[bytes] = field(default_factory=list)
    result: Result | None = None
    codes: list[int] = field(default_factory=list)
    polled: float = 0.0

    @property
    def is_secure(self) -> bool:
        return self.peer.library.bzrtp_getChannelStatus(self.peer.context, self.ssrc) == _SECURE

    @property
    def hello_hash(self) -> str:
        output = ctypes.create_string_buffer(128)
        assert self.peer.library.bzrtp_getSelfHelloHash(self.peer.context, self.ssrc, output, 128) == 0
        return output.value.decode()

    def expect_hello_hash(self, value: str) -> None:
        octets = value.encode()
        assert self.peer.library.bzrtp_setPeerHelloHash(self.peer.context, self.ssrc, octets, len(octets)) == 0

    def start(self, now: float) -> None:
        self.polled = now
        self.peer.call(self, "bzrtp_startChannelEngine")

    def receive(self, datagram: bytes, now: float) -> None:
        self.codes.append(self.peer.call(self, "bzrtp_processMessage", datagram, len(datagram)))

    def handle_timeout(self, now: float) -> None:
        self.polled = now
        self.peer.call(self, "bzrtp_iterate", int(now * 1000))

    def next_timeout(self) -> float | None:
        return None if self.is_secure else self.polled + _POLL_S

    def transmits(self) -> list[bytes]:
        drained, self.outgoing = self.outgoing, []
        return drained

    def events(self) -> list[Any]:
        return []


class BzrtpPeer:
    """A bzrtp context, whose first channel is `channel`. `algorithms`: lists of names by type, as in `TYPES`."""

    def __init__(
        self,
        *,
        algorithms: dict[str, tuple[str, ...]],
        cache: Cache | None = None,
        ssrc: int = 0xB0B0,
        aux_secret: bytes | None = None,
    ) -> None:
        self.library = _library()
        self.context = self.library.bzrtp_createBzrtpContext()
        self._current: Channel | None = None
        self.messages: list[tuple[int, int]] = []
        self._callbacks = _Callbacks(
            _Status(self._on_status),
            3,
            _Send(self._on_send),
            _Available(self._on_secrets),
            _Start(self._on_start),
            _Exported(),
        )
        assert self.library.bzrtp_setCallbacks(self.context, ctypes.byref(self._callbacks)) == 0
        if cache is not None:
            self.library.bzrtp_setZIDCache_lock(self.context, cache.database, b"sip:bob@b", b"sip:alice@a", None)
        for kind, names in algorithms.items():
            numbers = (ctypes.c_uint8 * 7)(*(NAMES[name] for name in names))
            self.library.bzrtp_setSupportedCryptoTypes(self.context, TYPES[kind], numbers, len(names))
        assert self.library.bzrtp_initBzrtpContext(self.context, ssrc) == 0
        if aux_secret is not None:
            self.library.bzrtp_setAuxiliarySharedSecret(self.context, aux_secret, len(aux_secret))
        self.channel = Channel(self, ssrc)
        self._channels = [self.channel]

    def add_channel(self, ssrc: int) -> Channel:
        """A further stream, once the first is secure."""
        assert self.library.bzrtp_addChannel(self.context, ssrc) == 0
        self._channels.append(Channel(self, ssrc))
        return self._channels[-1]

    def sas_verified(self) -> None:
        self.library.bzrtp_SASVerified(self.context)

    @property
    def saw_cache_mismatch(self) -> bool:
        return (0, _CACHE_MISMATCH) in self.messages

    @property
    def aux_matched(self) -> bool:
        return self.library.bzrtp_getAuxiliarySharedSecretMismatch(self.context) == 0

    def call(self, channel: Channel, name: str, *arguments: Any) -> int:
        self._current = channel
        code = getattr(self.library, name)(self.context, channel.ssrc, *arguments)
        self._current = None
        return code

    def close(self) -> None:
        for channel in self._channels:
            self.library.bzrtp_destroyBzrtpContext(self.context, channel.ssrc)

    def _on_status(self, _data: Any, level: int, message: int, _text: bytes) -> int:
        self.messages.append((level, message))
        return 0

    def _on_send(self, _data: Any, packet: Any, length: int) -> int:
        assert self._current is not None
        self._current.outgoing.append(ctypes.string_at(packet, length))
        return 0

    def _on_secrets(self, _data: Any, _secrets: Any, _part: int) -> int:
        return 0

    def _on_start(self, _data: Any, secrets: Any, verified: int) -> int:
        assert self._current is not None
        told = secrets.contents
        self._current.result = Result(
            send=_pair(told.self_key, told.self_key_length, told.self_salt, told.self_salt_length),
            receive=_pair(told.peer_key, told.peer_key_length, told.peer_salt, told.peer_salt_length),
            cipher=BY_NUMBER[told.cipher],
            auth_tag=BY_NUMBER[told.auth_tag],
            hash=BY_NUMBER[told.hash],
            key_agreement=BY_NUMBER[told.key_agreement],
            sas=(told.sas or b"").decode(),
            cache_mismatch=bool(told.cache_mismatch),
            verified=bool(verified),
        )
        return 0


def _pair(key: Any, key_length: int, salt: Any, salt_length: int) -> tuple[bytes, bytes]:
    return ctypes.string_at(key, key_length), ctypes.string_at(salt, salt_length)


@contextmanager
def bzrtp_peer(**settings: Any) -> Iterator[BzrtpPeer]:
    """One that is destroyed at the end."""
    peer = BzrtpPeer(**settings)
    try:
        yield peer
    finally:
        peer.close()
