"""The demonstration as a person starts it."""

from __future__ import annotations

import io

from rich.console import Console

from interop.server import DOMAIN
from sealtone.demo import run


def shown(**arguments):
    text = io.StringIO()
    status = run(console=Console(file=text, width=140, highlight=False), seconds=2.5, **arguments)
    assert status == 0, text.getvalue()
    return text.getvalue()


def test_the_demonstration_with_a_server_of_its_own_shows_noise_where_encrypted_and_the_tone_where_not():
    text = shown()
    assert text.count("saw only noise") == 3
    assert text.count("read who calls whom and listened") == 3
    assert "protected to server" in text


def test_the_demonstration_against_a_running_server_leaves_no_user_behind(server):
    text = shown(data=server.folder)
    assert text.count("saw only noise") == 3
    assert not [user for user in server.users_now() if user.startswith("demo-")]
    assert DOMAIN in text
