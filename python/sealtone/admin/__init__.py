"""The use cases that panel, API and command line share: each authorises, validates, saves and logs as one."""

from sealtone.admin.accounts import list_accounts, set_call_retention
from sealtone.admin.actor import Actor
from sealtone.admin.domains import (
    DomainChange,
    create_domain,
    delete_domain,
    list_domains,
    set_domain_enabled,
    update_domain,
)
from sealtone.admin.errors import AdminError, Conflict, Forbidden, InvalidInput, NotFound
from sealtone.admin.first_use import DEFAULT_DOMAIN, FirstUse, first_use, secrets_shown
from sealtone.admin.recordings import (
    DomainRecordingChange,
    begin_deletion,
    finish_deletion,
    list_recordings,
    outdated_recordings,
    recording_of,
    set_recording_key,
    update_domain_recording,
)
from sealtone.admin.secret import new_secret
from sealtone.admin.sip_users import (
    NewSecret,
    SipUserChange,
    create_sip_user,
    delete_sip_user,
    list_sip_users,
    set_secret,
    update_sip_user,
    user_of,
)

__all__ = [
    "DEFAULT_DOMAIN",
    "Actor",
    "AdminError",
    "Conflict",
    "DomainChange",
    "DomainRecordingChange",
    "FirstUse",
    "Forbidden",
    "InvalidInput",
    "NewSecret",
    "NotFound",
    "SipUserChange",
    "begin_deletion",
    "create_domain",
    "create_sip_user",
    "delete_domain",
    "delete_sip_user",
    "finish_deletion",
    "first_use",
    "list_accounts",
    "list_domains",
    "list_recordings",
    "list_sip_users",
    "new_secret",
    "outdated_recordings",
    "recording_of",
    "secrets_shown",
    "set_call_retention",
    "set_domain_enabled",
    "set_recording_key",
    "set_secret",
    "update_domain",
    "update_domain_recording",
    "update_sip_user",
    "user_of",
]
