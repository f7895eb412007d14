"""The start-up settings, thirteen at most. Everything else is data, changed by the command line as the server runs.

Each setting is taken from the first place that has it: the command line, the environment (``SEALTONE_SIP_PORT``), the
file ``sealtone.toml`` in the data folder, the default. A value that cannot be used stops the start with an error that
names the setting, where the value came from, and what to do.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sealtone.store.location import PostgresLocation

CONFIG_FILE = "sealtone.toml"
_PREFIX = "SEALTONE_"
_LOG_LEVELS = ("debug", "info", "warning", "error")
_MOST_WORKERS = 256
_FEWEST_PORTS = 16
_SECRET = frozenset({"database"})  # not repeated in messages


class ConfigError(Exception):
    """A setting cannot be used; the message names it and says what to do."""


class Config(NamedTuple):
    """What a start needs to know."""

    data: Path
    """Folder of the database, keys and certificates; created at the first start."""
    listen: tuple[str, ...] = ("0.0.0.0", "::")
    """IP addresses to listen on."""
    sip_port: int = 5060
    """UDP and TCP."""
    tls_port: int = 5061
    shared_tls_port: int = 443
    """A second TLS port, for networks that let nothing else out; 0 for none."""
    advertise: str = ""
    """The address phones reach this machine by, when it is not one of its own (NAT); IP literal or host name."""
    media_ports: tuple[int, int] = (20_000, 29_999)
    """First and last UDP port of media."""
    workers: int = 0
    """Media threads; 0 for one a core."""
    log_level: str = "info"
    domain: str = "sealtone.local"
    """Name of the domain that the first start makes."""
    http_port: int = 80
    """Plain HTTP: sends browsers to the panel, and answers who issues certificates; 0 for none."""
    panel: bool = True
    """Whether the panel and the API are served."""
    database: PostgresLocation | None = None
    """Where the database is, if not in the data folder. It may hold a password: it is no option of the command line."""


def default_data_folder() -> Path:
    """``data`` in the current folder."""
    return Path("data")


def load_config(given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration; `given` are the options of the command line, of which None means not given.

    Raises `ConfigError`.
    """
    environment = os.environ if environment is None else environment
    given = {name: value for name, value in (given or {}).items() if value is not None}
    data = Path(given.get("data") or environment.get(f"{_PREFIX}DATA") or default_data_folder())
    from_file = _read(data / CONFIG_FILE)
    values: dict[str, Any] = {"data": data.expanduser().absolute()}
    for name in _PARSERS:
        found = _found(name, given, environment, data / CONFIG_FILE, from_file)
        if found is not None:
            values[name] = _parsed(name, *found)
    config = Config(**values)
    _check_ports(config)
    return config


def configured_database(data: Path, environment: Mapping[str, str] | None = None) -> PostgresLocation | None:
    """Where the database of a data folder is; None: in it. For commands that need no other setting.

    Raises `ConfigError`.
    """
    environment = os.environ if environment is None else environment
    file = data / CONFIG_FILE
    found = _found("database", {}, environment, file, _read(file))
    place: PostgresLocation | None = _parsed("database", *found) if found is not None else None
    return place


def _found(
    name: str, given: Mapping[str, Any], environment: Mapping[str, str], file: Path, from_file: Mapping[str, Any]
) -> tuple[Any, str] | None:
    """A setting as it was written, and where."""
    for source, value in (
        (f"the option --{name.replace('_', '-')}", given.get(name)),
        (f"the environment variable {_PREFIX}{name.upper()}", environment.get(f"{_PREFIX}{name.upper()}")),
        (str(file), from_file.get(name)),
    ):
        if value is not None:
            return value, source
    return None


def _read(file: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}. Correct it, or move it away to use the defaults."
        ) from error
    for name in settings:
        if name == "data":
            raise ConfigError(f"{file} sets data, but it lies in the data folder itself. Use --data or {_PREFIX}DATA.")
        if name not in _PARSERS:
            raise ConfigError(f"{file} sets {name}, which is no setting. The settings are: {', '.join(_PARSERS)}.")
    return settings


