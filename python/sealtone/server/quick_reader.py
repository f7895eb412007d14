"""Messages read by the compiled module where they are plain, by `sealtone.sip` where they are not.

Reading and validating is a third of what a call costs in Python. Nearly every message is plain (one element a header
line, no folding, no escapes, nothing wrong): the compiled reader takes those and nothing else, and reads them as
`parse_message` and `validate` do. These two stay the measure; a property test holds the three against each other.
"""

from __future__ import annotations

from typing import Final

from sealtone.media._engine import HeadReader
from sealtone.sip.header_names import name_spellings
from sealtone.sip.headers import CSeq, NameAddr, Via
from sealtone.sip.message import Headers, Request, Response, Typed, parse_message

_read: Final = HeadReader(list(name_spellings().items()), NameAddr, Via, CSeq).read


def read_plain(data: bytes) -> Request | Response | None:
    """The message, if it is plain; it is valid then, and its `is_valid` says so."""
    found = _read(data)
    if found is None:
        return None
    method, status, text, names, values, typed, body = found
    vias, from_, to, cseq, contacts, routes, record_routes = typed
    headers = Headers.of_lists(names, values, Typed(vias, from_, to, cseq, contacts, routes, record_routes))
    message = Response(status, text, headers, body) if method is None else Request(method, text, headers, body)
    message.is_valid = True
    return message


def read_message(data: bytes) -> Request | Response:
    """The same as `sealtone.sip.message.parse_message`, quicker for most."""
    return read_plain(data) or parse_message(data)
