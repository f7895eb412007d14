"""What is left of speech after a call through the server, for every pair of codecs and on bad networks.

A codec's floor is the PESQ of speech that it encodes and decodes once, less 0.15 for other voices and library versions.
A pair of codecs has the floor of the worse one. Where two codecs in a row inherently leave less than that, which above
all two do that model the voice (G.729, GSM, Speex: the second models what the first has made up), the ideal chain says
so: encoded and decoded twice, with nothing in between. Then the call has to sound as good as the ideal chain: nothing
that the server does around the codecs, its jitter buffer, its resampling, its framing, may cost anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from codec.chain import Heard, Job, build, run
from codec.speech import make_speech

FLOORS = {
    "pcmu": 4.10,
    "pcma": 4.07,
    "g722": 3.95,
    "opus/16000@32000": 4.20,
    "silk/16000@40000": 4.28,
    "g729": 2.72,
    "ilbc/20": 3.14,
    "ilbc/30": 3.11,
    "gsm": 2.72,
    "speex/8000": 3.25,
    "speex/16000": 3.40,
}
OTHER_RATES = {
    "opus/48000@32000": 4.20,
    "silk/8000": 4.28,
    "silk/12000": 4.28,
    "silk/24000@40000": 4.28,
    "speex/32000": 3.40,
}
"""Codecs at rates that are not paired with all others, with the floors of their families."""
FLOOR_OF = FLOORS | OTHER_RATES
MARGIN = 0.15
SAME = 0.05
"""Two runs of one chain differ by this where frames begin at other samples."""

PAIRS = [(first, second) for first in FLOORS for second in FLOORS if first != second]
PAIRS += [pair for rate in OTHER_RATES for pair in ((rate, "pcmu"), ("pcmu", rate))]

ON_LOSS = {
    "pcmu": (3.75, 3.14, 2.56),
    "pcma": (3.75, 3.14, 2.56),
    "g722": (3.63, 2.92, 2.33),
    "opus/16000@32000+fec": (3.47, 3.19, 2.91),
    "opus/48000@32000+fec": (3.32, 2.70, 2.76),
    "silk/16000@40000+fec": (3.48, 3.23, 2.95),
    "g729": (2.38, 2.00, 1.68),
    "ilbc/20": (2.81, 2.53, 2.20),
    "ilbc/30": (2.75, 2.42, 2.12),
    "gsm": (2.39, 2.13, 1.86),
    "speex/8000": (2.86, 2.36, 1.91),
    "speex/16000": (2.94, 2.38, 1.91),
}
"""What was left at 1, 5 and 10 % of packets lost when this was written, less 0.15: concealment does not get worse."""

LOSSES = (1, 5, 10)

Results = dict[Job, "Future[Heard | None]"]


def pair_job(first: str, second: str) -> Job:
    return Job(first, second)


def loss_job(codec: str, loss_percent: int) -> Job:
    return Job(codec, loss_percent=loss_percent, seeds=3)


def jitter_job(codec: str) -> Job:
    return Job(codec, jitter_ms=40)


@pytest.fixture(scope="module")
def results() -> Iterator[Results]:
    """All calls, made side by side on every core. The tests wait for theirs."""
    for program in ("espeak-ng", "sox"):
        if shutil.which(program) is None:
            pytest.skip(f"speech for this needs the Debian package {program}")
    build()
    voices = make_speech()
    jobs = [Job(codec) for codec in FLOOR_OF]
    jobs += [pair_job(*pair) for pair in PAIRS]
    jobs += [loss_job(codec, loss) for codec in ON_LOSS for loss in LOSSES]
    jobs += [loss_job(codec.removesuffix("+fec"), 10) for codec in ON_LOSS if codec.endswith("+fec")]
    jobs += [jitter_job(codec) for codec in ("pcmu", "opus/16000@32000", "g729")]
    with ProcessPoolExecutor() as pool:
        yield {job: pool.submit(run, job, voices) for job in jobs}
        pool.shutdown(cancel_futures=True)


def heard(results: Results, job: Job) -> Heard:
    answer = results[job].result(timeout=600)
    if answer is None:
        pytest.skip("a codec's library is missing")
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("codec", FLOOR_OF)
def test_each_codec_sounds_as_it_should(results: Results, codec: str) -> None:
    assert heard(results, Job(codec)).pesq >= FLOOR_OF[codec] - MARGIN


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_call_between_two_codecs_sounds_as_good_as_they_let_it(results: Results, first: str, second: str) -> None:
    call = heard(results, pair_job(first, second))
    if call.pesq >= min(FLOOR_OF[first], FLOOR_OF[second]) - MARGIN:
        return
    ideal = run(Job(first, second, is_ideal=True), make_speech())
    assert ideal is not None
    assert call.pesq >= ideal.pesq - SAME


@pytest.mark.slow
def test_a_tenth_of_the_packets_lost_is_made_up_for_by_redundancy(results: Results) -> None:
    for codec, floor in (
        ("opus/48000@32000+fec", 2.62),
        ("opus/16000@32000+fec", 2.62),
        ("silk/16000@40000+fec", 2.62),
    ):
        call = heard(results, loss_job(codec, 10))
        without = heard(results, loss_job(codec.removesuffix("+fec"), 10))
        assert call.fec_used > 100
        assert call.pesq >= floor - MARGIN
        assert call.pesq >= without.pesq + 0.3
        # One packet more is waited for, and no longer.
        assert call.delay_ms <= 45


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["pcmu", "opus/16000@32000", "g729"])
def test_jitter_costs_delay_and_not_quality(results: Results, codec: str) -> None:
    call = heard(results, jitter_job(codec))
    assert call.pesq >= heard(results, Job(codec)).pesq - 0.2
    assert call.delay_ms <= 70


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("codec", ON_LOSS)
def test_lost_packets_are_concealed(results: Results, codec: str, loss: int) -> None:
    floor = ON_LOSS[codec][LOSSES.index(loss)]
    assert heard(results, loss_job(codec, loss)).pesq >= floor
