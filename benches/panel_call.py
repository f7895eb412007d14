"""An echo call of our own phone: ``python -m benches.panel_call PORT DOMAIN USER SECRET SECONDS``.

Standard output is a JSON object: packets received, packets lost, and the jitter of what came back in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from sealtone.phone import Phone, PhoneConfig


async def echo(port: int, domain: str, user: str, secret: str, seconds: float) -> dict[str, float]:
    async with Phone(PhoneConfig(user, domain, secret, proxy=("127.0.0.1", port), transport="udp")) as phone:
        await phone.register()
        call = await phone.call("*43")
        await asyncio.sleep(seconds)
        stats = call.stats()
        await call.hang_up()
    return {"received": stats.received, "lost": stats.lost, "jitter_ms": stats.jitter_ms}


def main() -> None:
    port, domain, user, secret, seconds = sys.argv[1:]
    print(json.dumps(uvloop.run(echo(int(port), domain, user, secret, float(seconds)))))


if __name__ == "__main__":
    main()
