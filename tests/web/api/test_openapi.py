"""The document is valid, complete, and says what is true."""

from __future__ import annotations

from typing import Any

import jsonschema
from openapi_spec_validator import validate

from sealtone.admin.api_keys import Scope
from web.api.conftest import Api
from web.api.operations import operations_of


async def test_the_document_is_valid_openapi_3_1(api: Api) -> None:
    spec = await api.spec()
    assert spec["openapi"].startswith("3.1")
    validate(spec)


async def test_every_operation_is_described_with_examples_that_fit(api: Api) -> None:
    spec = await api.spec()
    tags = {tag["name"] for tag in spec["tags"]}
    seen = set()
    for operation in operations_of(spec):
        assert operation.id not in seen
        seen.add(operation.id)
        assert operation.spec["summary"], operation.id
        assert operation.spec["description"], operation.id
        assert set(operation.spec["tags"]) <= tags, operation.id
        assert set(operation.scopes) <= {scope.value for scope in Scope}, operation.id
        assert operation.scopes, operation.id
        assert operation.spec["security"] == [{"apiKey": []}], operation.id
        responses = operation.spec["responses"]
        assert {"401", "403", "422", "429", "503"} <= set(responses), operation.id
        assert ("404" in responses) or not operation.parameters, operation.id
        examples = [*_examples(operation.spec.get("requestBody", {}))]
        for status, response in responses.items():
            if status.startswith("2"):
                examples += _examples(response)
        for schema, example in examples:
            if isinstance(example, str) and schema.get("type") == "string":
                continue
            resolver = {"$defs": spec["components"]["schemas"], **_local(schema)}
            jsonschema.Draft202012Validator(_rewritten(resolver)).validate(example)


async def test_operation_ids_are_those_that_programs_were_written_for(api: Api) -> None:
    """Add to this list; to take one away or rename it breaks whoever generated a client."""
    ids = {operation.id for operation in operations_of(await api.spec())}
    assert ids >= {
        "listDomains", "createDomain", "getDomain", "updateDomain", "deleteDomain", "getDomainDns", "checkDomainDns",
        "listSipUsers", "createSipUser", "getSipUser", "updateSipUser", "deleteSipUser", "rotateSipUserSecret",
        "listRegistrations", "listLiveCalls", "getLiveCall", "hangUpCall", "recordCall", "verifySas",
        "listCalls", "getCall", "listRecordings", "getRecording", "downloadRecording", "deleteRecording",
        "createSipUsers", "importSipUsers", "exportSipUsers", "tryCall", "getCallLadder",
        "listChanges", "getChange", "revertChange", "streamEvents",
        "listPeople", "getPerson", "updatePerson", "removePerson",
        "listInvitations", "createInvitation", "revokeInvitation", "listSessions", "endSession", "endSessions",
        "getServiceSettings", "updateServiceSettings", "setMail", "removeMail",
        "getAccount", "updateAccount", "setRecordingKey",
        "listApiKeys", "createApiKey", "getCurrentApiKey", "getApiKey", "revokeApiKey",
        "listWebhooks", "createWebhook", "getWebhook", "updateWebhook", "deleteWebhook", "rotateWebhookSecret",
        "testWebhook", "listWebhookDeliveries", "redeliverWebhookDelivery",
        "getServiceStatus", "getWebhookTargets", "setWebhookTargets",
        "closeAccount", "createPasswordLink", "exportConfiguration", "exportConfigurationWithSecrets",
        "importConfiguration", "getChecks", "compareCodecs", "updateSipUsers", "deleteSipUsers", "createDeskPhoneFile",
        "exportCalls", "listServiceAccounts", "createServiceAccount", "getServiceAccount", "updateServiceAccount",
        "listAccountInvitations", "createAccountInvitation", "revokeAccountInvitation", "testMail",
        "getCertificateAuthority", "updateCertificateAuthority",
        "getPhoneSettings", "getChecklist",
        "listBackups", "createBackup", "downloadBackup", "deleteBackup",
    }  # fmt: skip


def _examples(holder: dict[str, Any]) -> list[tuple[dict[str, Any], Any]]:
    content = holder.get("content", {})
    return [
        (media["schema"], media["example"]) for media in content.values() if media["schema"].get("format") != "binary"
    ]


def _local(schema: dict[str, Any]) -> dict[str, Any]:
    return dict(schema)


def _rewritten(value: Any) -> Any:
    """With references into the document turned into ones within the schema."""
    if isinstance(value, dict):
        return {
            name: part.replace("#/components/schemas/", "#/$defs/") if name == "$ref" else _rewritten(part)
            for name, part in value.items()
        }
    return [_rewritten(part) for part in value] if isinstance(value, list) else value
