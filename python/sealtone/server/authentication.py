"""Who sent a request: digest (RFC 7616, RFC 8760) against the snapshot, throttled, alike for users that do not exist.

Rules:

1. An unknown user is verified against a decoy digest that nobody can match, along the same path and with the same
   answer, so that neither words nor time tell who exists.
2. Nonces are stateless; only the counts of those in use are kept, in a bounded table, so that no answer is taken twice.
3. A nonce that is too old is said to be stale only to who proved to know the password.
4. An answer counts only for the address that it was made for (RFC 7616 3.4.6), and clears guesses only when it is new:
   who has captured one can neither call elsewhere with it nor buy more guesses.
5. What an authenticated user may claim to be is its own address and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Final, NamedTuple

from sealtone.model import Domain, SipUser, Snapshot
from sealtone.server.throttle import Throttle
from sealtone.sip.digest import Challenge, Credentials, NonceCounts, NonceIssuer, NonceState, verify
from sealtone.sip.errors import SipError
from sealtone.sip.flow import Flow
from sealtone.sip.headers import NameAddr
from sealtone.sip.message import Request
from sealtone.sip.uri import SipUri, unescape

ALGORITHMS: Final = ("SHA-256", "MD5")  # RFC 8760 2.4: the stronger first
MD5_ONLY: Final = ("baresip v0.", "baresip v1.")


class Denied(NamedTuple):
    """Answer with this; `headers` hold the challenges."""

    status: int
    reason: str | None
    headers: tuple[tuple[str, str], ...] = ()


class Authenticator:
    """Verifies requests. `key` (32 random bytes) makes nonces and decoys."""

    def __init__(self, key: bytes, throttle: Throttle) -> None:
        self._nonces = NonceIssuer(hmac.digest(key, b"nonce", "sha256"))
        # Nonces go by monotonic time, from a point of their own: nobody learns how long the machine has been up.
        self._ahead = float(int.from_bytes(hmac.digest(key, b"clock", "sha256")[:4], "big"))
        self._decoy_key = hmac.digest(key, b"decoy", "sha256")
        self._counts = NonceCounts(65_536)
        self._throttle = throttle
        self.verified = 0
        self.failed = 0

    def identify(
        self, request: Request, address: NameAddr, flow: Flow, snapshot: Snapshot, now: float
    ) -> SipUser | Denied:
        """The user that proved to be the owner of `address` (From, or To of a REGISTER).

        `now`: monotonic seconds, by which nonces go as well, so that setting the clock refuses nobody.
        """
        registering = request.method == "REGISTER"
        try:
            uri = address.sip_uri
        except SipError as error:
            return Denied(400, str(error))
        domain = home_domain(uri.host.lower(), snapshot)
        realm = domain.name if domain is not None else uri.host.lower()
        value = request.headers.get("Authorization" if registering else "Proxy-Authorization")
        if value is None:
            return self._challenge(request, realm, now)
        credentials = self._credentials(request, registering, realm)
        if credentials is None or not _names_same(credentials.uri, request.uri, snapshot):
            return self._challenge(request, realm, now)
        state = self._nonces.check(credentials.nonce, now + self._ahead)
        if state is NonceState.FORGED:
            return self._challenge(request, realm, now)
        aor = f"{credentials.username}@{realm}"
        wait = self._throttle.wait_s(flow.remote[0], aor, now)
        if wait > 0:
            return Denied(
                403,
                f"Too many wrong passwords; wait {int(wait) + 1} s",
                (("Retry-After", str(int(wait) + 1)),),
            )
        user = snapshot.user(aor) if domain is not None else None
        if not self._verify(user, credentials, aor, request):
            self.failed += 1
            self._throttle.failed(flow.remote[0], aor, now)
            return self._challenge(request, realm, now)
        fresh = state is NonceState.FRESH
        if not fresh or not self._is_new(credentials, now):
            return self._challenge(request, realm, now, stale=True)
        self._throttle.succeeded(flow.remote[0], aor, now)
        if user is None or not snapshot.is_active(user):
            return Denied(403, "This user is switched off")
        if unescape(uri.user or "") != user.username:
            return Denied(403, "The address in the request is not that of the user who sent it")
        return user

    def _verify(self, user: SipUser | None, credentials: Credentials, aor: str, request: Request) -> bool:
        """Constant in what it does, whether the user exists or not."""
        self.verified += 1
        decoy = hashlib.blake2s(aor.encode("utf-8", "surrogateescape"), key=self._decoy_key).hexdigest()
        sha256 = credentials.algorithm == "SHA-256"
        digest = decoy if sha256 else decoy[:32]
        if user is not None:
            digest = user.ha1_sha256 if sha256 else user.ha1_md5
        return verify(credentials, request.method, digest, request.body) and user is not None

    @staticmethod
    def _credentials(request: Request, registering: bool, realm: str) -> Credentials | None:
        """Those for our realm; None where there are none that can be read or that are for this request."""
        for raw in request.headers.all("Authorization" if registering else "Proxy-Authorization"):
            try:
                credentials = Credentials.parse(raw)
            except SipError:
                continue
            if credentials.realm == realm and credentials.algorithm in ALGORITHMS:
                return credentials
        return None

    def _is_new(self, credentials: Credentials, now: float) -> bool:
        return self._counts.accept(credentials.nonce, credentials.nonce_count, now + self._ahead)

    def _challenge(self, request: Request, realm: str, now: float, stale: bool = False) -> Denied:
        nonce = self._nonces.issue(now + self._ahead)
        registering = request.method == "REGISTER"
        name = "WWW-Authenticate" if registering else "Proxy-Authenticate"
        # Some phones give up at the sight of an algorithm that they do not know, though RFC 3261 tells them to pass on.
        md5_only = (request.headers.get("User-Agent") or "").startswith(MD5_ONLY)
        frames = _challenge_frames(realm, stale)
        if md5_only:
            frames = frames[1:]
        headers = tuple([(name, f"{before}{nonce}{after}") for before, after in frames])
        return Denied(401 if registering else 407, None, headers)


@lru_cache(maxsize=256)
def _challenge_frames(realm: str, stale: bool) -> tuple[tuple[str, str], ...]:
    """The challenges of a realm, one an algorithm, before and after their nonce."""
    made = [str(Challenge(realm=realm, nonce="\0", algorithm=algorithm, stale=stale)) for algorithm in ALGORITHMS]
    parts = [text.rpartition("\0") for text in made]
    return tuple([(before, after) for before, _, after in parts])


def _names_same(made_for: str, asked: str, snapshot: Snapshot) -> bool:
    """Whether a digest's URI is the Request-URI: scheme, user and host. Phones add or leave out port and parameters.

    Some clients (SIPp among them) name only the server there; such a proof is bound to this server, not to a number.
    """
    if made_for == asked:
        return True
    try:
        ours, theirs = SipUri.parse(asked), SipUri.parse(made_for)
    except SipError:
        return False
    host = theirs.host.lower().rstrip(".")
    if theirs.user is None and (host in snapshot.local_names or snapshot.domain(host) is not None):
        return True
    if ours.scheme != theirs.scheme or unescape(ours.user or "") != unescape(theirs.user or ""):
        return False
    return _host_meant(ours.host, snapshot) == _host_meant(theirs.host, snapshot)


def _host_meant(host: str, snapshot: Snapshot) -> str:
    host = host.lower().rstrip(".")
    domain = home_domain(host, snapshot)
    return host if domain is None else domain.name


def home_domain(host: str, snapshot: Snapshot) -> Domain | None:
    """The domain a phone means by `host`: where it uses the server's own address and there is one domain, that one."""
    domain = snapshot.domain(host.rstrip("."))
    if domain is None and host in snapshot.local_names:
        domains = list(snapshot.domains())
        if len(domains) == 1:
            return domains[0]
    return domain
