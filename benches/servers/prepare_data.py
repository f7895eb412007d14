"""Makes a data folder for the benchmark: one domain, its SIP users, and the ports; prints name and secret of each user.

Standard output is one JSON list of ``[name, secret]``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from benches.servers.interface import DOMAIN
from sealtone.admin import Actor, create_sip_user, first_use
from sealtone.admin.service import ServiceChange, update_service
from sealtone.config import configured_database
from sealtone.store import Database

ACTOR = Actor("benchmark", "command line")
# Below the ports that the kernel gives to the phones, and enough for 500 calls a second whose ports rest for 5 s.
MEDIA_PORTS = "16384-31999"


def settings(udp_port: int, tls_port: int) -> str:
    """The start-up settings: loopback only, otherwise the defaults."""
    lines = {
        "listen": '["127.0.0.1"]',
        "sip_port": str(udp_port),
        "tls_port": str(tls_port),
        "shared_tls_port": "0",
        "media_ports": f'"{MEDIA_PORTS}"',
        "workers": "1",
        "domain": f'"{DOMAIN}"',
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--udp-port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, required=True)
    arguments = parser.parse_args()
    database = Database(arguments.data, configured_database(arguments.data))
    made = []
    with database.write() as transaction:
        now = time.time()
        first_use(transaction, now, DOMAIN)
        update_service(transaction, ACTOR, now, ServiceChange(most_sip_users="1000000"))
        for index in range(arguments.users):
            name = str(100_000 + index)
            new = create_sip_user(transaction, ACTOR, now, f"{name}@{DOMAIN}")
            made.append((name, new.secret))
    database.close()
    (arguments.data / "sealtone.toml").write_text(settings(arguments.udp_port, arguments.tls_port))
    print(json.dumps(made))


if __name__ == "__main__":
    main()
