"""The panel beside a running server: on its TLS port, started and ended with it, and none of its troubles are SIP's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sealtone.net.control_client import ControlClient
from sealtone.net.relay import PANEL_SOCKET
from server.whole import Whole, config_in, running

KERNEL = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    async with running(config_in(tmp_path, panel=True)) as whole:
        yield whole


def browser(whole: Whole, port: int = 0) -> httpx.AsyncClient:
    trusted = ssl.create_default_context(cafile=str(whole.ready.ca_file))
    base = f"https://127.0.0.1:{port or whole.config.shared_tls_port}"
    return httpx.AsyncClient(verify=trusted, base_url=base, timeout=20, trust_env=False)


async def answers(whole: Whole) -> httpx.Response:
    """What the panel answers once it does."""
    async with browser(whole) as client:
        async with asyncio.timeout(30):
            while (answer := await client.get("/sign-in")).status_code == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    return answer


async def test_the_panel_answers_on_the_port_of_sip_over_tls_and_phones_go_on_there(whole: Whole) -> None:
    answer = await answers(whole)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert stat.S_IMODE((whole.config.data / PANEL_SOCKET).stat().st_mode) == 0o600
    port = whole.config.shared_tls_port
    async with whole.phone("1000", "tls") as phone:
        assert await phone.register()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=ssl.create_default_context(cafile=str(whole.ready.ca_file))
    )
    writer.write(b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readexactly(2), 3) == b"\r\n"
    writer.close()


async def test_the_other_tls_port_is_for_phones_alone(whole: Whole) -> None:
    await answers(whole)
    async with browser(whole, whole.config.tls_port) as client:
        with pytest.raises(httpx.HTTPError):
            await client.get("/sign-in")


async def test_a_panel_that_is_killed_comes_back_and_sip_goes_on_meanwhile(whole: Whole) -> None:
    await answers(whole)
    before = whole.server.panel.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    async with whole.phone("1000") as phone:
        assert await phone.register()
    async with asyncio.timeout(30):
        while whole.server.panel.pid in (None, before):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await answers(whole)
    assert whole.server.panel.restarts == 1
    whole.server._journal.flush()
    assert "panel ended by signal 9" in whole.log.getvalue()


async def test_sip_and_media_interrupt_the_panel_and_no_key_at_the_terminal_ends_it(whole: Whole) -> None:
    await answers(whole)
    pid = whole.server.panel.pid
    assert pid is not None
    threads, nices = [int(thread) for thread in os.listdir(f"/proc/{pid}/task")], set()
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            nices.add(os.getpriority(os.PRIO_PROCESS, thread))
    assert nices == {os.getpriority(os.PRIO_PROCESS, 0) + 10}
    # Where the kernel tells of slices and takes them from us (Linux 6.12).
    ours, theirs = _slice_of(os.getpid()), {_slice_of(thread) for thread in threads} - {None}
    if ours is not None and KERNEL >= (6, 12):
        assert theirs == {100e6}
    assert os.getpgid(pid) == pid
    # Within one session: between two, Linux shares a core without regard to priorities (autogroup).
    assert os.getsid(pid) == os.getsid(0)


async def test_a_panel_that_hangs_is_ended_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_LOOK_EVERY_S", 0.5), ("_ANSWERS_S", 3.0)):
        monkeypatch.setattr(f"sealtone.server.panel_process.{name}", seconds)
    async with running(config_in(tmp_path, panel=True)) as whole:
        await answers(whole)
        await asyncio.sleep(1.0)  # it has been looked after once
        async with asyncio.timeout(10):
            while (hung := whole.server.panel.pid) is None:  # noqa: ASYNC110 - one that was slow is started again
                await asyncio.sleep(0.1)
        os.kill(hung, signal.SIGSTOP)
        async with asyncio.timeout(40):
            while whole.server.panel.pid in (None, hung):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await answers(whole)
        whole.server._journal.flush()
    assert "panel does not answer any more" in whole.log.getvalue()


async def test_the_panel_ends_with_its_server(tmp_path: Path) -> None:
    async with running(config_in(tmp_path, panel=True)) as whole:
        await answers(whole)
        pid = whole.server.panel.pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not (tmp_path / PANEL_SOCKET).exists()


async def test_a_server_without_a_panel_has_none_and_says_no_address(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        assert (whole.ready.panel, whole.ready.owner_link, whole.server.panel.pid) == ("", "", None)
        async with browser(whole) as client:
            with pytest.raises(httpx.HTTPError):
                await client.get("/")


async def test_the_first_start_gives_a_link_for_the_first_owner(whole: Whole) -> None:
    assert whole.ready.panel == f"https://127.0.0.1:{whole.config.shared_tls_port}/"
    assert whole.ready.owner_link.startswith(f"{whole.ready.panel}welcome/")


async def test_a_server_that_is_killed_leaves_no_panel_behind(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    options = [f"--data={tmp_path}", "--listen=127.0.0.1", "--workers=1", "--json", "--http-port=0"]
    options += [f"--sip-port={config.sip_port}", f"--tls-port={config.tls_port}", "--shared-tls-port=0"]
    options += [f"--media-ports={config.media_ports[0]}-{config.media_ports[1]}"]
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sealtone.cli",
        "serve",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert server.stdout is not None
        told = await asyncio.wait_for(server.stdout.readuntil(b"\n}\n"), 90)
        assert json.loads(told)["owner_link"].startswith(f"https://127.0.0.1:{config.tls_port}/welcome/")
        client = ControlClient(tmp_path)
        async with asyncio.timeout(90):
            while not (tmp_path / PANEL_SOCKET).exists():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        pid = (await client.ask("status"))["panel"]["pid"]
        assert _is_panel(pid)
    finally:
        server.kill()
        await server.wait()
    async with asyncio.timeout(60):
        while _is_panel(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def _slice_of(thread: int) -> float | None:
    """Nanoseconds that a thread may run before another one is looked at; None where the kernel does not say."""
    try:
        lines = Path(f"/proc/{thread}/sched").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((float(line.split()[-1]) for line in lines if line.startswith("se.slice")), None)


def _is_panel(pid: int) -> bool:
    try:
        return b"sealtone.web" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
