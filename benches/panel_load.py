"""Browsers of the panel: pages asked for over connections that stay open, and how long each took.

``python -m benches.panel_load PORT TOKEN SECONDS RATE PATH …``: RATE pages a second over eight connections, or with
RATE 0 one after the other over one. Standard output is a JSON object of seconds by path.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

from benches.phones import lenient_tls

_CONNECTIONS = 8


class Browser:
    """One connection, signed in."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=lenient_tls(), timeout=30)
        self._headers = {"Cookie": f"__Host-session={token}", "Accept-Language": "en"}

    def get(self, path: str) -> float:
        """Seconds until the last octet was there; raises RuntimeError for anything but a page."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} was answered {response.status}")
        return time.perf_counter() - began


def main() -> None:
    port, token, seconds, rate, *paths = sys.argv[1:]
    taken: dict[str, list[float]] = {path: [] for path in paths}
    failed: list[str] = []
    begins = time.perf_counter()
    ends = begins + float(seconds)
    count = _CONNECTIONS if float(rate) else 1

    def browse(index: int) -> None:
        browser, number = Browser(int(port), token), index
        try:
            while time.perf_counter() < ends:
                if float(rate):
                    due = begins + number / float(rate)
                    if due >= ends:
                        return
                    time.sleep(max(0.0, due - time.perf_counter()))
                path = paths[number % len(paths)]
                taken[path].append(browser.get(path))
                number += count
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failed.append(str(error))

    threads = [threading.Thread(target=browse, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(failed[0])
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
