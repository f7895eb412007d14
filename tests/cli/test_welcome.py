"""The block that is printed when the server is ready."""

import io
from pathlib import Path

from rich.console import Console

from sealtone.admin import FirstUse, first_use
from sealtone.cli.welcome import Welcome, show
from sealtone.net import Listening
from sealtone.store import Database

PLACES = [Listening("udp", "0.0.0.0", 5060), Listening("tcp", "0.0.0.0", 5060)]
PLACES += [Listening("tls", host, port) for host in ("0.0.0.0", "::") for port in (5061, 8443)]


def shown(first: FirstUse | None, *, width: int = 80, notes: tuple[str, ...] = ()) -> str:
    out = io.StringIO()
    welcome = Welcome(["office.example"], ["192.0.2.5"], PLACES, Path("data/ca.pem"), "AB:CD", first, notes)
    show(Console(file=out, width=width), welcome)
    return out.getvalue()


def test_the_first_start_shows_ports_secrets_and_how_to_call(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        first = first_use(transaction, 1.0, "office.example")
    database.close()
    assert first is not None
    text = shown(first)
    assert "port 5061 and 8443" in text
    assert "outbound proxy 192.0.2.5:5061" in " ".join(text.split())
    assert "*43" in text
    assert "*42" in text
    for made in first.users:
        assert made.user.aor in text
        assert made.secret in text


def test_a_later_start_shows_no_secret_and_says_what_is_not_as_wished() -> None:
    text = shown(None, notes=("Port 443 is taken.",))
    assert "Secret" not in text
    assert "! Port 443 is taken." in text


def test_the_block_fits_a_narrow_terminal() -> None:
    assert all(len(line) <= 50 for line in shown(None, width=50).splitlines())
