"""The names in a ClientHello, read from real ones, from parts of them, and from what is none."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.net.client_hello import ClientHello, Incomplete, read_client_hello


def hello(name: str | None, *protocols: str) -> bytes:
    """As OpenSSL sends it."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def in_records_of(data: bytes, size: int) -> bytes:
    """The same hand-shake message, cut into records."""
    body = data[5:]
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2) + piece for piece in pieces)


def test_server_name_and_protocols_are_read() -> None:
    assert read_client_hello(hello("Office.example", "h2", "http/1.1")) == ClientHello(
        "office.example", ("h2", "http/1.1")
    )
    assert read_client_hello(hello(None)) == ClientHello()


def test_only_who_offers_the_challenges_protocol_and_no_other_is_an_authority() -> None:
    assert read_client_hello(hello("office.example", "acme-tls/1")).is_challenge
    assert not read_client_hello(hello("office.example", "acme-tls/1", "http/1.1")).is_challenge
    assert not read_client_hello(hello("office.example")).is_challenge


def test_a_hello_in_pieces_is_waited_for() -> None:
    whole = hello("office.example", "acme-tls/1")
    for length in range(len(whole)):
        with pytest.raises(Incomplete):
            read_client_hello(whole[:length])
    cut = in_records_of(whole, 40)
    assert read_client_hello(cut).is_challenge
    with pytest.raises(Incomplete):
        read_client_hello(cut[:-1])


REAL = hello("office.example", "acme-tls/1")


@given(st.binary(max_size=400), st.integers(0, 200))
def test_whatever_comes_is_read_or_waited_for(noise: bytes, place: int) -> None:
    for data in (noise, REAL[:place] + noise + REAL[place:], b"\x16\x03\x01" + noise):
        with contextlib.suppress(Incomplete):
            read_client_hello(data)
