"""What opens something once."""

from __future__ import annotations

from sealtone.admin.links import new_number


def test_the_name_of_a_link_is_never_taken_for_an_option_of_a_command() -> None:
    assert {new_number()[0] for _ in range(2_000)} <= set("0123456789abcdef")
