"""Having the server call a phone, to hear that it works. The running server does it (`calls.test`)."""

from __future__ import annotations

from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, InvalidInput
from sealtone.admin.sip_users import user_of
from sealtone.model import SipUser
from sealtone.model.directory import ECHO_SERVICE, WHO_CAN_HEAR_SERVICE
from sealtone.store import Transaction

TEST_SERVICES = (WHO_CAN_HEAR_SERVICE, ECHO_SERVICE)


def phone_to_call(transaction: Transaction, actor: Actor, aor: str, service: str = WHO_CAN_HEAR_SERVICE) -> SipUser:
    """The user whose phone may be rung for a service. Raises `NotFound`, `Forbidden`, `Conflict`, `InvalidInput`."""
    if service not in TEST_SERVICES:
        raise InvalidInput(
            "service", "“{service}” is no test call: {known} is.", service=service, known=" or ".join(TEST_SERVICES)
        )
    user = user_of(transaction, actor, aor)
    if not user.enabled:
        raise Conflict("The SIP user {aor} is switched off. Switch it on first.", aor=user.aor)
    return user
