"""HTTP as the panel's process takes it from the server: who is at the other end, and requests that never become whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from uvicorn.server import ServerState

from sealtone.web import process
from sealtone.web.process import RelayedProtocol, protocol_config

WHO = {"remote": ["192.0.2.7", 4711], "local": ["192.0.2.1", 443], "tls": "TLSv1.3", "cipher": "x", "sni": "a.test"}
LINE = json.dumps(WHO).encode() + b"\n"
GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"


async def tells(scope: object, receive: object, send: object) -> None:
    request = Request(scope, receive)  # type: ignore[arg-type]
    body = await request.body()
    client = request.client
    assert client is not None
    told = {"client": list(client), "url": str(request.url), "tls": request.state.tls["tls"], "size": len(body)}
    await JSONResponse(told)(scope, receive, send)  # type: ignore[arg-type]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Path]:
    config = protocol_config(tells)
    config.load()
    state, path = ServerState(), tmp_path / "panel.sock"
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(
        lambda: RelayedProtocol(config=config, server_state=state, app_state={}), str(path)
    )
    yield path
    server.close()


async def answer_to(path: Path, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause_s)
    found = b""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        found = await asyncio.wait_for(reader.read(65_536), 5)
    writer.close()
    return found


async def test_a_route_sees_the_browser_and_not_the_server_between(served: Path) -> None:
    answer = await answer_to(served, LINE + GET)
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert told == {"client": ["192.0.2.7", 4711], "url": "https://a.test/x", "tls": "TLSv1.3", "size": 0}


async def test_the_first_line_may_come_in_pieces(served: Path) -> None:
    answer = await answer_to(served, LINE[:10], LINE[10:], GET[:7], GET[7:], pause_s=0.02)
    assert b"192.0.2.7" in answer


async def test_what_a_browser_says_of_where_it_comes_from_counts_for_nothing(served: Path) -> None:
    forged = GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: http\r\n\r\n")
    line = LINE.replace(b"192.0.2.7", b"127.0.0.1")
    told = json.loads((await answer_to(served, line + forged)).partition(b"\r\n\r\n")[2])
    assert (told["client"][0], told["url"]) == ("127.0.0.1", "https://a.test/x")


async def test_a_head_or_body_that_trickles_is_given_up(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_HEAD_S", 0.2)
    monkeypatch.setattr(process, "_BODY_S", 0.2)
    assert await answer_to(served, LINE + GET[:20], b"X-A: 1\r\n", pause_s=0.15) == b""
    post = b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\n"
    assert await answer_to(served, LINE + post, *[b"x"] * 6, pause_s=0.1) == b""
    assert b"192.0.2.7" in await answer_to(served, LINE + GET)


async def test_an_introduction_without_end_is_cut(served: Path) -> None:
    assert await answer_to(served, b"x" * 10_000) == b""
