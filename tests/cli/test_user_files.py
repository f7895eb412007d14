"""Many SIP users, the change log and the route tester on the command line."""

import csv
import io
import json
import stat
from pathlib import Path

from cli.conftest import Run


def test_many_users_are_added_and_their_secrets_kept_in_a_private_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "secrets.csv"
    done = run("user", "bulk", "1100-1119", "anna", "--domain", "office.example", "--secrets", str(file))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len(rows) == 21
    assert rows[0]["secret"] not in done.stdout
    again = run("user", "bulk", "1119", "1120", "--domain", "office.example", "--secrets", str(tmp_path / "more.csv"))
    assert again.returncode == 1
    assert "These exist already: 1119" in again.stderr
    assert not (tmp_path / "more.csv").exists()
    assert run("user", "bulk", "7", "--domain", "office.example", "--secrets", str(file)).returncode == 1
    assert run("user", "show", "7@office.example").returncode == 1


def test_users_go_out_as_csv_and_come_back_changed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    assert run("user", "export", "-o", str(file)).returncode == 0
    file.write_text(
        file.read_text().replace("1001@office.example,", "1001@office.example,Anna", 1) + "2000@office.example\n"
    )
    checked = run("user", "import", str(file), "--check", "--json")
    actions = [line["action"] for line in json.loads(checked.stdout)]
    assert actions == ["same", "change", "same", "same", "create"]
    done = run("user", "import", str(file), "--json")
    result = json.loads(done.stdout)
    assert (result["created"], result["changed"]) == (1, 1)
    assert [one["user"] for one in result["secrets"]] == ["2000@office.example"]
    file.write_text("user,protection\n2001@office.example,rot13\n")
    wrong = run("user", "import", str(file))
    assert wrong.returncode == 1
    assert "rot13" in wrong.stdout
    assert "2001" not in run("user", "list").stdout


def test_a_change_is_listed_shown_and_taken_back(run: Run) -> None:
    run("user", "set", "1000@office.example", "--name", "Anna", "--codecs", "opus")
    (latest, *_) = json.loads(run("changes", "list", "--json").stdout)
    assert (latest["subject"], latest["state"]) == ("SIP user 1000@office.example", "pending")
    shown = run("changes", "show", str(latest["id"]))
    assert "would set display_name" in shown.stdout
    done = run("changes", "revert", str(latest["id"]), "--json")
    assert json.loads(done.stdout)["reverts"] == latest["id"]
    assert "Anna" not in run("user", "show", "1000@office.example").stdout
    again = run("changes", "revert", str(latest["id"]))
    assert again.returncode == 1
    assert "taken back already" in again.stderr
    assert "Anna" in run("changes", "list", "--find", "1000@", columns=200).stdout


def test_a_call_is_tried_without_a_server(run: Run) -> None:
    said = run("test-call", "1000@office.example", "1001")
    assert said.returncode == 0
    assert "No server is running" in said.stdout
    assert "That user has no phone registered (480)" in said.stdout
    assert "The server could listen. Nobody on the network could." in said.stdout
    told = json.loads(run("test-call", "1000@office.example", "1001", "--callee-transport", "udp", "--json").stdout)
    assert (told["scheme"], told["listeners"]) == ("5", ["server", "callee's network"])
    assert run("test-call", "1000@office.example", "1001", "--callee-codecs", "mp3").returncode == 1
