"""The account's configuration as YAML: export, and import of what differs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from sealtone.admin.api_keys import Scope
from sealtone.admin.configuration import (
    ConfigurationError,
    Taken,
    export_configuration,
    import_configuration,
    preview_import,
)
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.problems import Refused
from sealtone.web.api.schemas.base import Form, Shown, example
from sealtone.web.api.work import Caller, change, now, read, write

router = APIRouter(route_class=Operation, tags=["Account"])
_YAML = "application/yaml"  # RFC 9512
_LONGEST = 900_000
_SAMPLE = """sealtone: 1
accounts:
- name: Office
  keep_calls: 365
  domains:
  - name: office.example
    language: en
    users:
    - username: '1000'
      display_name: Anna
"""
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The configuration, as the import reads it.",
        "content": {_YAML: {"schema": {"type": "string"}, "example": _SAMPLE}},
    }
}
_ALL = details(Scope.ALL)  # it reads or sets whatever is in the account


class ConfigurationIn(Form):
    """A file of configuration."""

    model_config = example({"yaml": _SAMPLE, "dry_run": True})

    yaml: str = Field(max_length=_LONGEST)
    dry_run: bool = Field(False, description="Only tell what would change.")


class ConfigurationChange(Shown):
    """One thing of the file that differs."""

    action: str = Field(description="`create` or `change`.")
    subject: str
    before: dict[str, str]
    after: dict[str, str]


class SecretOfUser(Shown):
    """The secret of a SIP user that is new, and came without one."""

    aor: str
    secret: str


class ConfigurationTaken(Shown):
    """What the import changed, or would change."""

    model_config = example(
        {
            "dry_run": False,
            "changes": [
                {
                    "action": "create",
                    "subject": "SIP user 1000@office.example",
                    "before": {},
                    "after": {"enabled": "yes"},
                }
            ],
            "secrets": [{"aor": "1001@office.example", "secret": "k7mf-92qx-hw3n-p8rt"}],
        }
    )

    dry_run: bool
    changes: list[ConfigurationChange]
    secrets: list[SecretOfUser] = Field(description="Shown this once; none in a dry run.")


@router.get(
    "/configuration",
    operation_id="exportConfiguration",
    summary="Export the configuration as YAML",
    response_class=Response,
    responses=_FILE,
    openapi_extra=details(Scope.READ, Scope.ACCOUNT),
)
async def export(request: Request, user: Caller) -> Response:
    """The account with its domains and SIP users, without what their phones prove their secrets by."""
    return _file(await read(request, lambda transaction: export_configuration(transaction, user.actor)))


@router.get(
    "/configuration/with-secrets",
    operation_id="exportConfigurationWithSecrets",
    summary="Export the configuration with digests of secrets",
    response_class=Response,
    responses=_FILE,
    openapi_extra=_ALL,
)
async def export_with_secrets(request: Request, user: Caller) -> Response:
    """For owners. With HA1 of each SIP user, which is as good as its secret: keep the file like them."""
    text = await read(request, lambda transaction: export_configuration(transaction, user.actor, with_secrets=True))
    return _file(text)


@router.post(
    "/configuration/import",
    operation_id="importConfiguration",
    summary="Take up a configuration",
    response_model=ConfigurationTaken,
    openapi_extra=_ALL,
)
async def take_up(request: Request, user: Caller, form: ConfigurationIn) -> Response:
    """Makes what is missing and changes what differs, all of the file or nothing; nothing is deleted. A domain that is
    not there yet is made only by whoever operates the service: others create and prove it first."""

    def take(transaction: Transaction) -> Taken:
        user.actor.authorise(user.key.account_id, "such account")
        return (preview_import if form.dry_run else import_configuration)(transaction, user.actor, now(), form.yaml)

    try:
        taken = await (write if form.dry_run else change)(request, take)
    except ConfigurationError as error:
        raise Refused("invalid", str(error), errors=[{"field": "yaml", "message": str(error)}]) from error
    return answer(_shown(taken, form.dry_run), 200, {"Cache-Control": "no-store"})


def _file(text: str) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="sealtone.yaml"', "Cache-Control": "no-store"}
    return Response(text, headers=headers, media_type=_YAML)


def _shown(taken: Taken, dry_run: bool) -> ConfigurationTaken:
    return ConfigurationTaken(
        dry_run=dry_run,
        changes=[
            ConfigurationChange(action=one.action, subject=one.subject, before=dict(one.before), after=dict(one.after))
            for one in taken.changes
        ],
        secrets=[] if dry_run else [SecretOfUser(aor=one.user.aor, secret=one.secret) for one in taken.secrets],
    )
