"""The command line as a person and a program use it: its own process, a real data folder, exit codes."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Run
from sealtone.admin import Reach, save_reach
from sealtone.model.record import CallRecord
from sealtone.net.control import SOCKET_FILE, ControlSocket
from sealtone.registrar import Binding
from sealtone.store import Database
from sealtone.store.bindings import BindingChange, write_bindings
from sealtone.store.directory import read_changes
from sealtone.store.records import insert_calls
from store.records import CLEAR, ENCRYPTED, call


@pytest.fixture
def answered_at() -> float:
    return time.time() - 65


@pytest.fixture
def server(data: Path, answered_at: float) -> Iterator[list[str]]:
    """A control socket that answers like a server's, and what it was asked."""
    asked: list[str] = []
    live = {
        "id": "call-1",
        "stage": "talking",
        "caller": "1000@office.example",
        "callee": "1001@office.example",
        "dialled": "1001",
        "started_at": answered_at - 5,
        "answered_at": answered_at,
        "state": "protected-to-server",
        "drawn": "1000 —SRTP→ server —SRTP→ 1001",
        "legs": [],
    }

    def note(name: str, answer: Any) -> Callable[[], Any]:
        def action() -> Any:
            asked.append(name)
            return answer

        return action

    actions: dict[str, Callable[..., Any]] = {
        "reload": note("reload", 2),
        "calls.live": note("calls.live", [live]),
        "status": note(
            "status",
            {
                "version": "0.1.0",
                "uptime_s": 3700.0,
                "listening": [{"transport": "tls", "host": "::", "port": 5061}],
                "calls": 1,
                "codecs": {"opus": "", "pcmu": "", "gsm": "libgsm.so.1 is not installed"},
                "store": {"records_lost": 0, "last_error": ""},
            },
        ),
    }
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    control = ControlSocket(data / SOCKET_FILE, actions)
    asyncio.run_coroutine_threadsafe(control.open(), loop).result(5)
    yield asked
    asyncio.run_coroutine_threadsafe(control.close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_users_are_listed_for_people_and_for_programs_without_their_secrets(run: Run) -> None:
    people, program = run("user", "list"), run("user", "list", "--json")
    assert "1000@office.example" in people.stdout
    assert "SRTP preferred" in people.stdout
    rows = json.loads(program.stdout)
    assert [row["user"] for row in rows] == [f"100{number}@office.example" for number in range(4)]
    assert not any("ha1" in key or "secret" in key for row in rows for key in row)


def test_a_user_is_added_changed_and_deleted_and_the_log_names_who_did_it(run: Run, data: Path) -> None:
    added = json.loads(run("user", "add", "2000@office.example", "--strictness", "require", "--json").stdout)
    assert len(added["secret"]) == 19
    assert added["strictness"] == "require"
    changed = json.loads(run("user", "set", "2000@office.example", "--disable", "--codecs", "PCMU", "--json").stdout)
    assert (changed["enabled"], changed["codecs"], changed["strictness"]) == (False, ["pcmu"], "require")
    new = json.loads(run("user", "secret", "2000@office.example", "--json").stdout)
    assert new["secret"] != added["secret"]
    assert run("user", "delete", "2000@office.example").returncode == 0
    database = Database(data)
    with database.read() as transaction:
        changes = read_changes(transaction, subject="SIP user 2000@office.example")
    database.close()
    assert [change.action for change in changes] == ["delete", "change", "change", "create"]
    assert {change.origin for change in changes} == {"command line"}
    assert all(change.actor for change in changes)
    assert added["secret"] not in repr(changes)


def test_a_domain_is_told_what_to_say_and_play_and_shows_it(run: Run) -> None:
    said = run("domain", "set", "office.example", "--language", "ru", "--no-music-on-hold", "--open-notice", "notice")
    assert said.stdout == ("Domain office.example: language ru, no music on hold, open notice: notice to caller.\n")
    (row,) = json.loads(run("domain", "list", "--json").stdout)
    assert (row["language"], row["music_on_hold"]) == ("ru", False)
    assert (row["open_notice"], row["open_notice_to"]) == ("notice", "caller")
    assert "notice to caller" in run("domain", "list").stdout
    refused = run("domain", "set", "office.example", "--open-notice", "loud")
    assert refused.returncode != 0
    assert "off or tone or notice is" in refused.stderr
    user = json.loads(run("user", "set", "1000@office.example", "--language", "en", "--json").stdout)
    assert user["language"] == "en"


def test_domains_are_added_switched_and_deleted(run: Run) -> None:
    assert run("domain", "add", "other.example").stdout == "Domain other.example added.\n"
    run("domain", "disable", "other.example")
    rows = json.loads(run("domain", "list", "--json").stdout)
    assert [(row["name"], row["enabled"], row["users"]) for row in rows] == [
        ("office.example", True, 4),
        ("other.example", False, 0),
    ]
    assert run("domain", "delete", "other.example").returncode == 0
    refused = run("domain", "delete", "office.example")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "still has 4 SIP users" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("user", "add", "1000@office.example"), 1, "exists already"),
        (("user", "add", "1000"), 1, "Write it like 1000@office.example"),
        (("user", "set", "1000@office.example", "--protection", "zip"), 1, "none or srtp"),
        (("calls", "nonsense"), 1, "no past call"),
        (("calls", "--since", "soon"), 2, "30m, 12h or 7d"),
        (("calls", "--since", "²d"), 2, "30m, 12h or 7d"),
        (("calls", "--since", "9" * 5_000 + "d"), 2, "30m, 12h or 7d"),
        (("calls", "--state", "safe"), 2, "protected-to-server"),
        (("calls", "--live"), 3, "No server is running"),
        (("status",), 3, "sealtone serve"),
        (("user", "list", "--nonsense"), 2, "No such option"),
    ],
)
def test_what_cannot_be_done_is_said_in_plain_words_with_its_exit_code(
    run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["²", "9" * 5_000, "65536", "0", ""])
