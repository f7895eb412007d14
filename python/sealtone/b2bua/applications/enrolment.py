"""Enrolment with a spoken confirmation (RFC 6189 7.3.1): the offer itself is ZRTP's, and the phone asks its person.

Whom a phone trusts had better be compared first: the SAS is read out as by “who can hear me”.
"""

from __future__ import annotations

from sealtone.b2bua.applications.who_can_hear import WhoCanHear


class Enrolment(WhoCanHear):
    """What the server knows is that its own half of the secret is kept; whether the phone accepted shows next time."""

    def introduction(self) -> tuple[str, ...]:
        facts = self._reached.zrtp
        if facts is None or not facts.sas:
            return ()
        return ("enrol-already",) if facts.enrolled else ("enrol-offered", "enrol-done")
