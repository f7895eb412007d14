"""The public authority that issues certificates (ACME): settings of the service."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from sealtone.admin.acme import AcmeForm, AcmeSettings, acme_settings, set_acme
from sealtone.admin.api_keys import Scope
from sealtone.pki.acme_words import LETS_ENCRYPT
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment_or_none
from sealtone.web.api.work import Caller, change, now, read

router = APIRouter(route_class=Operation, tags=["Service"])
_TRUSTED = "A file on the server: the certificate by which the directory's own is checked; empty: the system's."
_ZONE = "The zone that is delegated to this server, for checks by DNS; empty: none."


class AuthorityOut(Shown):
    """Which authority is asked, and how it checks names."""

    model_config = example(
        {
            "directory": LETS_ENCRYPT,
            "email": "anna@example.net",
            "terms_accepted_at": "2026-11-26T09:30:00.000Z",
            "trusted": "",
            "dns_zone": "acme.example.net",
            "dns_port": 53,
        }
    )

    directory: str = Field(description="The address of its ACME directory (RFC 8555).")
    email: str = Field(description="Where it writes to; empty: nowhere.")
    terms_accepted_at: Moment | None = Field(description="Null: not yet, and nothing is ordered.")
    trusted: str = Field(description=_TRUSTED)
    dns_zone: str = Field(description=_ZONE)
    dns_port: int


class AuthorityPatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"directory": "staging", "accept_terms": True})

    directory: str | None = Field(
        None, max_length=500, description="`production` or `staging` (Let's Encrypt), or an address."
    )
    email: str | None = Field(None, max_length=400)
    accept_terms: bool | None = Field(None, description="With another directory they have to be accepted anew.")
    trusted: str | None = Field(None, max_length=1000, description=_TRUSTED)
    dns_zone: str | None = Field(None, max_length=300, description=_ZONE)
    dns_port: int | None = Field(None, ge=1, le=65_535)


@router.get(
    "/service/certificate-authority",
    operation_id="getCertificateAuthority",
    summary="Show which public authority is asked for certificates",
    response_model=AuthorityOut,
    openapi_extra=details(Scope.SERVICE),
)
async def get_authority(request: Request, user: Caller) -> Response:
    """Of domains whose certificate source is `acme`."""
    user.actor.authorise_operating()
    return answer(_shown(await read(request, acme_settings)))


@router.patch(
    "/service/certificate-authority",
    operation_id="updateCertificateAuthority",
    summary="Change which public authority is asked for certificates",
    response_model=AuthorityOut,
    openapi_extra=details(Scope.SERVICE, versioned=True),
)
async def update_authority(request: Request, user: Caller, form: AuthorityPatch) -> Response:
    """Certificates that are in use stay so; the next order goes to the authority named here."""
    port = None if form.dns_port is None else str(form.dns_port)
    wanted = AcmeForm(form.directory, form.email, form.accept_terms, form.trusted, form.dns_zone, port)

    def save(transaction: Transaction) -> AcmeSettings:
        user.actor.authorise_operating()
        check_version(request, _shown(acme_settings(transaction)))
        return set_acme(transaction, user.actor, now(), wanted)

    return answer(_shown(await change(request, save)))


def _shown(settings: AcmeSettings) -> AuthorityOut:
    return AuthorityOut(
        directory=settings.directory,
        email=settings.email,
        terms_accepted_at=moment_or_none(settings.agreed_at or None),
        trusted=settings.trusted,
        dns_zone=settings.dns_zone,
        dns_port=settings.dns_port,
    )
