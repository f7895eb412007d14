"""Answers to the server's challenges (RFC 3261 22, RFC 8760: the strongest algorithm that both know)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sealtone.sip.digest import Challenge, authorization_for
from sealtone.sip.errors import SipParseError
from sealtone.sip.message import Response

_STRENGTH = {"SHA-256": 2, "MD5": 1}


class Login:
    """A user name and secret. One object lasts for one request and its repetitions; `repr` never shows the secret.

    `ha1`: HA1 in hex by algorithm, for the server's realm, in place of the secret.
    """

    def __init__(
        self, user: str, secret: str, entropy: Callable[[int], bytes], ha1: Mapping[str, str] | None = None
    ) -> None:
        self._user, self._secret = user, secret
        self._ha1 = dict(ha1 or {})
        self._entropy = entropy
        self._answered: set[str] = set()

    def __repr__(self) -> str:
        return f"<Login {self._user}>"

    def answer(self, response: Response, method: str, uri: str, body: bytes = b"") -> tuple[str, str] | None:
        """The header that answers the challenges of a 401 or 407; None when there is nothing more to try.

        A nonce that was answered before and comes again without `stale` means that the secret is wrong.
        """
        proxy = response.status == 407
        challenges = []
        for value in response.headers.all("Proxy-Authenticate" if proxy else "WWW-Authenticate"):
            try:
                challenges.append(Challenge.parse(value))
            except SipParseError:
                continue
        usable = [each for each in challenges if each.algorithm.upper() in (self._ha1 or _STRENGTH)]
        if not usable:
            return None
        best = max(usable, key=lambda each: _STRENGTH[each.algorithm.upper()])
        if (self._answered and not best.stale) or len(self._answered) >= 3:
            return None
        self._answered.add(best.nonce)
        cnonce = self._entropy(8).hex()
        ha1 = self._ha1.get(best.algorithm.upper())
        value = authorization_for(
            best, self._user, method, uri, cnonce=cnonce, password=self._secret, ha1_hex=ha1, body=body
        )
        return ("Proxy-Authorization" if proxy else "Authorization"), value
