"""How long an order is waited for, whatever the wall clock does meanwhile."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterator

import pytest
from acme import client, errors, messages

from sealtone.pki.acme_order import polled

ORDER = messages.OrderResource(uri="https://authority.example/order/1", body=messages.Order())


class Answer:
    """What the authority says of the order: an answer of HTTP, as far as the library reads it."""

    headers: dict[str, str] = {}
    text = "the chain"

    def __init__(self, status: str) -> None:
        self._status = status

    def json(self) -> dict[str, str]:
        return {"status": self._status, "certificate": "https://authority.example/chain/1"}


class Authority:
    """Takes its time until a moment of the monotonic clock."""

    def __init__(self, done_at: float) -> None:
        self._done_at = done_at

    def post(self, *_: object, **__: object) -> Answer:
        return Answer("valid" if time.monotonic() >= self._done_at else "processing")


@pytest.fixture
def summer_begins() -> Iterator[float]:
    """Local time jumps an hour forward within two seconds; gives the wall time of that."""
    before, moment = os.environ.get("TZ"), int(time.time()) + 2
    then = time.gmtime(moment)
    day = then.tm_yday - 1
    os.environ["TZ"] = f"WIN0SUM-1,{day}/{then.tm_hour}:{then.tm_min}:{then.tm_sec},{(day + 100) % 365}/0"
    time.tzset()
    yield float(moment)
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def waited_for(done_after_s: float, within_s: float) -> messages.OrderResource:
    now = time.monotonic()
    directory = messages.Directory({"newNonce": "https://authority.example/nonce"})
    acme = client.ClientV2(directory, Authority(now + done_after_s))  # type: ignore[arg-type]
    return polled(lambda deadline: acme.poll_finalization(ORDER, deadline), now + within_s)


def test_an_order_during_which_summer_time_begins_is_waited_for_to_its_end(summer_begins: float) -> None:
    hour = datetime.datetime.now() + datetime.timedelta(minutes=50)
    assert waited_for(3.0, 30.0).fullchain_pem == Answer.text
    assert time.time() >= summer_begins
    assert datetime.datetime.now() > hour, "local time did jump"


def test_an_order_that_takes_too_long_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(errors.TimeoutError):
        waited_for(60.0, 2.0)
    assert time.monotonic() - began < 10.0
