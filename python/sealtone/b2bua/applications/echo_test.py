"""The echo test: says what it is, then the phone hears itself until a key is pressed."""

from __future__ import annotations

from typing import Literal

from sealtone.b2bua.applications.application import Commands, Echo, HangUp, Play
from sealtone.b2bua.applications.prompts import BEEP, last_spoken, spoken
from sealtone.model import LegSecurity
from sealtone.model.announcements import Language


class EchoTest:
    """A key during the announcement skips it; one during the echo ends the test."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._stage: Literal["announcing", "echoing", "leaving"] = "announcing"

    def started(self, reached: LegSecurity) -> Commands:
        return (Play((*spoken(self._language, "echo-intro"), BEEP)),)

    def reached(self, reached: LegSecurity) -> Commands:
        return ()

    def digit(self, digit: str) -> Commands:
        if self._stage == "announcing":
            return self._echo()
        if self._stage == "echoing":
            self._stage = "leaving"
            return (Play(last_spoken(self._language, "goodbye")),)
        return ()

    def played(self) -> Commands:
        if self._stage == "announcing":
            return self._echo()
        return (HangUp("the echo test was ended with a key"),)

    def _echo(self) -> Commands:
        self._stage = "echoing"
        return (Echo(),)
