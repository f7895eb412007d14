"""What our own phone makes of what a server answers to its REGISTER, the strange answers too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from sealtone.phone import Phone, PhoneConfig, RegistrationFailed
from sealtone.sip.message import Headers, Request, Response, parse_message

Answer = Callable[[Request], tuple[int, tuple[tuple[str, str], ...]]]


class Registrar(asyncio.DatagramProtocol):
    """Answers each REGISTER as it is told to."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.strip():
            return  # it only keeps the path open
        request = parse_message(data)
        assert isinstance(request, Request)
        self.asked.append(request.headers.get("Expires") or "")
        status, more = self._answer(request)
        copied = [(name, request.headers.get(name) or "") for name in ("Via", "From", "To", "Call-ID", "CSeq")]
        copied[2] = ("To", copied[2][1] + ";tag=server")
        self._transport.sendto(bytes(Response(status, "Told", Headers([*copied, *more]))), addr)


async def granted(answer: Answer) -> tuple[int, list[str]]:
    """The seconds that a phone believes it was granted, and those that it asked for."""
    loop = asyncio.get_running_loop()
    transport, registrar = await loop.create_datagram_endpoint(lambda: Registrar(answer), local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        config = PhoneConfig("1000", "office.example", "secret", proxy=("127.0.0.1", port), expires_s=300)
        async with Phone(config) as phone:
            seconds = await phone.register()
            phone.registered_until = None  # nothing is left to unregister
    finally:
        transport.close()
    return seconds, registrar.asked


def contact_of(request: Request, expires: str) -> tuple[str, str]:
    return "Contact", f"<{request.contacts[0].uri}>;expires={expires}"


@pytest.mark.parametrize(
    ("parameter", "header", "seconds"),
    [
        ("120", "180", 120),
        ("²", "180", 180),
        ("9" * 5_000, "180", 180),
        ("-5", "²", 300),
        ("", "9" * 5_000, 300),
        ("٣٠", "soon", 300),
    ],
)
async def test_a_time_that_is_no_number_counts_as_absent(parameter: str, header: str, seconds: int) -> None:
    def answer(request: Request) -> tuple[int, tuple[tuple[str, str], ...]]:
        return 200, (contact_of(request, parameter), ("Expires", header))

    assert await granted(answer) == (seconds, ["300"])


async def test_a_phone_asks_again_for_as_long_as_the_server_wants_at_least() -> None:
    def answer(request: Request) -> tuple[int, tuple[tuple[str, str], ...]]:
        expires = request.headers.get("Expires") or ""
        return (423, (("Min-Expires", "900"),)) if expires == "300" else (200, (contact_of(request, expires),))

    assert await granted(answer) == (900, ["300", "900"])


@pytest.mark.parametrize("shortest", ["²", "9" * 5_000, "", "soon"])
async def test_a_shortest_time_that_is_no_number_is_a_refusal(shortest: str) -> None:
    with pytest.raises(RegistrationFailed) as refused:
        await granted(lambda request: (423, (("Min-Expires", shortest),)))
    assert refused.value.status == 423
