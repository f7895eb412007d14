"""Names and addresses that Rich would take for its mark-up, lines that are copied, paths that a shell takes apart."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from cli.conftest import Run
from sealtone.cli.output import console
from sealtone.cli.welcome import Welcome, show
from sealtone.net import Listening
from sealtone.registrar import Binding
from sealtone.store import Database
from sealtone.store.bindings import BindingChange, write_bindings

NAME = "[/b] [sales] :a:"
ADDRESS = "fd00:1:a:b::1"


def test_a_name_that_looks_like_mark_up_is_shown_and_breaks_no_list(run: Run, tmp_path: Path) -> None:
    assert run("user", "set", "1000@office.example", "--name", NAME).returncode == 0
    assert NAME in run("user", "list", columns=200).stdout
    (latest, *_) = json.loads(run("changes", "list", "--json").stdout)
    for shown in (run("changes", "list", columns=200), run("changes", "show", str(latest["id"]), columns=200)):
        assert (shown.returncode, NAME in shown.stdout) == (0, True), shown.stderr
    exported = run("config", "export").stdout
    file = tmp_path / "office.yaml"
    file.write_text(exported.replace(NAME, f"{NAME} 2") + "    - username: '2000'\n")
    taken = run("config", "import", str(file), columns=200)
    assert (taken.returncode, f"{NAME} 2" in taken.stdout) == (0, True), taken.stderr
    assert "Secrets, shown only now" in taken.stdout


def test_a_token_that_is_shown_once_is_shown_whatever_its_key_is_called(run: Run) -> None:
    made = run("api-key", "create", "[/nightly]")
    assert "([/nightly])" in made.stdout
    assert "stk_" in made.stdout


def test_an_ipv6_address_is_shown_whole(run: Run, data: Path) -> None:
    linked = run("connect", "1000@office.example", "--host", ADDRESS)
    assert linked.stdout.startswith(f"https://[{ADDRESS}]:"), linked.stdout + linked.stderr
    at = (ADDRESS, 5070)
    binding = Binding("1000@office.example", "sip:1000@a.invalid", "c", 1, time.time() + 90, time.time(), "udp", at)
    database = Database(data)
    with database.write() as transaction:
        write_bindings(transaction.connection, [BindingChange([binding])])
    database.close()
    assert f"[{ADDRESS}]:5070" in run("registrations", columns=200).stdout


def test_the_command_that_ends_a_link_stands_in_one_line(run: Run) -> None:
    shown = run("connect", "1000@office.example", "--host", "pbx.example", columns=60).stdout
    number = json.loads(run("connect", "1000@office.example", "--list", "--json").stdout)[0]["number"]
    assert f"sealtone connect 1000@office.example --revoke {number}\n" in shown


def test_the_first_start_shows_an_ipv6_proxy_and_a_folder_with_a_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out: Console = console()
    out.file = io.StringIO()
    places = [Listening("tls", "::", 5061)]
    show(out, Welcome(["office.example"], [ADDRESS], places, Path("ca.pem"), "AB", data=Path("/srv/my data")))
    assert f"outbound proxy [{ADDRESS}]:5061," in out.file.getvalue()
    assert "sealtone calls --data '/srv/my data'" in out.file.getvalue()
