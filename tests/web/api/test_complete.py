"""What the panel can do, the API can: each form of a page stands beside the operation that does the same."""

from __future__ import annotations

from fastapi import FastAPI

from web.api.conftest import Api
from web.api.operations import operations_of, routes_of

WAYS_IN = "Signing in and up, and what people prove themselves by: no API key becomes a way in."
OF_THE_PAGE = "How the panel itself looks to one person."

OPERATIONS = {
    "/account": OF_THE_PAGE,
    "/account/api-keys": "createApiKey",
    "/account/api-keys/{number}/revoke": "revokeApiKey",
    "/account/close": "closeAccount",
    "/account/configuration": "importConfiguration",
    "/account/configuration/with-secrets": "exportConfigurationWithSecrets",
    "/account/email": WAYS_IN,
    "/account/name": "updateAccount",
    "/account/passkeys": WAYS_IN,
    "/account/passkeys/options": WAYS_IN,
    "/account/passkeys/{credential}/remove": WAYS_IN,
    "/account/passkeys/{credential}/rename": WAYS_IN,
    "/account/password": WAYS_IN,
    "/account/password/remove": WAYS_IN,
    "/account/people/invitations/{number}/revoke": "revokeInvitation",
    "/account/people/invite": "createInvitation",
    "/account/people/{person_id}/enabled": "updatePerson",
    "/account/people/{person_id}/operator": "updatePerson",
    "/account/people/{person_id}/password-link": "createPasswordLink",
    "/account/people/{person_id}/remove": "removePerson",
    "/account/people/{person_id}/role": "updatePerson",
    "/account/recovery-codes": WAYS_IN,
    "/account/recovery-codes/file": WAYS_IN,
    "/account/retention": "updateAccount",
    "/account/second-factor-needed": "updateAccount",
    "/account/second-factor/passkey": WAYS_IN,
    "/account/second-factor/passkey/options": WAYS_IN,
    "/account/second-factor/totp": WAYS_IN,
    "/account/sessions/end": "endSessions",
    "/account/sessions/{number}/end": "endSession",
    "/account/totp": WAYS_IN,
    "/account/totp/remove": WAYS_IN,
    "/account/webhooks": "createWebhook",
    "/account/webhooks/{number}": "updateWebhook",
    "/account/webhooks/{number}/delete": "deleteWebhook",
    "/account/webhooks/{number}/deliveries/{delivery}/redeliver": "redeliverWebhookDelivery",
    "/account/webhooks/{number}/secret": "rotateWebhookSecret",
    "/account/webhooks/{number}/test": "testWebhook",
    "/calls/settings": "updateAccount",
    "/calls/{call_id}/hang-up": "hangUpCall",
    "/calls/{call_id}/recording": "recordCall",
    "/calls/{call_id}/sas": "verifySas",
    "/changes/{number}/revert": "revertChange",
    "/confirm": WAYS_IN,
    "/confirm/passkey": WAYS_IN,
    "/confirm/passkey/options": WAYS_IN,
    "/domains/new": "createDomain",
    "/domains/{name}/certificate/acme": "setDomainCertificate",
    "/domains/{name}/certificate/own": "setDomainCertificate",
    "/domains/{name}/certificate/upload": "setDomainCertificate",
    "/domains/{name}/check": "checkDomainDns",
    "/domains/{name}/delete": "deleteDomain",
    "/domains/{name}/enabled": "updateDomain",
    "/domains/{name}/recording": "updateDomain",
    "/domains/{name}/sounds": "updateDomain",
    "/email/{token}": WAYS_IN,
    "/forgotten": WAYS_IN,
    "/getting-started/dismiss": OF_THE_PAGE,
    "/getting-started/restore": OF_THE_PAGE,
    "/invitation/{token}": WAYS_IN,
    "/invitation/{token}/passkey/options": WAYS_IN,
    "/new-password/{token}": WAYS_IN,
    "/passkey/options/sign-in": WAYS_IN,
    "/preferences": OF_THE_PAGE,
    "/recordings/settings": "setRecordingKey",
    "/recordings/{recording_id}/delete": "deleteRecording",
    "/service/accounts/invitations/{number}/revoke": "revokeAccountInvitation",
    "/service/accounts/invite": "createAccountInvitation",
    "/service/accounts/{account_id}/enabled": "updateServiceAccount",
    "/service/backups": "createBackup",
    "/service/backups/{name}/delete": "deleteBackup",
    "/service/certificates": "updateCertificateAuthority",
    "/service/mail": "setMail",
    "/service/mail/remove": "removeMail",
    "/service/mail/test": "testMail",
    "/service/name": "updateServiceSettings",
    "/service/sign-up": "updateServiceSettings",
    "/service/zone": "updateServiceSettings",
    "/sign-in": WAYS_IN,
    "/sign-in/passkey": WAYS_IN,
    "/sign-in/second": WAYS_IN,
    "/sign-out": WAYS_IN,
    "/sign-up": WAYS_IN,
    "/sign-up/passkey/options": WAYS_IN,
    "/sign-up/{token}": WAYS_IN,
    "/sip-users/import": "importSipUsers",
    "/sip-users/new": "createSipUser",
    "/sip-users/new-many": "createSipUsers",
    "/sip-users/secrets.csv": "createSipUsers",
    "/sip-users/several": "updateSipUsers",
    "/sip-users/{aor}": "updateSipUser",
    "/sip-users/{aor}/connect/link": "createPhoneLink",
    "/sip-users/{aor}/connect/links/{number}/revoke": "revokePhoneLink",
    "/sip-users/{aor}/connect/secret": "rotateSipUserSecret",
    "/sip-users/{aor}/connect/yealink": "createDeskPhoneFile",
    "/sip-users/{aor}/secret": "rotateSipUserSecret",
    "/sip-users/{aor}/test-call": "callPhone",
    "/welcome/{token}": WAYS_IN,
    "/welcome/{token}/passkey/options": WAYS_IN,
}
"""By the address of a form: the operation, or why there is none."""
SHOWN = {
    "/getting-started": "getChecklist",
    "/sip-users/{aor}/connect": "getPhoneSettings",
}
"""By the address of a page that only shows: the operation that tells the same to programs."""


async def test_each_form_of_the_panel_has_its_operation_in_the_api(api: Api) -> None:
    known = {operation.id for operation in operations_of(await api.spec())}
    app = api.panel.transport.app
    assert isinstance(app, FastAPI)
    forms = {route.path for route in routes_of(app.routes) if "POST" in route.methods}
    assert forms == set(OPERATIONS)
    assert set(OPERATIONS.values()) - known == {WAYS_IN, OF_THE_PAGE}


async def test_what_pages_show_of_setting_up_the_api_tells_too(api: Api) -> None:
    known = {operation.id for operation in operations_of(await api.spec()) if operation.method.upper() == "GET"}
    app = api.panel.transport.app
    assert isinstance(app, FastAPI)
    assert set(SHOWN) <= {route.path for route in routes_of(app.routes) if "GET" in route.methods}
    assert set(SHOWN.values()) <= known
