"""The server as a whole on a PostgreSQL server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sealtone
from postgres import Place, running_server
from sealtone.config import CONFIG_FILE
from sealtone.phone.phone import RegistrationFailed
from sealtone.store.database import DATABASE_FILE
from sealtone.store.records import CallFilter
from server.whole import config_in, running


def command(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(sealtone.__file__).parents[1])}
    words = [sys.executable, "-m", "sealtone.cli", *arguments, "--data", str(place.folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=environment)
    done.stderr = " ".join(done.stderr.split())  # lines end where the terminal does
    return done


async def test_phones_register_and_call_and_a_restarted_database_costs_no_call_and_no_record(tmp_path: Path) -> None:
    with running_server() as postgres:
        if postgres is None:
            pytest.skip("PostgreSQL is not installed")
        place = Place(tmp_path, postgres.new_database())
        (tmp_path / CONFIG_FILE).write_text(f'database = "{place.url}"')
        async with running(config_in(tmp_path, database=place.location)) as whole:
            async with whole.phone("1000") as a, whole.phone("1001") as b:
                await a.register()
                await b.register()
                call = await a.call("1001")
                await call.answered(15)
                far = await b.next_call(15)
                postgres.stop()
                with pytest.raises(RegistrationFailed):
                    await a.register()
                await call.hang_up()
                assert await far.ended(15)
                await asyncio.sleep(0.5)
                again = await a.call("1001")  # who is registered is known without the database
                await again.answered(15)
                await again.hang_up()
                await asyncio.sleep(0.5)
                postgres.start()
                await a.register()
            for _ in range(600):
                if len((await whole.server._store.calls(CallFilter())).records) == 2:
                    break
                await asyncio.sleep(0.05)
            records = await whole.records()
            assert [record.callee for record in records] == ["1001@office.example"] * 2  # type: ignore[attr-defined]
            made = await asyncio.to_thread(command, place, "user", "add", "2000@office.example", "--json")
            assert made.returncode == 0, made.stderr
            assert whole.server.node.snapshot.user("2000@office.example") is not None
            password = place.location.password if place.location is not None else ""
            assert password not in whole.log.getvalue()
        listed = await asyncio.to_thread(command, place, "calls", "--json")
        assert listed.stdout.count('"answered_at"') >= 2, listed.stderr
        assert not (tmp_path / DATABASE_FILE).exists()


def test_a_command_on_a_database_that_is_not_there_says_what_to_do_without_the_password(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / CONFIG_FILE).write_text('database = "postgresql://sealtone:s3cret@127.0.0.1:1/calls"')
    assert "holds no Sealtone data" in command(place, "user", "list").stderr
    key = tmp_path / "secrets.key"
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    failed = command(place, "user", "list")
    assert failed.returncode == 4
    assert "See that the database server runs and can be reached" in failed.stderr
    assert "s3cret" not in failed.stdout + failed.stderr
