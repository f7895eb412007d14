"""More changes wait to be written than the store takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealtone.phone import RegistrationFailed
from server.whole import config_in, running


async def test_a_registration_that_the_store_refuses_is_answered_503_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, whole.phone("1000") as a, whole.phone("1001") as b:
        await b.register()
        writer, node = whole.server._store._writer, whole.server.node
        queued = writer._queued
        writer._queued = 1_000_000
        with pytest.raises(RegistrationFailed, match="503"):
            await a.register()
        node.registrar.shift(-1e6)  # what has expired cannot be deleted now
        before = node._housekeeping
        node._housekeep()
        assert node._housekeeping is not before
        writer._queued = queued
        assert not node.registrar._pending
        await a.register()
        await b.register()
        call = await a.call("1001")
        await call.answered(5)
        await call.hang_up()
