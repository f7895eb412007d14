"""Second factors: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for the day it is lost."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

import pyotp

from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, InvalidInput
from sealtone.admin.person_log import log_person, own_person
from sealtone.model import Person
from sealtone.store import Transaction, credentials, people

STEP_S = 30
_STEPS_EITHER_WAY = 1  # RFC 6238 5.2: one back for the way here, one ahead for a clock that is fast
_CODE = re.compile(r"[0-9]{6}")
RECOVERY_CODES = 10
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH = 16
ISSUER = "Sealtone"


class SecondFactor(NamedTuple):
    """What somebody can prove themselves with besides a password."""

    totp: bool
    passkeys: int
    recovery_codes: int
    needed_by_account: bool

    @property
    def is_set_up(self) -> bool:
        """Whether there is any."""
        return self.totp or self.passkeys > 0

    @property
    def is_asked_for(self) -> bool:
        """Whether it is asked for after a right password: where TOTP was set up, or the account wants it."""
        return self.totp or (self.needed_by_account and self.passkeys > 0)

    @property
    def is_missing(self) -> bool:
        """Whether one has to be set up before anything else."""
        return self.needed_by_account and not self.is_set_up


def second_factor_of(transaction: Transaction, person: Person) -> SecondFactor:
    """What this person has."""
    return SecondFactor(
        person.has_totp,
        len(credentials.read_passkeys(transaction, person.id)),
        credentials.count_recovery_codes(transaction, person.id),
        people.needs_second_factor(transaction, person.account_id),
    )


def new_totp_secret() -> str:
    """160 random bits in Base32, to be shown to the person and confirmed by a first code."""
    return pyotp.random_base32()


def totp_address(secret: str, email: str, service: str = "") -> str:
    """The ``otpauth://`` address that an authenticator app reads from a QR code."""
    issuer = f"{ISSUER} {service}".strip()
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=email, issuer_name=issuer)


def totp_step(secret: str, code: str, now_wall: float) -> int | None:
    """The time step of a code that is right now; None for any other."""
    digits = "".join(code.split())
    if not _CODE.fullmatch(digits):
        return None
    generator = pyotp.TOTP(secret, interval=STEP_S)
    present = int(now_wall) // STEP_S
    found = None
    for step in range(present - _STEPS_EITHER_WAY, present + _STEPS_EITHER_WAY + 1):
        if step >= 0 and hmac.compare_digest(generator.generate_otp(step), digits):
            found = step
    return found


def set_up_totp(
    transaction: Transaction, actor: Actor, now_wall: float, person_id: int, secret: str, code: str
) -> tuple[str, ...]:
    """From now on codes of this secret are asked for; gives recovery codes, to be shown once, where there were none.

    Raises `InvalidInput` where the code is not the secret's, `Conflict` where TOTP is set up already.
    """
    person = own_person(transaction, actor, person_id)
    if person.has_totp:
        raise Conflict("An authenticator app is set up already. Remove it first.")
    step = totp_step(secret, code, now_wall)
    if step is None or not people.take_totp_step(transaction, person_id, step):
        raise InvalidInput("code", "This is not the code that the app shows now.")
    people.set_totp(transaction, person_id, secret)
    log_person(transaction, actor, now_wall, person, {"authenticator app": "no"}, {"authenticator app": "yes"})
    if credentials.count_recovery_codes(transaction, person_id):
        return ()
    return _new_recovery_codes(transaction, person_id)


def remove_totp(transaction: Transaction, actor: Actor, now_wall: float, person_id: int) -> None:
    """Codes are asked for no more. Raises `Conflict` where the account wants a second factor, and this is the last."""
    person = own_person(transaction, actor, person_id)
    factor = second_factor_of(transaction, person)
    if factor.needed_by_account and not factor.passkeys:
        raise Conflict("This account wants a second factor of everybody. Add a passkey before you remove the app.")
    if person.has_totp:
        people.set_totp(transaction, person_id, "")
        if not factor.passkeys:
            credentials.replace_recovery_codes(transaction, person_id, ())
        log_person(transaction, actor, now_wall, person, {"authenticator app": "yes"}, {"authenticator app": "no"})


def take_totp(transaction: Transaction, person_id: int, code: str, now_wall: float) -> bool:
    """Whether the code is right, and its time step, or a later one, has not been used before (RFC 6238 5.2)."""
    secret = people.read_totp(transaction, person_id)
    if not secret:
        return False
    step = totp_step(secret, code, now_wall)
    return step is not None and people.take_totp_step(transaction, person_id, step)


def take_recovery_code(transaction: Transaction, person: Person, code: str, now_wall: float, origin: str) -> bool:
    """Whether it is one of theirs; it is used up by that."""
    if not credentials.use_recovery_code(transaction, person.id, _recovery_hash(code)):
        return False
    left = credentials.count_recovery_codes(transaction, person.id)
    actor = Actor(person.email, origin, person.account_id, person.role, person.id)
    log_person(transaction, actor, now_wall, person, {"recovery codes": str(left + 1)}, {"recovery codes": str(left)})
    return True


def replace_recovery_codes(transaction: Transaction, actor: Actor, now_wall: float, person_id: int) -> tuple[str, ...]:
    """Ten new ones, to be shown once; those of before work no longer. Raises `Conflict` where nothing would ask."""
    person = own_person(transaction, actor, person_id)
    if not second_factor_of(transaction, person).is_set_up:
        raise Conflict("Recovery codes stand in for an authenticator app or a passkey. Set one up first.")
    log_person(transaction, actor, now_wall, person, {}, {"recovery codes": f"{RECOVERY_CODES} (new)"})
    return _new_recovery_codes(transaction, person_id)


def is_recovery_code(text: str) -> bool:
    """Whether it is written like one."""
    return len(_bare(text)) == _RECOVERY_LENGTH and set(_bare(text)) <= set(_RECOVERY_ALPHABET)


def _new_recovery_codes(transaction: Transaction, person_id: int) -> tuple[str, ...]:
    codes = tuple(
        "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(_RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)
    )
    credentials.replace_recovery_codes(transaction, person_id, [_recovery_hash(code) for code in codes])
    return tuple("-".join(code[start : start + 4] for start in range(0, _RECOVERY_LENGTH, 4)) for code in codes)


def _bare(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def _recovery_hash(code: str) -> bytes:
    """SHA-256: with 79 random bits there is nothing to try out."""
    return hashlib.sha256(_bare(code).encode("utf-8", "surrogatepass")).digest()
