"""The control socket, from both ends."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from sealtone.net import ControlError, ListenError, NotRunning
from sealtone.net.control import SOCKET_FILE, ControlSocket, ask


async def later(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def refuse() -> None:
    raise ControlError("Not now.")


ACTIONS: dict[str, Any] = {"status": lambda: {"calls": 3}, "double": later, "refuse": refuse}


async def opened(folder: Path) -> ControlSocket:
    control = ControlSocket(folder / SOCKET_FILE, ACTIONS)
    await control.open()
    return control


async def test_a_question_is_answered_whether_its_action_waits_or_not(tmp_path: Path) -> None:
    control = await opened(tmp_path)
    assert await asyncio.to_thread(ask, tmp_path, "status") == {"calls": 3}
    assert await asyncio.to_thread(ask, tmp_path, "double", number=21) == 42
    await control.close()


async def test_what_a_phone_wrote_is_answered_as_text_that_can_be_shown(tmp_path: Path) -> None:
    name = b"M\xfcller M\xc3\xbcller\n".decode("utf-8", "surrogateescape")
    control = ControlSocket(tmp_path / SOCKET_FILE, {"name": lambda: name})
    await control.open()
    answer = await asyncio.to_thread(ask, tmp_path, "name")
    assert isinstance(answer, str)
    assert answer.encode() == "M?ller M\u00fcller\n".encode()
    await control.close()


async def test_a_refusal_reaches_the_person_as_it_was_said(tmp_path: Path) -> None:
    control = await opened(tmp_path)
    with pytest.raises(ControlError, match=r"^Not now\.$"):
        await asyncio.to_thread(ask, tmp_path, "refuse")
    await control.close()


@pytest.mark.parametrize(("do", "arguments"), [("unknown", {}), ("status", {"surplus": 1}), ("double", {})])
async def test_what_the_server_does_not_know_is_refused_and_it_goes_on(
    tmp_path: Path, do: str, arguments: dict[str, Any]
) -> None:
    control = await opened(tmp_path)
    with pytest.raises(ControlError, match="another version"):
        await asyncio.to_thread(ask, tmp_path, do, **arguments)
    assert await asyncio.to_thread(ask, tmp_path, "status") == {"calls": 3}
    await control.close()


@pytest.mark.parametrize("line", [b"\xff\n", b"[]\n", b"7\n", b'{"do": {}}\n', b"x" * 100_000 + b"\n"])
async def test_nonsense_does_not_end_the_server(tmp_path: Path, line: bytes) -> None:
    control = await opened(tmp_path)
    _, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET_FILE))
    writer.write(line)
    assert await asyncio.to_thread(ask, tmp_path, "status") == {"calls": 3}
    writer.close()
    await control.close()


async def test_only_its_owner_may_open_the_socket(tmp_path: Path) -> None:
    control = await opened(tmp_path)
    assert (tmp_path / SOCKET_FILE).stat().st_mode & 0o777 == 0o600
    await control.close()
    assert not (tmp_path / SOCKET_FILE).exists()


async def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    control = await opened(tmp_path)
    with pytest.raises(ListenError, match="Another Sealtone server is running"):
        await opened(tmp_path)
    assert await asyncio.to_thread(ask, tmp_path, "status") == {"calls": 3}
    await control.close()


async def test_a_socket_left_behind_by_a_killed_server_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(tmp_path / SOCKET_FILE))
    control = await opened(tmp_path)
    assert await asyncio.to_thread(ask, tmp_path, "status") == {"calls": 3}
    await control.close()


def test_no_server_is_told_with_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="sealtone serve"):
        ask(tmp_path, "status")
