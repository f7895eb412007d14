"""Any datagram is read or refused with SipParseError; what is read is written and read again the same. What the
compiled reader takes is valid, and reads alike."""

import sys

import atheris

from sealtone.server.quick_reader import read_plain

with atheris.instrument_imports():
    from sealtone.sip.errors import SipParseError
    from sealtone.sip.masking import masked
    from sealtone.sip.message import Request, Response, parse_message
    from sealtone.sip.validate import validate


def one_input(data: bytes) -> None:
    masked(data)
    plain = read_plain(data)
    if plain is not None:
        careful = parse_message(data)
        assert validate(careful) is None
        assert plain.headers == careful.headers
        assert (plain.vias, plain.from_, plain.to, plain.cseq) == (
            careful.vias, careful.from_, careful.to, careful.cseq
        )  # fmt: skip
        assert (plain.contacts, plain.body) == (careful.contacts, careful.body)
    try:
        message = parse_message(data)
    except SipParseError as error:
        if isinstance(error.partial, Request):
            Response.to_request(error.partial, error.status, "Bad Request", "tag").encode()
        return
    written = message.encode()
    again = parse_message(written)
    assert again.body == message.body
    assert again.encode() == written
    problem = validate(message)
    if isinstance(message, Request):
        answer = parse_message(Response.to_request(message, 400, "Bad Request", "tag").encode())
        if problem is None:
            assert answer.to.tag
            assert answer.cseq == message.cseq
    if problem is None:
        assert message.via.host
        assert message.from_.uri
        assert message.call_id
        for read in (lambda: message.supported, lambda: message.allow, lambda: message.content_type):
            read()


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
