"""Reasons of the server in the reader's language: every sentence that the server may give is known, and said."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import sealtone
from sealtone.admin.backup import BackupError, read_backup
from sealtone.web.i18n import Translations
from sealtone.web.reasons import reason_said
from sealtone.web.rendering import said

PACKAGE = Path(sealtone.__file__).parent
RUSSIAN = Translations().language("ru")
SOURCES = (
    "model/policy.py",
    "model/recording.py",
    "b2bua/call.py",
    "b2bua/change.py",
    "b2bua/codec_choice.py",
    "b2bua/leg.py",
    "b2bua/leg_codecs.py",
    "b2bua/leg_security.py",
    "b2bua/recording_in_call.py",
    "b2bua/sealed_path.py",
    "b2bua/transfer.py",
    "b2bua/zrtp_in_call.py",
    "b2bua/applications/in_call.py",
    "routing/route.py",
    "server/directory.py",
    "server/node.py",
    "server/live_calls.py",
    "admin/webhooks.py",
    "web/webhooks/courier.py",
    "web/webhooks/sending.py",
)
SENTENCE = re.compile(r"[A-Z“][\w'’-]*,? \S+ \S+.*", re.DOTALL)


def sentences(source: Path) -> Iterator[str]:
    """What stands in a module as a sentence; of what is put together, with something in each place."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))  # docstrings
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        if SENTENCE.fullmatch(text) and not text.startswith("X"):
            yield text


@pytest.mark.parametrize("name", SOURCES)
def test_every_reason_of_the_server_is_said_in_russian(name: str) -> None:
    found = list(sentences(PACKAGE / name))
    assert [text for text in found if not re.search("[а-я]", reason_said(RUSSIAN, text))] == []


def test_the_sentences_of_the_server_are_found_where_they_are() -> None:
    assert sum(len(list(sentences(PACKAGE / name))) for name in SOURCES) > 50


def test_what_stands_in_a_reason_is_kept_and_a_reason_within_it_is_said_too() -> None:
    said = reason_said(
        RUSSIAN,
        "The phone of 1001@office.example refuses to send its media to where it has to: Nobody answered in time",
    )
    assert said.startswith("Телефон 1001@office.example ")
    assert said.endswith(RUSSIAN("Nobody answered in time"))
    two = reason_said(
        RUSSIAN, "The phone gave up the encryption of a running call. The keys are still being agreed on."
    )
    assert not re.search("[a-z]", two)


def test_why_a_backup_cannot_be_read_is_said_in_russian_with_its_file(tmp_path: Path) -> None:
    cut, other = tmp_path / "cut.backup", tmp_path / "other.backup"
    cut.write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("manifest.json", '{"format": 99, "version": "9.9"}')
    for file, named in ((cut, str(cut)), (other, "9.9")):
        with pytest.raises(BackupError) as raised:
            read_backup(file, list, str)
        assert named in said(RUSSIAN, raised.value)
        assert re.search("[а-я]{4}", said(RUSSIAN, raised.value))
        assert named in str(raised.value)


@pytest.mark.parametrize("text", ["", "Busy Here", "Temporarily Unavailable", "{0.__class__} %s %(x)s", "x" * 5000])
def test_a_phones_own_words_stay_as_they_are(text: str) -> None:
    assert reason_said(RUSSIAN, text) == text


def test_a_long_reason_of_many_words_that_fits_nowhere_is_given_up_quickly() -> None:
    text = "The phone of " * 100 + "accepts nothing of what it was offered (" * 10
    assert reason_said(RUSSIAN, text) == text
