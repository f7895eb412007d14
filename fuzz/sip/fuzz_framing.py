"""However a stream is cut, it gives the same messages and the same end; each has the body its length says."""

import sys

import atheris

with atheris.instrument_imports():
    from sealtone.sip.errors import FramingError, SipParseError
    from sealtone.sip.framing import StreamFramer
    from sealtone.sip.message import parse_message


def framed(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    framer = StreamFramer(max_message=4096)
    messages: list[bytes] = []
    for piece in pieces:
        try:
            messages += [item for item in framer.feed(piece) if isinstance(item, bytes)]
        except FramingError as error:
            return messages + error.complete, True
    return messages, False


def one_input(data: bytes) -> None:
    if not data:
        return
    step, data = data[0] % 31 + 1, data[1:]
    whole = framed([data])
    assert framed([data[start : start + step] for start in range(0, len(data), step)]) == whole
    assert framed([data[start : start + 1] for start in range(len(data))]) == whole
    for message in whole[0]:
        try:
            parsed = parse_message(message)
        except SipParseError:
            continue
        assert message.endswith(b"\r\n\r\n" + parsed.body)


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
