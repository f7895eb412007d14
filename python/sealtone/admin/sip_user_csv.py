"""SIP users as a CSV file: written for a spreadsheet, read back line by line, taken up whole or not at all.

A cell that a spreadsheet would take for a formula is written with an apostrophe before it, which reading takes off.
No secret is ever written but those that were made a moment ago; one that is read is given to the user.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.domains import domain_of
from sealtone.admin.errors import AdminError, Forbidden, InvalidInput, NotFound
from sealtone.admin.sip_users import (
    NewSecret,
    SipUserChange,
    blank_user,
    changed_by,
    check_room,
    create_sip_user,
    set_secret,
    shown_fields,
    update_sip_user,
)
from sealtone.model import Domain, SipUser
from sealtone.store import Transaction
from sealtone.store import directory as rows

COLUMNS = (
    "user",
    "name",
    "protection",
    "strictness",
    "path",
    "codecs",
    "phones",
    "enabled",
    "recording",
    "language",
)
SECRET_COLUMN = "secret"
MOST_LINES = 10_000
MOST_OCTETS = 2_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FIELD_OF = {"name": "display_name", "phones": "max_contacts"}
_YES, _NO = ("yes", "true", "1", "on"), ("no", "false", "0", "off")
_MOST_ERRORS = 100


class LineError(NamedTuple):
    """What is wrong with one line; the first of the file is 1."""

    line: int
    error: AdminError


class ImportLine(NamedTuple):
    """What one line comes to."""

    line: int
    aor: str
    action: str
    """`create`, `change`, or `same` where nothing would be changed."""
    before: dict[str, str]
    after: dict[str, str]
    sets_secret: bool


class ImportPlan(NamedTuple):
    """What a file comes to. With errors, nothing of it can be taken up."""

    lines: tuple[ImportLine, ...]
    errors: tuple[LineError, ...]

    def count(self, action: str) -> int:
        return sum(line.action == action for line in self.lines)


class ImportRefused(AdminError):
    """The file was not taken up; `errors` say why, line by line."""

    def __init__(self, errors: tuple[LineError, ...]) -> None:
        super().__init__("The file has {count} errors. Nothing was imported.", count=len(errors))
        self.errors = errors


class ImportResult(NamedTuple):
    """What was taken up. `secrets`: those that were made for new users, to be shown once."""

    created: int
    changed: int
    secrets: tuple[NewSecret, ...]


class _Line(NamedTuple):
    number: int
    username: str
    domain: Domain
    user: SipUser | None
    form: SipUserChange
    secret: str | None


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) or text.startswith("'") else text


def plain_cell(cell: str) -> str:
    """What `safe_cell` was given."""
    return cell[1:] if cell.startswith("'") else cell


def export_csv(users: Iterable[SipUser]) -> str:
    """SIP users with their settings, without secrets."""
    return _written(COLUMNS, (_row(user) for user in users))


def secrets_csv(made: Iterable[NewSecret]) -> str:
    """Secrets that were just made, to be shown once."""
    rows_ = ({"user": one.user.aor, "name": one.user.display_name, SECRET_COLUMN: one.secret} for one in made)
    return _written(("user", "name", SECRET_COLUMN), rows_)


def plan_import(transaction: Transaction, actor: Actor, text: str, domain: str = "") -> ImportPlan:
    """What importing the file would do, and every line that cannot be. Nothing is changed.

    `domain`: of users that the file names without one. Raises `InvalidInput` where the file cannot be read at all.
    """
    lines, errors = _read(transaction, actor, text, domain)
    planned: list[ImportLine] = []
    rooms: dict[int, int] = {}
    for line in lines:
        try:
            planned.append(_planned(transaction, line))
        except AdminError as error:
            errors.append(LineError(line.number, error))
            continue
        if line.user is None:
            rooms[line.domain.account_id] = rooms.get(line.domain.account_id, 0) + 1
    for account_id, count in rooms.items():
        try:
            check_room(transaction, account_id, count)
        except AdminError as error:
            errors.append(LineError(lines[-1].number, error))
    errors.sort(key=lambda one: one.line)
    return ImportPlan(tuple(planned), tuple(errors[:_MOST_ERRORS]))


def import_users(transaction: Transaction, actor: Actor, now_wall: float, text: str, domain: str = "") -> ImportResult:
    """Makes and changes the users of the file, all or none. Raises `InvalidInput`, `ImportRefused`."""
    plan = plan_import(transaction, actor, text, domain)
    if plan.errors:
        raise ImportRefused(plan.errors)
    lines, _ = _read(transaction, actor, text, domain)
    secrets: list[NewSecret] = []
    changed = 0
    for line, planned in zip(lines, plan.lines, strict=True):
        if line.user is None:
            made = create_sip_user(transaction, actor, now_wall, planned.aor, line.form, line.secret)
            if line.secret is None:
                secrets.append(made)
        elif planned.action == "change":
            update_sip_user(transaction, actor, now_wall, planned.aor, line.form)
            if line.secret is not None:
                set_secret(transaction, actor, now_wall, planned.aor, line.secret)
            changed += 1
    return ImportResult(plan.count("create"), changed, tuple(secrets))


def _planned(transaction: Transaction, line: _Line) -> ImportLine:
    aor = f"{line.username}@{line.domain.name}"
    if line.secret is not None:
        fields.secret(line.secret)
    if line.user is None:
        made = changed_by(blank_user(transaction, line.domain, line.username), line.form)
        return ImportLine(line.number, aor, "create", {}, shown_fields(made), line.secret is not None)
    before, after = shown_fields(line.user), shown_fields(changed_by(line.user, line.form))
    names = [name for name in before if before[name] != after[name]]
    return ImportLine(
        line.number,
        aor,
        "change" if names or line.secret is not None else "same",
        {name: before[name] for name in names},
        {name: after[name] for name in names},
        line.secret is not None,
    )


def _read(transaction: Transaction, actor: Actor, text: str, domain: str) -> tuple[list[_Line], list[LineError]]:
    reader = _reader(text)
    lines: list[_Line] = []
    errors: list[LineError] = []
    seen: dict[str, int] = {}
    domains: dict[str, Domain] = {}

    def home_of(name: str) -> Domain:
        if name not in domains:
            domains[name] = domain_of(transaction, actor, name)
        return domains[name]

    try:
        for cells in reader:
            number = reader.line_num
            if len(lines) + len(errors) >= MOST_LINES:
                raise InvalidInput("file", "A file may have {most} lines.", most=MOST_LINES)
            if not any(cell for cell in cells.values() if isinstance(cell, str) and cell.strip()):
                continue
            try:
                line = _line(transaction, number, cells, domain, home_of)
                aor = f"{line.username}@{line.domain.name}"
                if aor in seen:
                    raise InvalidInput("user", "{user} stands in line {line} already.", user=aor, line=seen[aor])
                seen[aor] = number
                lines.append(line)
            except Forbidden:
                raise
            except AdminError as error:
                errors.append(LineError(number, error))
    except csv.Error as error:
        raise InvalidInput("file", "This is not a CSV file: {why}.", why=str(error)) from error
    if not lines and not errors:
        raise InvalidInput("file", "The file names no SIP user.")
    return lines, errors


def _reader(text: str) -> csv.DictReader[str]:
    if len(text) > MOST_OCTETS:
        raise InvalidInput("file", "The file is too large: 2 MB are allowed.")
    text = text.removeprefix("\ufeff")
    heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise InvalidInput("file", "This is not a CSV file: {why}.", why=str(error)) from error
    known = {*COLUMNS, SECRET_COLUMN}
    if "user" not in names:
        raise InvalidInput(
            "file",
            "The first line has to name the columns, one of them “user”. There are: {columns}.",
            columns=", ".join((*COLUMNS, SECRET_COLUMN)),
        )
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidInput(
            "file",
            "There is no column “{column}”. There are: {columns}.",
            column=unknown[0],
            columns=", ".join((*COLUMNS, SECRET_COLUMN)),
        )
    if len(set(names)) < len(names):
        raise InvalidInput("file", "A column stands in the first line twice.")
    reader.fieldnames = names
    return reader


def _line(
    transaction: Transaction,
    number: int,
    cells: Mapping[str | None, object],
    domain: str,
    home_of: Callable[[str], Domain],
) -> _Line:
    if None in cells:
        raise InvalidInput("file", "The line has more cells than there are columns.")
    values = {str(name): plain_cell(cell.strip()) for name, cell in cells.items() if isinstance(cell, str)}
    address = values.pop("user", "")
    if not address:
        raise InvalidInput("user", "A line names no SIP user: its cell “user” is empty.")
    if "@" not in address:
        if not domain:
            raise InvalidInput("user", "“{text}” has no domain. Write it like 1000@office.example.", text=address)
        address = f"{address}@{domain}"
    username, domain_name = fields.address_of_record(address)
    try:
        home = home_of(domain_name)
    except NotFound:
        raise NotFound("There is no domain {domain}.", domain=domain_name) from None
    secret = values.pop(SECRET_COLUMN, "") or None
    # An empty cell leaves a field as it is, but for the two in which nothing is a choice.
    given = {name: cell for name, cell in values.items() if cell or name in ("name", "codecs")}
    fields_given: dict[str, Any] = {_FIELD_OF.get(name, name): _value(name, cell) for name, cell in given.items()}
    form = SipUserChange(**fields_given)
    return _Line(number, username, home, rows.find_user(transaction, home.id, username), form, secret)


def _value(name: str, cell: str) -> str | int | bool:
    if name == "phones":
        if not (cell.isascii() and cell.isdigit()) or len(cell) > len(str(MOST_LINES)):
            raise InvalidInput("max_contacts", "“{text}” is not a number of phones.", text=cell)
        return int(cell)
    if name == "enabled":
        word = cell.lower()
        if word not in (*_YES, *_NO):
            raise InvalidInput("enabled", "“{text}” is neither yes nor no.", text=cell)
        return word in _YES
    return cell


def _row(user: SipUser) -> dict[str, str]:
    shown = shown_fields(user)
    return {"user": user.aor} | {name: shown[_FIELD_OF.get(name, name)] for name in COLUMNS[1:]}


def _written(columns: tuple[str, ...], rows_: Iterable[Mapping[str, str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows_:
        writer.writerow([safe_cell(row[name]) for name in columns])
    return out.getvalue()
