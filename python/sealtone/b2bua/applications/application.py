"""What an application on an answered leg is: it is told what happens, and says what to do. It knows no time and no leg.

Time passes as sound: an application that waits for a key plays silence and is told when it is over.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sealtone.model import LegSecurity


class Play(NamedTuple):
    """Play these one after the other, in place of whatever was heard or played; `played` follows."""

    sounds: tuple[str, ...]


class Echo(NamedTuple):
    """From here on the phone hears itself."""


class Compared(NamedTuple):
    """The person has compared the SAS of this leg. `reached` follows where that changed something."""

    matches: bool


class HangUp(NamedTuple):
    """End the call; `reason` is for the record."""

    reason: str


Command = Play | Echo | Compared | HangUp
Commands = tuple[Command, ...]


class Application(Protocol):
    """One run on one leg. Each method gives what to do now, in order."""

    def started(self, reached: LegSecurity) -> Commands:
        """Media may flow, and the leg reached this."""
        ...

    def reached(self, reached: LegSecurity) -> Commands:
        """What the leg reached is something else now."""
        ...

    def digit(self, digit: str) -> Commands:
        """A key was pressed: one of 0123456789*#ABCD."""
        ...

    def played(self) -> Commands:
        """All of the last `Play` was heard."""
        ...
