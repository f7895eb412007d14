"""Direct media between real phones on networks of their own: where it works, and where it falls back through the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interop.networks import PRIVATE, PUBLIC_A, PUBLIC_B, SERVER, Networks, may_make_networks
from interop.phones import RealPhone
from interop.server import DOMAIN, Server
from interop.test_calls import A_HZ, B_HZ, end_and_prove, place
from interop.test_zrtp_calls import sas_of
from sealtone.model import CallState, MediaPath

HOSTS = {"a": PUBLIC_A, "b": PUBLIC_B, "private": PRIVATE}


@pytest.fixture
def networks() -> Iterator[Networks]:
    if not may_make_networks():
        pytest.skip("networks of their own need root, ip and nft")
    with Networks() as made:
        yield made


@pytest.fixture
def public_server(networks: Networks, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server", media_ports=40)
    server.host, server.namespace = SERVER, networks.named("server")
    with server:
        yield server


@pytest.fixture
def phone_at(networks: Networks, public_server: Server, phone: Callable[..., RealPhone]) -> Callable[..., RealPhone]:
    """A registered linphonec of a user who wants direct media: `phone_at("private", 440)`."""

    def start(place: str, tone_hz: float) -> RealPhone:
        user = public_server.user("direct")
        return phone(
            "linphone",
            user=user,
            tone_hz=tone_hz,
            domain=DOMAIN,
            secret=public_server.secret(user),
            server=(SERVER, public_server.sip_port),
            encryption="zrtp",
            host=HOSTS[place],
            namespace=networks.named(place),
        )

    return start


@pytest.mark.parametrize(
    ("places", "path"),
    [
        pytest.param(("a", "b"), MediaPath.DIRECT, id="both in public"),
        pytest.param(("a", "private"), MediaPath.SEALED, id="the callee is behind NAT"),
        pytest.param(("private", "a"), MediaPath.SEALED, id="the caller is behind NAT"),
    ],
)
def test_two_phones_that_want_it_talk_directly_where_they_reach_each_other_and_sealed_otherwise(
    public_server, phone_at, places, path
):
    caller, callee = phone_at(places[0], A_HZ), phone_at(places[1], B_HZ)
    place(caller, callee)
    assert sas_of(caller) == sas_of(callee)
    end_and_prove(caller, callee)
    record = public_server.call_of(caller.setup.user)
    assert record.state is CallState.END_TO_END
    legs = [leg for leg in record.legs if leg.chosen]
    assert {leg.security.media_path for leg in legs} == {path}
    for leg in legs:
        assert (leg.packets_rx > 50) is (path is MediaPath.SEALED), "whether its media came through the server"
