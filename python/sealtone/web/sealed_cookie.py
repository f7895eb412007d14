"""What a browser keeps for us between two steps, sealed: it can neither read nor change it, nor use it elsewhere."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealtone.store import KeyFileError
from sealtone.web.asking import parts
from sealtone.web.security import drop_cookie, set_cookie

_LONGEST = 3_500  # browsers keep 4096 octets of a cookie with its name


def set_sealed(request: Request, response: Response, name: str, lifetime_s: float, **values: Any) -> None:
    """Sets the cookie; `values` must be what JSON can hold."""
    text = json.dumps({**values, "until": time.time() + lifetime_s})
    sealed = base64.urlsafe_b64encode(parts(request).database.vault.seal(text, f"cookie {name}")).decode()
    if len(sealed) > _LONGEST:
        raise ValueError("too much for a cookie")
    set_cookie(response, name, sealed, max_age=int(lifetime_s))


def sealed_values(request: Request, name: str) -> dict[str, Any] | None:
    """What was set; None where there is nothing, or it is too old or not ours."""
    text = request.cookies.get(name, "")
    if not text or len(text) > _LONGEST:
        return None
    try:
        opened = parts(request).database.vault.open_sealed(base64.urlsafe_b64decode(text), f"cookie {name}")
    except (ValueError, KeyFileError):
        return None
    values: dict[str, Any] = json.loads(opened)
    return values if values["until"] > time.time() else None


def drop_sealed(response: Response, name: str) -> None:
    """Has the browser forget it."""
    drop_cookie(response, name)
