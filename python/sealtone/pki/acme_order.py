"""Getting a certificate by ACME (RFC 8555): the service's account, and one order from beginning to end.

Blocking: an order runs on a thread of its own. It changes nothing but the account's files; what it gives is checked and
put in place by whoever asked. Private keys of certificates are made here, and leave only in what is returned.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC
from josepy.util import ComparableECKey

from sealtone.pki.acme_words import LETS_ENCRYPT, REASONS, REFUSED, SAYS, WAYS
from sealtone.pki.authority import private_pem
from sealtone.pki.challenges import ChallengeKind, Challenges
from sealtone.pki.errors import CertificateError
from sealtone.pki.files import private_folder, write_private
from sealtone.pki.upload import PrivateKey

_REQUEST_S = 30
_ORDER_S = 180
_LOOK_S = 10


class AcmeRefused(CertificateError):
    """The authority did not issue a certificate; the message says why, and whether it is worth another try."""


class AcmeService(NamedTuple):
    """Which authority is asked, and as whom."""

    directory: str = LETS_ENCRYPT
    """The address of its directory (RFC 8555 7.1.1)."""
    email: str = ""
    """Whom it may tell of trouble; may be empty."""
    trusted: str = ""
    """A file with the certificate of the authority that the directory's own is checked by; empty: the system's."""
    user_agent: str = "sealtone"


class Issued(NamedTuple):
    """What an order gave."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey


@challenges.ChallengeResponse.register
class TlsAlpnResponse(challenges.KeyAuthorizationChallengeResponse):
    """Says that a challenge is ready to be looked at."""

    typ = "tls-alpn-01"


@challenges.Challenge.register
class TlsAlpnChallenge(challenges.KeyAuthorizationChallenge):
    """RFC 8737."""

    response_cls = TlsAlpnResponse
    typ = response_cls.typ

    def validation(self, account_key: JWK, **kwargs: Any) -> bytes:
        """SHA-256 of the key authorization."""
        return hashlib.sha256(self.key_authorization(account_key).encode()).digest()


_KINDS: dict[ChallengeKind, type[challenges.KeyAuthorizationChallenge]] = {
    ChallengeKind.HTTP: challenges.HTTP01,
    ChallengeKind.TLS_ALPN: TlsAlpnChallenge,
    ChallengeKind.DNS: challenges.DNS01,
}


