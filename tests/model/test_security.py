"""The state a call is shown in is its weakest leg's, and never better than what is known."""

import itertools

import pytest

from sealtone.model import (
    CallState,
    KeyExchange,
    LegSecurity,
    MediaPath,
    Protection,
    ZrtpFacts,
    ZrtpStage,
    call_state,
    leg_state,
)
from sealtone.srtp_keys import Suite

SUITE = Suite.AEAD_AES_256_GCM
OPEN = LegSecurity()
SDES = LegSecurity("tls", "TLSv1.3", "x", Protection.SRTP, SUITE, SUITE, KeyExchange.SDES)
ZRTP = LegSecurity("udp", "", "", Protection.ZRTP, SUITE, SUITE, KeyExchange.ZRTP)
CHECKED = ZRTP._replace(sas_verified=True)
SEALED = LegSecurity(
    "udp",
    protection=Protection.ZRTP,
    key_exchange=KeyExchange.ZRTP,
    media_path=MediaPath.SEALED,
    zrtp=ZrtpFacts(ZrtpStage.SEEN),
)
DIRECT = SEALED._replace(media_path=MediaPath.DIRECT, zrtp=ZrtpFacts(ZrtpStage.ANNOUNCED))


@pytest.mark.parametrize(
    ("leg", "state"),
    [
        (OPEN, CallState.OPEN),
        (LegSecurity("tls", "TLSv1.3", "x"), CallState.OPEN),
        (SDES, CallState.PROTECTED_TO_SERVER),
        (ZRTP, CallState.PROTECTED_TO_SERVER),
        (CHECKED, CallState.PROTECTED_CHECKED),
        (SDES._replace(sas_verified=True), CallState.PROTECTED_TO_SERVER),
        (SDES._replace(transport="udp"), CallState.OPEN),
        (SDES._replace(suite_tx=None), CallState.OPEN),
        (SDES._replace(key_exchange=KeyExchange.NONE), CallState.OPEN),
        (SEALED, CallState.END_TO_END),
        (DIRECT, CallState.END_TO_END),
        (SEALED._replace(suite_rx=SUITE), CallState.OPEN),
        (SEALED._replace(protection=Protection.NONE), CallState.OPEN),
        (SEALED._replace(key_exchange=KeyExchange.DTLS), CallState.OPEN),
    ],
)
def test_a_legs_state_follows_from_what_it_reached(leg: LegSecurity, state: CallState) -> None:
    assert leg_state(leg) is state


@pytest.mark.parametrize(
    ("a", "b", "state"),
    [
        (OPEN, SDES, CallState.OPEN),
        (SDES, SDES, CallState.PROTECTED_TO_SERVER),
        (SDES, CHECKED, CallState.PROTECTED_TO_SERVER),
        (CHECKED, CHECKED, CallState.PROTECTED_CHECKED),
        (SEALED, SEALED, CallState.END_TO_END),
        (DIRECT, DIRECT, CallState.END_TO_END),
        (SEALED, CHECKED, CallState.OPEN),
        (SEALED, DIRECT, CallState.OPEN),
        (SEALED, OPEN, CallState.OPEN),
    ],
)
def test_a_call_is_as_safe_as_its_weakest_leg_in_either_order(a: LegSecurity, b: LegSecurity, state: CallState) -> None:
    assert call_state(a, b) is state
    assert call_state(b, a) is state


@pytest.mark.parametrize(
    ("leg", "state"),
    [
        (OPEN, CallState.OPEN),
        (SDES, CallState.PROTECTED_TO_SERVER),
        (CHECKED, CallState.PROTECTED_CHECKED),
        (SEALED, CallState.OPEN),
    ],
)
def test_a_call_to_an_application_of_the_server_has_its_only_legs_state(leg: LegSecurity, state: CallState) -> None:
    assert call_state(leg, None) is state


def test_a_call_whose_media_the_server_ends_is_never_called_end_to_end() -> None:
    legs = [
        LegSecurity(transport, "", "", protection, rx, tx, exchange, MediaPath.SERVER, verified)
        for transport, protection, rx, tx, exchange, verified in itertools.product(
            ("udp", "tls"), Protection, (None, SUITE), (None, SUITE), KeyExchange, (False, True)
        )
    ]
    for a, b in itertools.product(legs, [*legs, None]):
        assert call_state(a, b) is not CallState.END_TO_END
