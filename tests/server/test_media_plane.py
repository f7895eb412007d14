"""The media core as calls see it, over the real engine: plans with formats reach the codec processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media.codec_calls import Mirror, Tone, heard, sound_of, usual_share
from media.conftest import LOCAL, Phone, config, settle
from sealtone.b2bua.plane import MediaPlan, PayloadFormat
from sealtone.media import Engine, MediaLeg
from sealtone.server.media_plane import EnginePlane, codec_notes
from sealtone.server.sound_files import FOLDER, SoundFiles
from sealtone.sip.flow import Target

PCMU = PayloadFormat(0, "pcmu", 8000)
G722 = PayloadFormat(9, "g722", 8000)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(config(receive_buffer=262144))
    yield engine
    engine.stop()


def _never(_delay: float, _call: Callable[[], None]) -> None:
    return None


def _plan(phone: Phone, voice: PayloadFormat) -> MediaPlan:
    return MediaPlan(
        remote=phone.address,
        remote_rtcp=None,
        signalling_ip=None,
        rtcp_mux=False,
        send=True,
        receive=True,
        rx=None,
        tx=None,
        secure_required=False,
        payload_types=(voice.payload_type,),
        new_latch=False,
        formats=(voice,),
        transmit=(voice,),
    )


def test_a_call_is_transcoded_and_its_counters_tell_what_was_made_up(engine: Engine, tmp_path: Path) -> None:
    plane = EnginePlane(engine, lambda hop: (LOCAL, LOCAL), _never, SoundFiles(FOLDER, engine.load_sound), tmp_path)
    assert plane.codecs() is plane.codecs()
    assert plane.codecs()["g722"] == ""
    hop = Target("udp", LOCAL, 5060)
    call = plane.open_call()
    port_a, port_b = plane.open_leg(call, hop), plane.open_leg(call, hop)
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    plane.update_leg(port_a.id, _plan(alice, PCMU))
    plane.update_leg(port_b.id, _plan(bob, G722))
    plane.transcode(port_a.id, port_b.id)
    plane.flush()
    settle(engine)
    leg_a, leg_b = (MediaLeg(port.id, LOCAL, port.rtp_port, port.rtcp_port) for port in (port_a, port_b))
    with Mirror(bob, leg_b), Tone(alice, leg_a, 1000):
        assert usual_share(sound_of(heard(alice, 75)[45:], 0), 1000) > 0.9
    # What stops coming is made up for a little.
    time.sleep(1.3)
    counters = plane.close_leg(port_b.id)
    assert counters.packets_in >= 60
    assert counters.buffer_ms > 0
    assert counters.since(counters).concealed_ms == 0
    plane.close_call(call)


def test_who_runs_the_server_is_told_what_is_missing(engine: Engine) -> None:
    missing = [name for name, why in engine.codecs().items() if why]
    assert [note.split()[2] for note in codec_notes(engine) if note.startswith("media codec")] == missing
    without = Engine(config(codec_process=None))
    (note,) = codec_notes(without)
    assert "no codec process is configured" in note
    assert "go on" in note
    without.stop()
