"""No webhook leads this server into its own network: sixty ways to try, beside one that is delivered."""

from __future__ import annotations

import ipaddress
import socket
import time

import pytest

from sealtone.admin import InvalidInput
from sealtone.admin.webhook_targets import TargetRules, check_url, target_of, why_refused
from sealtone.web.webhooks import Sender, SendingFailed
from web.webhooks.receiver import receiving

HOSTILE = [
    # loopback, in every way of writing it that a resolver or a URL parser might take
    "https://127.0.0.1/",
    "https://127.0.0.1:8443/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://localhost.localdomain/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    # nothing in particular
    "https://0.0.0.0/",
    "https://0/",
    "https://[::]/",
    "https://255.255.255.255/",
    "https://240.0.0.1/",
    # private, shared and special networks
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://172.16.0.1/",
    "https://172.31.255.254/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.127.255.254/",
    "https://192.0.0.8/",
    "https://198.18.0.1/",
    "https://192.0.2.1/",
    "https://[fc00::1]/",
    "https://[fd12:3456:789a::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:192.168.0.1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[2002:c0a8:101::1]/",
    "https://[2001:db8::1]/",
    "https://[2606:4700::5efe:10.0.0.1]/",
    # link-local, with the metadata of clouds
    "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    # multicast
    "https://224.0.0.1/",
    "https://[ff02::1]/",
    # other ways than https to a public port
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "https://example.com:22/",
    "https://example.com:6379/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com#@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://exa%6Dple.com/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https:///etc/passwd",
    "https://[::1",
    "//127.0.0.1/",
    "javascript:alert(1)",
    "https://example.com/\r\nHost: 127.0.0.1",
    "",
]


class _Connected(Exception):
    """A connection was about to be made."""


@pytest.mark.parametrize("url", HOSTILE)
async def test_nothing_is_sent_into_the_own_network(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is made of the URL, the kernel is never asked to connect anywhere."""
    assert len(set(HOSTILE)) >= 60

    def connect(*args: object, **named: object) -> None:
        raise _Connected(args)

    monkeypatch.setattr("anyio.connect_tcp", connect)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(SendingFailed):
        await Sender().post(url, {}, b"{}", TargetRules())


async def test_the_same_sender_delivers_where_the_operator_permits_it() -> None:
    rules = TargetRules((ipaddress.ip_network("127.0.0.0/8"),), (), http=True)
    async with receiving() as receiver:
        answer = await Sender().post(
            f"http://127.0.0.1:{receiver.port}/hook?x=1", {"Content-Type": "application/json"}, b"{}", rules
        )
    assert answer.taken
    assert receiver.received[0].head == "POST /hook?x=1 HTTP/1.1"
    assert receiver.received[0].body == b"{}"


async def test_a_permitted_network_permits_no_other_address_by_another_name() -> None:
    rules = TargetRules((ipaddress.ip_network("10.20.0.0/16"),))
    assert why_refused(ipaddress.ip_address("10.20.3.4"), rules) == ""
    assert why_refused(ipaddress.ip_address("::ffff:10.20.3.4"), rules) == ""
    for text in ("10.21.0.1", "127.0.0.1", "::1", "::ffff:10.21.0.1", "169.254.169.254"):
        assert why_refused(ipaddress.ip_address(text), rules)


async def test_a_name_is_resolved_once_and_that_very_address_is_connected_to() -> None:
    """DNS rebinding: the second answer is never asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    rules = TargetRules((ipaddress.ip_network("127.0.0.2/32"),), (), http=True)
    async with receiving("127.0.0.2") as receiver:
        answer = await Sender(resolve).post(f"http://rebinding.example:{receiver.port}/", {}, b"x", rules)
        assert answer.taken
        assert receiver.received[0].headers["host"] == f"rebinding.example:{receiver.port}"
        with pytest.raises(SendingFailed, match="not a public address"):
            await Sender(resolve).post(f"http://rebinding.example:{receiver.port}/", {}, b"x", rules)
        assert receiver.connections == 1
    assert len(asked) == 2


@pytest.mark.parametrize("found", [["93.184.215.14", "10.0.0.1"], ["10.0.0.1", "93.184.215.14"], ["::1"], []])
async def test_one_bad_address_among_many_is_enough(found: list[str]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return found

    with pytest.raises(SendingFailed):
        await Sender(resolve).post("https://mixed.example/", {}, b"", TargetRules())


async def test_an_address_of_this_machine_is_refused_even_if_it_is_public() -> None:
    """Seen with the documentation's networks permitted by nobody: the machine's own address is found by binding."""
    from sealtone.net.local_address import primary_addresses
    from sealtone.web.webhooks.sending import is_own

    for text in primary_addresses():
        assert is_own(ipaddress.ip_address(text))
    assert not is_own(ipaddress.ip_address("93.184.215.14"))
    assert not is_own(ipaddress.ip_address("2606:2800:21f:cb07:6820:80da:af6b:8b2c"))


async def test_no_redirect_is_followed() -> None:
    rules = TargetRules((ipaddress.ip_network("127.0.0.0/8"),), (), http=True)
    async with receiving() as inner, receiving() as receiver:
        target = f"http://127.0.0.1:{inner.port}/"
        for status in (301, 302, 303, 307, 308):
            head = f"HTTP/1.1 {status} X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
            receiver.answer = lambda request, head=head: head  # type: ignore[misc]
            answer = await Sender().post(f"http://127.0.0.1:{receiver.port}/", {}, b"", rules)
            assert answer.status == status
            assert not answer.taken
        assert inner.connections == 0


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    rules = TargetRules((ipaddress.ip_network("127.0.0.0/8"),), (), http=True)
    async with receiving() as receiver:
        receiver.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 3_000_000
        started = time.monotonic()
        answer = await Sender().post(f"http://127.0.0.1:{receiver.port}/", {}, b"", rules)
        assert answer.status == 200
        assert time.monotonic() - started < 5


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = TargetRules((ipaddress.ip_network("127.0.0.0/8"),), (), http=True)
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await Sender().post(f"http://127.0.0.1:{receiver.port}/", {}, b"", rules)).taken
        assert proxy.connections == 0


@pytest.mark.parametrize("url", [url for url in HOSTILE if "://" in url and "[" not in url][:20])
def test_a_form_with_an_address_that_is_refused_is_refused_at_once(url: str) -> None:
    """Names are left to the moment of sending; what is an address can be said already."""
    try:
        host = target_of(url, TargetRules()).host
        ipaddress.ip_address(host)
    except InvalidInput:
        pass
    except ValueError:
        return
    with pytest.raises(InvalidInput):
        check_url(url, TargetRules())


@pytest.mark.parametrize(
    "text", ["93.184.215.14", "2606:4700:4700::1111", "64:ff9b::5db8:d70e", "2002:5db8:d70e::1", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_not_refused(text: str) -> None:
    assert why_refused(ipaddress.ip_address(text)) == ""