def test_a_proxy_of_the_softphone_whose_port_is_none_is_told_in_plain_words(run: Run, port: str) -> None:
    done = run("phone", "--user", "1000", "--domain", "office.example", "--proxy", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert "--proxy is host or host:port" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_folder_without_data_is_said_and_not_made(run: Run, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    done = run("user", "list", folder=absent)
    assert done.returncode == 4
    assert "holds no Sealtone data" in done.stderr
    assert not absent.exists()


def test_a_setting_that_cannot_be_used_is_said_before_anything_starts(run: Run) -> None:
    done = run("serve", "--sip-port", "http")
    assert done.returncode == 4
    assert "sip_port" in done.stderr


def write_calls(data: Path, *records: Any) -> None:
    database = Database(data)
    with database.write() as transaction:
        insert_calls(transaction.connection, records)
    database.close()


def test_a_call_is_drawn_with_both_legs_and_its_state_in_words(run: Run, data: Path) -> None:
    write_calls(data, call(1))
    shown = run("calls").stdout
    assert "1000 —SRTP→ server —RTP→ 1001" in shown
    assert "○ Open" in shown
    assert "0:10" in shown
    assert "The caller hung up." in shown


def test_a_call_during_which_the_clock_was_set_back_took_no_time(run: Run, data: Path) -> None:
    record = call(1)
    assert record.answered_at is not None
    write_calls(data, record._replace(ended_at=record.answered_at - 30.0))
    assert "· 0:00 ·" in run("calls").stdout


def test_a_call_to_a_service_ends_at_the_server(run: Run, data: Path) -> None:
    record = call(1)
    write_calls(data, record._replace(callee="echo", dialled="*43@office.example", legs=record.legs[:1]))
    assert "1000 —SRTP→ server (echo)\n" in run("calls").stdout


def test_a_call_through_codecs_is_drawn_with_both_and_its_quality_is_shown_each_way(run: Run, data: Path) -> None:
    def through(number: int, one: str, other: str) -> CallRecord:
        record = call(number)
        a, b = record.legs[:2]
        legs = (
            a._replace(codec=one, codec_tx=one, transcoded=True),
            b._replace(codec=other, codec_tx=other, transcoded=True, mos_rx=None, mos_tx=3.61),
        )
        return record._replace(legs=legs)

    write_calls(
        data,
        through(1, "opus/48000", "G729/8000"),
        through(2, "speex/16000", "speex/8000"),
        through(3, "PCMA/8000", "PCMA/8000"),
    )
    shown = run("calls", columns=200).stdout
    assert "1000 —SRTP→ server, transcoded opus ↔ g729 —RTP→ 1001" in shown
    assert "server, transcoded speex/16000 ↔ speex/8000 —RTP" in shown
    assert "server, pcma in other packets —RTP" in shown
    assert "MOS 3.6" in shown
    one = run("calls", call(1).id, columns=200).stdout
    assert "opus/48000, 20 ms, transcoded" in one
    assert "MOS 4.4 from the phone, 4.2 to the phone" in one
    assert "3 lost, jitter 2.5 ms" in one
    row = json.loads(run("calls", call(1).id, "--json").stdout)["legs"][1]
    assert (row["codec"], row["codec_tx"], row["ptime_ms"], row["transcoded"]) == ("G729/8000", "G729/8000", 20, True)
    assert (row["mos_rx"], row["mos_tx"], row["reported_lost"], row["reported_jitter_ms"]) == (None, 3.61, 3, 2.5)


@pytest.mark.parametrize("codecs", ["opus,AMR", "silk", "pcmu/16000", "opus,Opus/48000"])
def test_a_codec_that_is_none_is_refused_with_those_that_are(run: Run, codecs: str) -> None:
    refused = run("user", "set", "1000@office.example", "--codecs", codecs)
    assert refused.returncode == 1
    if codecs.startswith("opus,Opus"):
        assert "named twice" in refused.stderr
    else:
        for name in ("opus", "silk/8000", "g729", "ilbc", "g722", "pcmu", "pcma", "gsm", "speex/8000"):
            assert name in refused.stderr.replace("\n", " ")


def test_codecs_are_kept_in_order_and_in_their_own_spelling(run: Run) -> None:
    added = json.loads(run("user", "add", "2001@office.example", "--codecs", "G729, SILK/16000,Opus", "--json").stdout)
    assert added["codecs"] == ["g729", "silk/16000", "opus"]
    shown = run("user", "show", "2001@office.example").stdout
    assert "g729, silk/16000, opus" in shown
    run("user", "set", "2001@office.example", "--codecs", "")
    assert "any; the server offers opus, g722" in run("user", "show", "2001@office.example", columns=200).stdout


def test_a_user_is_shown_with_what_holds_for_it_and_whether_its_domain_says_so(run: Run) -> None:
    shown = run("user", "show", "1000@office.example").stdout
    assert "on-demand, as in its domain" in shown
    assert "en, as in its domain" in shown
    run("user", "set", "1000@office.example", "--recording", "never", "--language", "ru")
    lines = [line.split() for line in run("user", "show", "1000@office.example").stdout.splitlines()]
    assert ["recording", "never"] in lines
    assert ["language", "ru"] in lines


def test_a_domains_name_is_never_shortened(run: Run) -> None:
    run("domain", "add", "an-office-with-a-long-name.example")
    listed = run("domain", "list", columns=80).stdout
    assert "…" not in listed


def test_codecs_that_this_machine_lacks_are_taken_with_a_warning(run: Run, server: list[str]) -> None:
    out = run("user", "set", "1000@office.example", "--codecs", "gsm,opus", columns=200).stdout
    assert "gsm cannot be converted on this machine (libgsm.so.1 is not installed)" in out
    assert "opus cannot" not in out
    row = json.loads(run("user", "show", "1000@office.example", "--json").stdout)
    assert row["codecs"] == ["gsm", "opus"]
    assert len(row["warnings"]) == 1


def test_status_names_the_codecs_of_this_machine_and_why_others_are_missing(run: Run, server: list[str]) -> None:
    out = run("status", columns=200).stdout
    assert "opus and pcmu can be converted" in out
    assert "gsm: libgsm.so.1 is not installed" in out
    assert json.loads(run("status", "--json").stdout)["codecs"]["opus"] == ""


def test_calls_fit_a_narrow_terminal(run: Run, data: Path) -> None:
    write_calls(data, call(1), call(2))
    shown = run("calls", columns=52).stdout
    assert shown.count("1000 —SRTP→ server —RTP→ 1001") == 2
    assert all(len(line) <= 52 for line in shown.splitlines())


def test_the_details_of_a_call_name_cipher_suites_and_quality_of_each_leg(run: Run, data: Path) -> None:
    write_calls(data, call(1))
    shown = run("calls", "call-000001").stdout
    for part in ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "AEAD_AES_256_GCM", "not encrypted", "PCMU/8000", "3.5 ms"):
        assert part in shown
    row = json.loads(run("calls", "leg-a-1", "--json").stdout)
    assert row["legs"][0]["suite_rx"] == ENCRYPTED.suite_rx
    assert row["legs"][1]["note"] == CLEAR.note
    assert (row["ended_by"], row["status"], row["duration_s"]) == ("caller", 200, 10.0)


def test_what_a_phone_calls_itself_cannot_steer_the_terminal(run: Run, data: Path) -> None:
    record = call(1)
    hostile = record.legs[0]._replace(user_agent="\x1b]0;owned\x07[bold]x[/bold]")
    write_calls(data, record._replace(legs=(hostile, record.legs[1]), reason="\x1b[2J\x9b31m"))
    for arguments in (("calls",), ("calls", "call-000001")):
        shown = run(*arguments).stdout
        assert "\x1b" not in shown
        assert "\x9b" not in shown
    assert "[bold]x[/bold]" in shown


def test_pages_of_calls_follow_each_other(run: Run, data: Path) -> None:
    write_calls(data, *(call(number, started_at=1000.0 + number) for number in range(5)))
    first = json.loads(run("calls", "--limit", "3", "--json").stdout)
    second = json.loads(run("calls", "--limit", "3", "--after", first["after"], "--json").stdout)
    assert [row["id"][-1] for row in first["calls"] + second["calls"]] == ["4", "3", "2", "1", "0"]
    assert second["after"] is None


def test_registrations_are_shown_from_the_database_when_no_server_runs(run: Run, data: Path) -> None:
    binding = Binding(
        "1000@office.example", "sip:1000@[::1]:5070", "c", 1, time.time() + 90, time.time(), "udp", ("::1", 5070)
    )
    database = Database(data)
    with database.write() as transaction:
        write_bindings(transaction.connection, [BindingChange([binding])])
    database.close()
    shown = run("registrations").stdout
    assert "No server is running" in shown
    assert "[::1]:5070" in shown
    (row,) = json.loads(run("registrations", "--user", "1000", "--json").stdout)
    assert (row["aor"], row["reachable"]) == ("1000@office.example", True)
    assert json.loads(run("registrations", "--user", "1001", "--json").stdout) == []


def test_a_running_server_is_told_of_a_change(run: Run, server: list[str]) -> None:
    assert run("user", "set", "1000@office.example", "--name", "Anna").returncode == 0
    assert server == ["reload"]


def test_live_calls_and_status_come_from_the_running_server(run: Run, server: list[str], answered_at: float) -> None:
    before = time.time()
    shown = run("calls", "--live").stdout
    after = time.time()
    assert "1000 —SRTP→ server —SRTP→ 1001" in shown
    found = re.search(r"◐ Protected to the server · (\d+):(\d\d) · talking", shown)
    assert found is not None, shown
    minutes, seconds = map(int, found.groups())
    assert int(before - answered_at) <= 60 * minutes + seconds <= int(after - answered_at)
    shown = run("status").stdout
    assert "● Running, version 0.1.0, for 1:01:40" in shown
    assert "TLS [::]:5061" in shown
    assert json.loads(run("status", "--json").stdout)["calls"] == 1


def test_how_long_calls_are_kept_is_shown_and_changed(run: Run, data: Path) -> None:
    assert "365 days" in run("retention").stdout
    assert json.loads(run("retention", "90", "--json").stdout)[0]["keep_calls_days"] == 90
    assert json.loads(run("retention", "forever", "--account", "1", "--json").stdout)[0]["keep_calls_days"] is None
    assert "forever" in run("retention").stdout
    refused = run("retention", "soon")
    assert (refused.returncode, "1 to 36500" in " ".join(refused.stderr.split())) == (1, True)
    assert run("retention", "5", "--account", "7").returncode == 1
    database = Database(data)
    with database.read() as transaction:
        assert [change.after for change in read_changes(transaction, 2)] == [
            {"keep_calls": "forever"},
            {"keep_calls": "90 days"},
        ]
    database.close()


def test_a_link_for_a_phone_is_made_listed_and_revoked(run: Run) -> None:
    made = json.loads(run("connect", "1000@office.example", "--host", "pbx.example", "--json").stdout)
    assert re.fullmatch(r"https://pbx\.example(:\d+)?/p/[\w-]{43}", made["url"])
    (listed,) = json.loads(run("connect", "1000@office.example", "--list", "--json").stdout)
    assert listed["number"] == made["number"]
    assert run("connect", "1000@office.example", "--revoke", made["number"]).returncode == 0
    assert json.loads(run("connect", "1000@office.example", "--list", "--json").stdout) == []
    again = run("connect", "1000@office.example", "--revoke", made["number"])
    assert (again.returncode, "There is no such link" in again.stderr) == (1, True)


def test_a_link_for_a_phone_names_what_the_phone_can_reach_or_says_what_to_set(run: Run, data: Path) -> None:
    unknown = run("connect", "1000@office.example")
    assert (unknown.returncode, "sealtone service set --public-name" in " ".join(unknown.stderr.split())) == (1, True)
    assert json.loads(run("connect", "1000@office.example", "--list", "--json").stdout) == []
    database = Database(data)
    with database.write() as transaction:
        save_reach(transaction, Reach("", (), 5060, 5061, 8443))
    database.close()
    assert run("connect", "1000@office.example").returncode == 1
    assert run("service", "set", "--public-name", "sip.example").returncode == 0
    by_name = run("connect", "1000@office.example").stdout
    assert by_name.startswith("https://sip.example:8443/p/")
    assert "--public-name" not in by_name
    assert run("connect", "1000@office.example", "--host", "pbx.example").stdout.startswith("https://pbx.example:8443/")


def test_a_phone_is_rung_by_a_running_server_only(run: Run) -> None:
    assert run("ring", "1000@office.example").returncode == 3
    assert run("ring", "nobody@office.example").returncode == 1
