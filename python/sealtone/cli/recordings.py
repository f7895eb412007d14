"""`sealtone recordings`: what was recorded, and the key that it is sealed to.

The private key is read here, by the person's own command, and by nothing else: the server has its public half alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.text import Text

from sealtone import admin
from sealtone.admin import recording_files
from sealtone.admin.fields import recording_format, written_retention
from sealtone.cli.account_choice import AccountOption, chosen_account
from sealtone.cli.output import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    actor,
    change,
    console,
    duration,
    look,
    moment,
    opened,
    print_json,
)
from sealtone.cli.period import page_of, since_of
from sealtone.model import Account, RecordingFacts, RecordingFormat
from sealtone.store import Transaction
from sealtone.store.recordings import RecordingFilter, set_recipient

app = typer.Typer(help="Recordings: list, play, export, delete; the key they are sealed to.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="RECORDING", help="Its id, or the beginning of it.", show_default=False)]
Identity = Annotated[
    Path | None,
    typer.Option(
        "--identity", "-i", envvar="SEALTONE_RECORDING_KEY", help="The file with the private key.", show_default=False
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--to", help="Write the private key to this file, which must not exist, instead of printing it."),
]
Protect = Annotated[bool, typer.Option("--passphrase", help="Protect the private key's file by a passphrase.")]
PublicKey = Annotated[
    str | None,
    typer.Option("--recipient", help="A public key (age1…) that was made elsewhere, as by age-keygen."),
]
_PASSPHRASE = "SEALTONE_RECORDING_PASSPHRASE"


@app.command("list")
def list_recordings(
    user: Annotated[str, typer.Option("--user", help="With this number or address on either side.")] = "",
    call: Annotated[str, typer.Option("--call", help="Of this call.")] = "",
    since: Annotated[str | None, typer.Option(help="Begun within: 30m, 12h, 7d.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    after: Annotated[str | None, typer.Option(help="The next page: the value printed below the last one.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Recordings, newest first, and files that belong to none."""
    wanted = RecordingFilter(user, call, since_of(since), before_id=page_of(after), limit=limit)

    def query(transaction: Transaction) -> tuple[Any, frozenset[str]]:
        return admin.list_recordings(transaction, actor(), wanted), recording_files.known_files(transaction)

    page, known = look(data, query)
    rows = [_row(data, facts) for facts in page.recordings]
    orphans = recording_files.orphans(data, known)
    following = f"{page.next_page[0]!r}/{page.next_page[1]}" if page.next_page is not None else None
    if as_json:
        print_json({"recordings": rows, "after": following, "orphans": [one._asdict() for one in orphans]})
        return
    out = console()
    for row in rows:
        out.print(_lines(row))
    if not rows:
        out.print("No recordings.")
    if following is not None:
        out.print(Text(f"More: --after {following}", "dim"))
    for one in orphans:
        out.print(Text(f"The file {one.path} ({one.octets} octets) belongs to no recording.", "yellow"))


