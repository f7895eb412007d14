"""Where a database is, when it is not the file in the data folder: on a PostgreSQL server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

_SCHEMES = ("postgresql", "postgres")
_PORT = 5432
_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "passfile")
_FORM = "Write it as postgresql://user:password@host/name."


@dataclass(frozen=True, slots=True)
class PostgresLocation:
    """A database on a PostgreSQL server. Neither `str` nor `repr` shows the password."""

    host: str
    """A name, an IP address, or the folder of the server's Unix socket."""
    port: int
    name: str
    user: str
    password: str = field(default="", repr=False)
    """Empty: the server asks for none, or libpq finds it in its password file."""
    options: tuple[tuple[str, str], ...] = ()
    """Parameters of libpq that say how the connection is protected."""

    @classmethod
    def parse(cls, url: str) -> PostgresLocation:
        """Reads ``postgresql://user:password@host:port/name?sslmode=…``, each part percent-encoded where needed.

        ``?host=/run/postgresql`` names a Unix socket's folder. To a host that is neither this machine nor a socket the
        connection is encrypted and the server's certificate checked, unless sslmode says otherwise. Raises `ValueError`
        in words that show no password.
        """
        try:
            parts = urlsplit(url.strip())
            port = parts.port or _PORT
        except ValueError:
            raise ValueError(f"It is no URL. {_FORM}") from None
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        host = options.pop("host", "") or unquote(parts.hostname or "")
        name, user = unquote(parts.path.lstrip("/")), unquote(parts.username or "")
        if parts.scheme not in _SCHEMES or not host or not name or "/" in name or not user or parts.fragment:
            raise ValueError(_FORM)
        if unknown := sorted(set(options).difference(_OPTIONS)):
            raise ValueError(f"It has the option {unknown[0]}; known are host, {', '.join(_OPTIONS)}.")
        if not _is_here(host) and "sslmode" not in options:
            options["sslmode"] = "verify-full"
            options.setdefault("sslrootcert", "system")
        return cls(host, port, name, user, unquote(parts.password or ""), tuple(options.items()))

    def __str__(self) -> str:
        if self.host.startswith("/"):
            return f"postgresql://{self.user}@/{self.name}?host={self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{self.user}@{host}:{self.port}/{self.name}"


def _is_here(host: str) -> bool:
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
