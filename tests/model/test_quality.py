"""The E-model against numbers that were published for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.model.quality import IMPAIRMENTS, Path, effective_impairment, mos, mos_of, rating_of
from sealtone.sdp.catalogue import CATALOGUE


def test_a_faultless_connection_has_the_rating_that_the_recommendation_gives() -> None:
    assert rating_of(0, 0) == pytest.approx(93.2, abs=0.05)
    assert mos_of(rating_of(0, 0)) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("rating", "expected"), [(100, 4.5), (90, 4.34), (80, 4.03), (70, 3.6), (60, 3.1), (50, 2.58), (0, 1), (-5, 1)]
)
def test_a_rating_becomes_the_mos_of_g_107_annex_b(rating: float, expected: float) -> None:
    assert mos_of(rating) == pytest.approx(expected, abs=0.011)


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 11), (0.5, 13), (1, 15), (1.5, 17), (2, 19), (3, 23), (4, 26), (8, 36), (16, 49)]
)
def test_loss_impairs_g729a_as_g_113_appendix_i_measured(percent: float, expected: float) -> None:
    assert effective_impairment(IMPAIRMENTS["g729"], percent) == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize(("percent", "expected"), [(0, 0), (2, 7), (3, 10), (5, 15), (7, 20), (10, 25)])
def test_loss_impairs_g711_with_concealment_as_g_113_appendix_i_measured(percent: float, expected: float) -> None:
    assert effective_impairment(IMPAIRMENTS["pcmu"], percent) == pytest.approx(expected, abs=2.2)


@pytest.mark.parametrize("delay_ms", [0, 50, 100, 150, 177, 200, 250, 300, 350])
def test_delay_impairs_as_the_well_known_fit_to_the_model_says(delay_ms: float) -> None:
    """R. G. Cole and J. H. Rosenbluth, Voice over IP performance monitoring, 2001: Id to within some points of R."""
    fit = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)
    assert 93.2 - rating_of(0, delay_ms) == pytest.approx(fit, abs=1.5)


def test_losses_in_bursts_are_worse_than_the_same_at_random() -> None:
    codec = IMPAIRMENTS["g729"]
    assert effective_impairment(codec, 4, 2) > effective_impairment(codec, 4, 1)
    assert effective_impairment(codec, 4, 0.5) == effective_impairment(codec, 4, 1)
    lost = Path("g729", 960, 40)
    assert lost.burst_ratio == 1
    assert lost._replace(mean_burst=4).burst_ratio == pytest.approx(3.84)


def test_every_codec_that_the_server_speaks_can_be_rated() -> None:
    assert set(IMPAIRMENTS) == set(CATALOGUE)
    for name in CATALOGUE:
        rated = mos(Path(name, 1000, 0))
        assert rated is not None
        assert 3.0 < rated < 4.5


def test_nothing_is_said_of_less_than_a_second_or_of_a_codec_that_is_not_known() -> None:
    assert mos(Path("pcmu", 49, 0)) is None
    assert mos(Path("", 1000, 0)) is None
    assert mos(Path("pcmu", 1000, 0), Path("", 1000, 0)) is None


def test_what_is_transcoded_sounds_worse_than_either_part() -> None:
    both = mos(Path("gsm", 1000, 0), Path("g729", 1000, 20))
    assert both is not None
    for alone in (Path("gsm", 1000, 0), Path("g729", 1000, 20)):
        single = mos(alone)
        assert single is not None
        assert both < single


paths = st.builds(
    Path,
    st.sampled_from(sorted(IMPAIRMENTS)),
    st.integers(50, 10**9),
    st.integers(-(10**6), 10**9),
    st.floats(0, 10_000),
    st.none() | st.floats(0, 60_000),
    st.integers(10, 200),
    st.floats(1, 1000),
)


@given(paths, st.none() | paths)
def test_a_mos_is_always_within_its_scale(path: Path, before: Path | None) -> None:
    rated = mos(path, before)
    assert rated is not None
    assert 1.0 <= rated <= 4.5


@given(paths)
def test_more_loss_or_delay_never_sounds_better(path: Path) -> None:
    # Of runs as long as before, more are nearer to what chance would make of that loss, and so weigh less each.
    path = path._replace(mean_burst=1.0)
    rated, worse = mos(path), mos(path._replace(lost=max(path.lost, 0) + path.received // 10))
    later = mos(path._replace(round_trip_ms=(path.round_trip_ms or 0.0) + 100))
    assert rated is not None
    assert worse is not None
    assert later is not None
    assert worse <= rated
    assert later <= rated
