"""The phone's ZRTP with a server that stands in the middle, and what is known of it at each moment."""

from __future__ import annotations

import os

import pytest

from sealtone.phone import ZrtpMemory
from sealtone.phone.zrtp_stream import ZrtpStream, ZrtpTerms
from sealtone.zrtp import Profile, Session, StandardCrypto, render

CRYPTO = StandardCrypto()


class Line:
    """A phone's stream and the server's session, whose packets reach each other at once. `news`: views as told."""

    def __init__(self, memory, server_zid, records, enrols):
        self.server = Session(
            Profile(server_zid, trusted_mitm=True), CRYPTO, os.urandom,
            ssrc=7, unix_time=0, cache=records.get, offers_enrolment=enrols,
        )  # fmt: skip
        self.records, self.keys, self.news, self.sent = records, [], [], []
        self.stream = ZrtpStream(ZrtpTerms(CRYPTO, memory), self, 8)
        self.stream.start()
        self.server.start(0.0)
        self.pass_on()

    def send_zrtp(self, packet):
        self.sent.append(packet)

    def zrtp_keys(self, keys):
        self.keys.append(keys)

    def zrtp_news(self, event, before):
        self.news.append(self.stream.view)

    def pass_on(self):
        while True:
            down, up, self.sent = self.server.transmits(), self.sent, []
            for packet in up:
                self.server.receive(packet, 0.0)
            for packet in down:
                self.stream.receive(packet)
            for event in self.server.events():
                if hasattr(event, "record"):
                    self.records[event.record.peer_zid] = event.record
            if not (down or up or self.sent):
                return

    def relay(self, sas_hash):
        self.server.association.relay_sas(sas_hash, "B32 ", False, 0.0)
        self.pass_on()
        return self.stream.view


@pytest.fixture
async def server():
    """A factory of lines between one phone and one server, which remember each other."""
    memory, zid, records, lines = ZrtpMemory(), os.urandom(12), {}, []

    def meet(enrols=False):
        lines.append(Line(memory, zid, records, enrols))
        return lines[-1]

    yield meet
    for line in lines:
        line.stream.close()


async def test_the_string_to_compare_is_the_one_relayed_last_and_our_own_again_when_it_is_taken_back(server):
    first = server(enrols=True)
    assert first.stream.view.is_secure
    assert first.stream.view.enrolment_offered
    first.stream.enrol(True)
    line = server()
    view = line.stream.view
    assert (view.enrolled, view.relayed, view.sas) == (True, False, view.own_sas)
    far, another = os.urandom(32), os.urandom(32)
    assert line.relay(far).sas == render(far, "B32 ")
    line.stream.set_verified(True)
    view = line.relay(another)
    assert (view.sas, view.relayed, view.verified) == (render(another, "B32 "), True, False)
    view = line.relay(None)
    assert (view.sas, view.relayed) == (view.own_sas, False)
    assert view.trusted_mitm


async def test_a_phone_that_declined_is_not_enrolled_and_takes_no_string(server):
    server(enrols=True).stream.enrol(False)
    line = server()
    assert line.stream.view.cache == "matched"
    assert not line.stream.view.enrolled
    view = line.relay(None)
    assert (view.sas, view.relayed) == (view.own_sas, False)


async def test_nothing_is_claimed_before_there_are_keys_and_the_keys_come_once(server):
    line = server()
    assert [view.is_secure for view in line.news] == sorted(view.is_secure for view in line.news)
    assert all(not view.sas for view in line.news if not view.is_secure)
    ((send, receive),) = line.keys
    assert send != receive
    assert any(send.key)
    with pytest.raises(ValueError, match="offers no enrolment"):
        line.stream.enrol(True)
