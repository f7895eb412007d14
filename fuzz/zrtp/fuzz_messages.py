"""Any datagram is read or refused with MalformedPacket; a message that is read is written and read again the same."""

import contextlib
import sys

import atheris

with atheris.instrument_imports():
    from sealtone.zrtp import CacheRecord, HelloHash, Observer, Side, UnreadableRecord, is_zrtp
    from sealtone.zrtp.commit import Commit
    from sealtone.zrtp.confirm import Confirm, SasRelay, Sealed
    from sealtone.zrtp.dhpart import DHPart
    from sealtone.zrtp.errors import MalformedPacket
    from sealtone.zrtp.hello import Hello
    from sealtone.zrtp.message import KINDS, Kind
    from sealtone.zrtp.notices import ACKNOWLEDGEMENTS, Error, GoClear, Ping, PingAck, check_acknowledgement
    from sealtone.zrtp.packet import CRC_OCTETS, OVERHEAD_OCTETS, Fragment, Packet, crc32c

PARSERS = {
    Kind.HELLO: Hello.parse,
    Kind.COMMIT: Commit.parse,
    Kind.DHPART1: lambda message: DHPart.parse(message, Kind.DHPART1),
    Kind.DHPART2: lambda message: DHPart.parse(message, Kind.DHPART2),
    Kind.CONFIRM1: lambda message: Sealed.parse(message, Kind.CONFIRM1),
    Kind.CONFIRM2: lambda message: Sealed.parse(message, Kind.CONFIRM2),
    Kind.SAS_RELAY: lambda message: Sealed.parse(message, Kind.SAS_RELAY),
    Kind.ERROR: Error.parse,
    Kind.GO_CLEAR: GoClear.parse,
    Kind.PING: Ping.parse,
    Kind.PING_ACK: PingAck.parse,
}


def parts_of(data: bytes) -> None:
    """What stands inside encrypted messages, in SDP and in the database."""
    for read in (Confirm.parse, SasRelay.parse):
        try:
            part = read(data)
        except MalformedPacket:
            continue
        assert read(part.encode()) == part
    HelloHash.parse(data.decode("latin-1"))
    with contextlib.suppress(UnreadableRecord):
        assert CacheRecord.parse(data).encode() == data


def one_input(data: bytes) -> None:
    parts_of(data)
    if len(data) < OVERHEAD_OCTETS:
        return
    # A CRC that fits, or the fuzzer would never get past it.
    datagram = data[:-CRC_OCTETS] + crc32c(data[:-CRC_OCTETS])
    observer = Observer()
    observer.receive(datagram, Side.A, 0.0)
    observer.seen.passed_through  # noqa: B018
    for read in (Packet.parse, Fragment.parse):
        try:
            packet = read(datagram)
        except MalformedPacket:
            continue
        assert is_zrtp(datagram)
        if isinstance(packet, Fragment):
            return
        kind = KINDS.get(packet.kind)
        try:
            if kind in ACKNOWLEDGEMENTS:
                check_acknowledgement(packet.message, kind)
            elif kind is not None:
                message = PARSERS[kind](packet.message)
                assert PARSERS[kind](message.encode()) == message
        except MalformedPacket:
            return


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