@app.command()
def play(
    recording: Id,
    identity: Identity = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write a WAV file instead of playing.")] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Open a recording and play it: the caller on the left, the called one on the right."""
    facts, identities = _found(data, recording, identity)
    if to is not None:
        _write(to, data, facts, identities, RecordingFormat.WAV)
        return
    from sealtone.cli.recording_sound import SoundError

    player = shutil.which("aplay")
    if player is None:
        raise SoundError("There is no aplay here (apt-get install alsa-utils). Write a file instead with --to.")
    # To leave the player's block flushes what it was not given, which breaks the pipe once more.
    with contextlib.suppress(BrokenPipeError), subprocess.Popen([player, "-q", "-"], stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        _open(data, facts, identities, RecordingFormat.WAV, running.stdin)
        running.stdin.close()
    if running.returncode:
        raise SoundError("The sound card cannot be used. Write a file instead with --to.")


@app.command()
def export(
    recording: Id,
    to: Annotated[Path, typer.Option("--to", help="The file, which must not exist; - is standard output.")],
    identity: Identity = None,
    kind: Annotated[
        str | None, typer.Option("--as", help="opus, wav or flac, instead of what was recorded.", show_default=False)
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Open a recording and write it as a plain file."""
    wanted = recording_format(kind) if kind is not None else None
    facts, identities = _found(data, recording, identity)
    _write(to, data, facts, identities, wanted or facts.format)


@app.command()
def delete(recording: Id, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Delete a recording, for good."""
    facts = change(data, lambda t, who, now: admin.begin_deletion(t, who, now, recording))
    try:
        recording_files.delete_files(data, facts)
    except OSError as error:
        raise admin.AdminError(
            f"The file could not be deleted ({error.strerror}); it is not listed any more, and the server tries again."
        ) from error
    with opened(data) as database, database.write() as transaction:
        admin.finish_deletion(transaction, [facts.id])
    if as_json:
        print_json({"deleted": facts.id})
    else:
        console().print(f"Recording {facts.id} deleted.")


@app.command("domain")
def domain_recording(
    name: Annotated[str, typer.Argument(help="Such as office.example.", show_default=False)],
    policy: Annotated[
        str | None,
        typer.Option("--record", help="never, always or on-demand (*1), for users who do not say themselves."),
    ] = None,
    notice: Annotated[str | None, typer.Option(help="How both are told: none, tone or announcement.")] = None,
    kind: Annotated[str | None, typer.Option("--format", help="opus, wav or flac.")] = None,
    keep: Annotated[str | None, typer.Option(help="For so many days, or: forever.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """What is recorded in a domain, and how; what is not named stays."""
    form = admin.DomainRecordingChange(policy, notice, kind, keep)
    recording = change(data, lambda t, who, now: admin.update_domain_recording(t, who, now, name, form)).recording
    if as_json:
        values = {"record": recording.policy.value, "notice": recording.notice.value, "format": recording.format.value}
        print_json({"domain": name, **values, "keep_days": recording.keep_days})
        return
    console().print(
        f"In {name} calls are recorded: {recording.policy.value}; notice: {recording.notice.value}; as "
        f"{recording.format.value}; kept: {written_retention(recording.keep_days)}."
    )


# The key


@app.command("create-key")
def create_key(
    to: KeyFile = None,
    passphrase: Protect = False,
    recipient: PublicKey = None,
    account: AccountOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make the account's recording key. Only its public half is kept here: without the other nothing opens, ever."""
    chosen = _account(data, account)
    _take_key(data, chosen, to, passphrase, recipient, as_json, rotate=False)


@app.command("show-key")
def show_key(account: AccountOption = None, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """The public key that an account's recordings are sealed to."""
    chosen = _account(data, account)
    if as_json:
        print_json({"account": chosen.id, "recipient": chosen.recording_recipient})
    elif chosen.recording_recipient:
        console().print(chosen.recording_recipient)
    else:
        console().print("There is none, so nothing is recorded. Make one with: sealtone recordings create-key")


@app.command("rotate-key")
def rotate_key(
    to: KeyFile = None,
    passphrase: Protect = False,
    recipient: PublicKey = None,
    old_identity: Annotated[
        Path | None,
        typer.Option(help="The file with the old private key: what is sealed to it is sealed to the new one."),
    ] = None,
    account: AccountOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Take another key for recordings from now on. Old ones stay sealed to the old key, or move with --old-identity."""
    chosen = _account(data, account)
    identities = _identities(old_identity) if old_identity is not None else []
    fresh = _take_key(data, chosen, to, passphrase, recipient, as_json, rotate=True)
    if identities:
        _reseal_all(data, chosen, identities, fresh, as_json)


def _take_key(
    data: Path, account: Account, to: Path | None, protect: bool, recipient: str | None, as_json: bool, *, rotate: bool
) -> str:
    from sealtone.admin import recording_seal as seal

    if recipient is not None:
        identity, public = "", seal.recipient_of(recipient)
    else:
        identity, public = seal.new_identity()
    if protect and to is None:
        raise typer.BadParameter("A passphrase protects a file: name it with --to.", param_hint="--passphrase")
    if identity and to is not None:
        # First, so that there is no public key of which the private one is nowhere.
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        seal.write_identity(to, identity, public, created, _new_passphrase() if protect else "")
    try:
        change(data, lambda t, who, now: admin.set_recording_key(t, who, now, account.id, public, rotate=rotate))
    except admin.AdminError:
        if identity and to is not None:
            to.unlink(missing_ok=True)
        raise
    if as_json:
        print_json({"account": account.id, "recipient": public} | ({"identity": identity} if to is None else {}))
        return public
    out = console()
    out.print(f"From now on recordings are sealed to\n  {public}")
    if not identity:
        out.print("Keep the private key that belongs to it: nothing else opens them.")
    elif to is not None:
        out.print(f"The private key is in {to}. Keep a copy elsewhere: nothing else opens the recordings.")
    else:
        out.print(f"The private key, shown this once; nothing else opens the recordings:\n  {identity}")
    return public


def _reseal_all(data: Path, account: Account, identities: list[Any], recipient: str, as_json: bool) -> None:
    from sealtone.admin import recording_seal as seal

    old = [str(identity.to_public()) for identity in identities]
    moved, kept = 0, []
    for key in old:
        wanted = RecordingFilter(account_id=account.id, recipient=key, limit=100_000)
        for facts in look(data, lambda transaction: admin.list_recordings(transaction, actor(), wanted)).recordings:  # noqa: B023
            try:
                if facts.ended_at is None:
                    raise seal.SealError("It still runs.")
                path = recording_files.folder_of(data) / facts.path
                seal.reseal(path, identities, recipient, was_finished=_was_finished(facts))
            except (seal.SealError, OSError) as error:
                kept.append((facts.id, str(error)))
                continue
            with opened(data) as database, database.write() as transaction:
                set_recipient(transaction.connection, facts.id, recipient)
            moved += 1
    if not as_json:
        console().print(f"{moved} recordings were sealed to the new key.")
    for recording_id, why in kept:
        print(f"Recording {recording_id} stays sealed to the old key: {why}", file=sys.stderr)


def _found(data: Path, recording: str, identity: Path | None) -> tuple[RecordingFacts, list[Any]]:
    """A recording, and the keys that may open it."""
    if identity is None:
        raise typer.BadParameter("Name the file with the private key.", param_hint="--identity")
    facts = look(data, lambda transaction: admin.recording_of(transaction, actor(), recording))
    return facts, _identities(identity)


def _open(data: Path, facts: RecordingFacts, identities: list[Any], wanted: RecordingFormat, out: IO[bytes]) -> None:
    """Opens a recording and writes it to `out`, in the kind that is wanted, as it comes."""
    from sealtone.admin import recording_seal as seal
    from sealtone.cli.recording_sound import converting

    path = recording_files.folder_of(data) / facts.path
    with converting(facts.format, wanted, out) as sink:
        found = seal.open_recording(path, identities, sink, was_finished=_was_finished(facts))
    if not found.whole:
        still = "still runs" if facts.ended_at is None else "was broken off"
        print(f"The recording {still}: this is what was written of it.", file=sys.stderr)


def _was_finished(facts: RecordingFacts) -> bool:
    return facts.ended_at is not None and not facts.reason


def _identities(path: Path) -> list[Any]:
    from sealtone.admin import recording_seal as seal

    return seal.read_identities(path, _passphrase)


def _passphrase() -> str:
    known = os.environ.get(_PASSPHRASE)
    return known if known is not None else typer.prompt("Passphrase of the private key", hide_input=True, err=True)


def _new_passphrase() -> str:
    known = os.environ.get(_PASSPHRASE)
    if known is not None:
        return known
    chosen: str = typer.prompt("Passphrase for the private key", hide_input=True, confirmation_prompt=True, err=True)
    return chosen


def _account(data: Path, number: int | None) -> Account:
    return look(data, lambda transaction: chosen_account(transaction, actor(), number))


def _write(to: Path, data: Path, facts: RecordingFacts, identities: list[Any], wanted: RecordingFormat) -> None:
    """Writes an opened recording to a new file, which is there as a whole or not at all."""
    if str(to) == "-":
        _open(data, facts, identities, wanted, sys.stdout.buffer)
        return
    from sealtone.cli.recording_sound import put_sizes

    try:
        file = open(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")  # noqa: SIM115
    except OSError as error:
        raise admin.AdminError(f"{to} was not written: {error.strerror}.") from error
    try:
        with file:
            _open(data, facts, identities, wanted, file)
            if wanted is RecordingFormat.WAV:
                put_sizes(file)
    except OSError as error:
        to.unlink()
        raise admin.AdminError(f"{to} was not written: {error.strerror}.") from error
    except BaseException:
        to.unlink()
        raise


def _row(data: Path, facts: RecordingFacts) -> dict[str, Any]:
    row = facts._asdict() | {"format": facts.format.value, "notice": facts.notice.value}
    return row | {"seconds": round(facts.seconds, 3), "size": recording_files.size_of(data, facts)}


def _lines(row: dict[str, Any]) -> Text:
    text = Text(f"{moment(row['started_at'])}  ", "dim")
    text.append(f"{row['id']}  ", "bold").append(f"{row['caller']} → {row['callee']}\n  ")
    length = "running" if row["ended_at"] is None else duration(row["seconds"])
    text.append(f"{length} · {row['format']} · for {row['started_by']} · call {row['call_id']}")
    if row["size"] is None:
        text.append("\n  Its file is gone.", "yellow")
    if row["reason"]:
        text.append(f"\n  {row['reason']}", "yellow")
    return text
