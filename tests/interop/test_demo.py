"""The demonstration as a person starts it."""

from __future__ import annotations

import io
import json
import os

from rich.console import Console

from sealtone.demo import run


def shown(**arguments):
    text = io.StringIO()
    status = run(console=Console(file=text, width=80, highlight=False), seconds=2.0, **arguments)
    assert status == 0, text.getvalue()
    return text.getvalue()


def test_the_demonstration_with_a_server_of_its_own_plays_every_scheme_and_fits_the_terminal():
    environment = dict(os.environ)
    text = shown()
    assert dict(os.environ) == environment, "nothing of it is left for whoever runs in the same process"
    assert [line.split()[1] for line in text.splitlines() if line.startswith("Scheme ")] == [
        "1:", "2:", "3:", "3s:", "4:", "5:",
    ]  # fmt: skip
    assert text.count("AUDIBLE") == 2, "both voices on the line without encryption, and no other"
    assert max(map(len, text.splitlines())) <= 80
    assert all("READABLE" in line for line in text.splitlines() if "…" in line), "nothing else is cut off"
    for words in (
        "Voice of B (1000 Hz)",
        "the tone: 100%",
        "noise: 7.9",
        "bits/byte",
        "AUDIBLE: 100% tone",
        "READABLE: INV",
        "wiretap at B",
        "Open",
        "Protected to",
        "End-to-end",
        "relayed by",
        "nothing: it",
    ):
        assert words in text


def test_the_demonstration_tells_programs_what_each_side_the_server_and_the_wiretap_had(server, capsys):
    run(data=server.folder, seconds=2.0, as_json=True)
    calls = {call["scheme"]: call for call in json.loads(capsys.readouterr().out)}
    assert list(calls) == ["1", "2", "3", "3s", "4", "5"]
    assert all(call["works"] and call["as_expected"] for call in calls.values())
    assert [name for name, call in calls.items() if call["server_could_hear"] == "both voices"] == ["1", "2", "4", "5"]
    assert [name for name, call in calls.items() if call["same_sas"]] == ["2", "3", "3s"]
    assert [name for name, call in calls.items() if call["b"]["voice_heard"]] == ["5"]
    assert not any(call["a"]["voice_heard"] for call in calls.values())
    assert not [user for user in server.users_now() if user.startswith("demo-")], "the demonstration cleans up"
