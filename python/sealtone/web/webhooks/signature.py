"""How a receiver knows that an event is from here: HMAC-SHA256 over the time and the body."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "Webhook-Signature"


def sign(secrets: Sequence[str], at: int, body: bytes) -> str:
    """``t=<Unix seconds>,v1=<hex>``, with one v1 a secret.

    What is signed is the time in decimal, a full stop and the body as sent. A receiver computes the same with its
    secret, compares in constant time, and refuses what is older than some minutes.
    """
    signed = f"{at}.".encode() + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])
