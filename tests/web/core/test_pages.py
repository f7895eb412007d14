"""The frame of every page: who gets in, in which language, and what an error looks like."""

from __future__ import annotations

from web.conftest import Panel


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back_afterwards(panel: Panel) -> None:
    answer = await panel.visitor().get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_the_overview_is_there_for_every_role(panel: Panel) -> None:
    for role in ("owner", "admin", "viewer"):
        answer = await panel.signed_in(role).get("/")
        assert answer.status_code == 200
        assert "<h1>Overview</h1>" in answer.text