def _parsed(name: str, value: Any, source: str) -> Any:
    try:
        return _PARSERS[name](value)
    except (ValueError, TypeError) as error:
        shown = name if name in _SECRET else f"{name} = {value!r}"
        raise ConfigError(f"{shown} in {source} cannot be used: {error}") from error


def _addresses(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else list(value)
    found = []
    for item in items:
        text = str(item).strip().strip("[]")
        try:
            found.append(str(ipaddress.ip_address(text)))
        except ValueError:
            raise ValueError(f"“{text}” is no IP address. Write addresses like 0.0.0.0 or 192.0.2.5, ::1.") from None
    if not found:
        raise ValueError("Name at least one address; 0.0.0.0 means every IPv4 address.")
    return tuple(dict.fromkeys(found))


def _port(value: Any) -> int:
    port = _whole(value)
    if not 1 <= port <= 65_535:
        raise ValueError("A port is a number from 1 to 65535.")
    return port


def _port_or_none(value: Any) -> int:
    return 0 if str(value).strip() == "0" else _port(value)


def _port_range(value: Any) -> tuple[int, int]:
    first, _, last = value.partition("-") if isinstance(value, str) else (value[0], "", value[1])
    low, high = _port(first), _port(last)
    if high - low + 1 < _FEWEST_PORTS:
        raise ValueError(f"Give at least {_FEWEST_PORTS} ports (a call uses four), such as 20000-29999.")
    if low < 1024:
        raise ValueError("Media ports begin at 1024 or above, such as 20000-29999.")
    return low, high


def _workers(value: Any) -> int:
    workers = _whole(value)
    if not 0 <= workers <= _MOST_WORKERS:
        raise ValueError(f"Give 0 (one a core) to {_MOST_WORKERS} media threads.")
    return workers


def _log_level(value: Any) -> str:
    level = str(value).strip().lower()
    if level not in _LOG_LEVELS:
        raise ValueError(f"The levels are {', '.join(_LOG_LEVELS)}.")
    return level


def _host(value: Any) -> str:
    text = str(value).strip().strip("[]")
    if any(character.isspace() or character in "/@,;" for character in text):
        raise ValueError("Write one IP address or host name, or leave it empty.")
    return text


def _name(value: Any) -> str:
    text = str(value).strip().lower().rstrip(".")
    if not text or any(not (character.isalnum() or character in "-.") for character in text):
        raise ValueError("Write a domain name, such as office.example.")
    return text


def _yes_or_no(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "yes", "on", "1"):
        return True
    if text in ("false", "no", "off", "0"):
        return False
    raise ValueError("Write true or false.")


def _database(value: Any) -> PostgresLocation | None:
    return PostgresLocation.parse(str(value)) if value else None


def _whole(value: Any) -> int:
    if isinstance(value, bool | float):
        raise ValueError("Write a whole number.")
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"“{value}” is no number.") from None


def _check_ports(config: Config) -> None:
    """Ports that collide are found here, not at the first call."""
    if config.sip_port == config.tls_port:
        raise ConfigError(f"sip_port and tls_port are both {config.sip_port}: TCP and TLS need a port each.")
    if config.shared_tls_port in (config.sip_port, config.tls_port):
        raise ConfigError(
            f"shared_tls_port = {config.shared_tls_port} is in use as sip_port or tls_port. Choose another, or 0."
        )
    if config.http_port and config.http_port in (config.sip_port, config.tls_port, config.shared_tls_port):
        raise ConfigError(f"http_port = {config.http_port} is in use by SIP or TLS. Choose another, or 0.")
    low, high = config.media_ports
    if low <= config.sip_port <= high:
        raise ConfigError(f"sip_port = {config.sip_port} lies within media_ports = {low}-{high}. Move one of the two.")


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "listen": _addresses,
    "sip_port": _port,
    "tls_port": _port,
    "shared_tls_port": _port_or_none,
    "http_port": _port_or_none,
    "advertise": _host,
    "media_ports": _port_range,
    "workers": _workers,
    "log_level": _log_level,
    "domain": _name,
    "panel": _yes_or_no,
    "database": _database,
}