def order_certificate(
    folder: Path,
    service: AcmeService,
    domain: str,
    kind: ChallengeKind,
    answers: Challenges,
    *,
    dns_name: str = "",
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Issued:
    """Orders a certificate for `domain`. Raises `AcmeRefused`.

    `folder`: of the accounts, one a directory. `dns_name`: for DNS-01 the name in this server's zone that the domain's
    `_acme-challenge` leads to. `on_stage` is told ``account``, ``order``, ``check``, ``issue``.
    """
    try:
        return _ordered(folder, service, domain, kind, answers, dns_name, on_stage)
    except (errors.Error, messages.Error, requests.RequestException, JoseError, ValueError) as error:
        raise AcmeRefused(in_plain_words(error, domain, kind)) from error


def _ordered(
    folder: Path,
    service: AcmeService,
    domain: str,
    kind: ChallengeKind,
    answers: Challenges,
    dns_name: str,
    on_stage: Callable[[str], None],
) -> Issued:
    on_stage("account")
    acme, account_key = _account(folder, service)
    on_stage("order")
    key = ec.generate_private_key(ec.SECP256R1())
    order = acme.new_order(_request(domain, key))
    end = time.monotonic() + _ORDER_S
    (authorization,) = order.authorizations
    if authorization.body.status == messages.STATUS_VALID:  # checked for an order before, and still remembered
        on_stage("issue")
        return _issued(polled(lambda deadline: acme.poll_finalization(order, deadline), end), key)
    offered = [one for one in authorization.body.challenges if isinstance(one.chall, _KINDS[kind])]
    if not offered:
        raise AcmeRefused(f"The authority does not check by {kind.value}. Choose another way.")
    body = offered[0]
    with _answering(answers, body.chall, account_key, domain, dns_name):
        on_stage("check")
        acme.answer_challenge(body, body.chall.response(account_key))
        checked = polled(lambda deadline: acme.poll_authorizations(order, deadline), end)
    on_stage("issue")
    # It finalizes too, where the order is ready, and so may follow itself.
    return _issued(polled(lambda deadline: acme.poll_finalization(checked, deadline), end), key)


def polled(look: Callable[[datetime.datetime], messages.OrderResource], end: float) -> messages.OrderResource:
    """Has the library `look` at an order until it is done. Raises `errors.TimeoutError` at `end`, a monotonic time.

    The library's deadlines are local times, which jump where summer time begins: so each is near, and another follows.
    Where local time goes back within one of these looks, that look lasts so much longer.
    """
    while True:
        left_s = end - time.monotonic()
        try:
            return look(datetime.datetime.now() + datetime.timedelta(seconds=min(left_s, _LOOK_S)))
        except errors.TimeoutError:
            if time.monotonic() >= end:
                raise


def _answering(
    answers: Challenges, challenge: Any, account_key: JWK, domain: str, dns_name: str
) -> AbstractContextManager[None]:
    if isinstance(challenge, challenges.HTTP01):
        return answers.answering_file(challenge.encode("token"), challenge.validation(account_key).encode())
    if isinstance(challenge, TlsAlpnChallenge):
        return answers.answering_tls(domain, challenge.validation(account_key))
    return answers.answering_text(dns_name, challenge.validation(account_key))


def _request(domain: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(domain)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def _issued(order: messages.OrderResource, key: ec.EllipticCurvePrivateKey) -> Issued:
    return Issued(tuple(x509.load_pem_x509_certificates(order.fullchain_pem.encode())), key)


def _account(folder: Path, service: AcmeService) -> tuple[client.ClientV2, JWK]:
    """The service's account at this authority, made at first. Whoever calls has agreed to its terms."""
    private_folder(folder)
    name = hashlib.sha256(service.directory.encode()).hexdigest()[:16]
    key_file, account_file = folder / f"{name}.key", folder / f"{name}.json"
    if not key_file.exists():
        write_private(key_file, private_pem(ec.generate_private_key(ec.SECP256R1())))
        account_file.unlink(missing_ok=True)
    private = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise AcmeRefused(f"{key_file} is not the key of an account. Move it away to have a new account made.")
    account_key = JWKEC(key=ComparableECKey(private))
    net = client.ClientNetwork(
        account_key,
        alg=ES256,
        user_agent=service.user_agent,
        timeout=_REQUEST_S,
        verify_ssl=service.trusted or True,  # type: ignore[arg-type]  # handed on to requests, which takes a path
    )
    acme = client.ClientV2(client.ClientV2.get_directory(service.directory, net), net)
    wanted = messages.NewRegistration.from_data(email=service.email or None, terms_of_service_agreed=True)
    if account_file.exists():
        known = json.loads(account_file.read_bytes())
        net.account = messages.RegistrationResource(body=messages.Registration(), uri=known["uri"])
        if known["email"] == service.email:
            return acme, account_key
        acme.update_registration(net.account, messages.Registration.from_data(email=service.email or None))
    else:
        try:
            net.account = acme.new_account(wanted)
        except errors.ConflictError as error:  # it knows this key already
            net.account = messages.RegistrationResource(body=messages.Registration(), uri=error.location)
    write_private(account_file, json.dumps({"uri": net.account.uri, "email": service.email}).encode())
    return acme, account_key


def in_plain_words(error: Exception, domain: str, kind: ChallengeKind) -> str:
    """Why it did not work, for whoever wants the certificate; the authority's own words follow."""
    problem = _problem(error)
    if problem is not None:
        code = (problem.typ or "").rpartition(":")[2]
        template = REASONS.get(code, REFUSED)
        detail = " ".join((problem.detail or "").split())[:300]
        said = template.format(domain=domain, way=WAYS[kind])
        return f"{said} {SAYS.format(detail=detail)}" if detail else said
    if isinstance(error, errors.TimeoutError):
        return "The authority did not finish in time. It is tried again later."
    if isinstance(error, requests.exceptions.SSLError):
        return "The authority's own certificate is not trusted, so nothing was sent to it."
    if isinstance(error, requests.RequestException):
        return "The authority cannot be reached from this server. Is the internet connection up?"
    return f"The authority answered in a way that was not understood ({type(error).__name__})."


def _problem(error: Exception) -> messages.Error | None:
    if isinstance(error, messages.Error):
        return error
    if isinstance(error, errors.IssuanceError):
        found: messages.Error = error.error
        return found
    if isinstance(error, errors.ValidationError):
        for authorization in error.failed_authzrs:
            for challenge in authorization.body.challenges:
                if challenge.error is not None:
                    first: messages.Error = challenge.error
                    return first
    return None
