"""Start-up settings: where they come from, and what is said of those that cannot be used."""

from pathlib import Path

import pytest

from sealtone.config import CONFIG_FILE, Config, ConfigError, configured_database, load_config
from sealtone.store import PostgresLocation


def test_there_are_at_most_thirteen_settings() -> None:
    assert len(Config._fields) <= 13


def test_without_any_settings_the_defaults_hold(tmp_path: Path) -> None:
    assert load_config({"data": str(tmp_path)}, {}) == Config(tmp_path)


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text(
        'sip_port = 1111\ntls_port = 2222\nlog_level = "debug"\nmedia_ports = "30000-30999"'
    )
    environment = {"SEALTONE_DATA": str(tmp_path), "SEALTONE_SIP_PORT": "3333", "SEALTONE_TLS_PORT": "4444"}
    config = load_config({"sip_port": 5555, "tls_port": None}, environment)
    assert config == Config(tmp_path, sip_port=5555, tls_port=4444, log_level="debug", media_ports=(30_000, 30_999))


def test_several_addresses_are_written_as_a_list_or_with_commas(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text('listen = ["127.0.0.1", "::1"]')
    assert load_config({"data": tmp_path}, {}).listen == ("127.0.0.1", "::1")
    assert load_config({"data": tmp_path, "listen": "10.0.0.1, [::1]"}, {}).listen == ("10.0.0.1", "::1")


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("sip_port", "http", "no number"),
        ("sip_port", "70000", "1 to 65535"),
        ("listen", "office", "no IP address"),
        ("listen", "", "no IP address"),
        ("media_ports", "20000", "no number"),
        ("media_ports", "20000-20001", "at least 16"),
        ("media_ports", "100-2000", "1024"),
        ("workers", "-1", "0 (one a core)"),
        ("log_level", "loud", "debug, info"),
        ("advertise", "a b", "one IP address"),
        ("domain", "a@b", "office.example"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_place_and_what_to_do(
    tmp_path: Path, name: str, value: str, advice: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"data": tmp_path}, {f"SEALTONE_{name.upper()}": value})
    for part in (name, repr(value), f"SEALTONE_{name.upper()}", advice):
        assert part in str(caught.value)


def test_an_unknown_setting_in_the_file_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("sipport = 5060")
    with pytest.raises(ConfigError, match=r"sipport, which is no setting\. The settings are: listen, sip_port"):
        load_config({"data": tmp_path}, {})


def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("sip_port = \n")
    with pytest.raises(ConfigError, match="line 1"):
        load_config({"data": tmp_path}, {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sip_port": 5061}, "both 5061"),
        ({"shared_tls_port": 5061}, "shared_tls_port"),
        ({"sip_port": 20_100}, "within media_ports"),
    ],
)
def test_ports_that_collide_are_found_before_the_start(tmp_path: Path, settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config({"data": tmp_path, **settings}, {})


def test_the_database_is_in_the_data_folder_or_where_a_url_says(tmp_path: Path) -> None:
    url = "postgresql://sealtone:p%40ss@127.0.0.1:5433/calls"
    place = PostgresLocation("127.0.0.1", 5433, "calls", "sealtone", "p@ss")
    assert load_config({"data": tmp_path}, {}).database is None
    assert load_config({"data": tmp_path}, {"SEALTONE_DATABASE": url}).database == place
    (tmp_path / CONFIG_FILE).write_text(f'database = "{url}"')
    assert load_config({"data": tmp_path}, {}).database == place
    assert configured_database(tmp_path, {}) == place
    assert load_config({"data": tmp_path}, {"SEALTONE_DATABASE": ""}).database is None
    assert configured_database(tmp_path, {"SEALTONE_DATABASE": ""}) is None


def test_a_socket_is_named_by_its_folder() -> None:
    place = PostgresLocation.parse("postgresql://sealtone@/calls?host=/run/postgresql")
    assert place == PostgresLocation("/run/postgresql", 5432, "calls", "sealtone")
    assert str(place) == "postgresql://sealtone@/calls?host=/run/postgresql"


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("127.0.0.1", ()),
        ("[::1]", ()),
        ("localhost", ()),
        ("db.example", (("sslmode", "verify-full"), ("sslrootcert", "system"))),
        ("192.0.2.7", (("sslmode", "verify-full"), ("sslrootcert", "system"))),
    ],
)
def test_a_connection_that_leaves_the_machine_is_encrypted_and_its_server_checked(
    host: str, options: tuple[tuple[str, str], ...]
) -> None:
    assert PostgresLocation.parse(f"postgresql://u:p@{host}/calls").options == options


def test_how_a_connection_is_protected_can_be_said() -> None:
    own = PostgresLocation.parse("postgresql://u:p@db.example/calls?sslmode=verify-ca&sslrootcert=/etc/ca.pem")
    assert own.options == (("sslmode", "verify-ca"), ("sslrootcert", "/etc/ca.pem"))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:s3cret@host/calls",
        "postgresql://u:s3cret@host",
        "postgresql://:s3cret@host/calls",
        "postgresql://u:s3cret@host:port/calls",
        "postgresql://u:s3cret@[host/calls",
        "postgresql://u:s3cret@host/calls?sslmod=disable",
        "u:s3cret@host/calls",
    ],
)
def test_a_database_that_cannot_be_read_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    for given, source in (({"SEALTONE_DATABASE": url}, "SEALTONE_DATABASE"), ({}, CONFIG_FILE)):
        (tmp_path / CONFIG_FILE).write_text("" if given else f'database = "{url}"')
        with pytest.raises(ConfigError, match=source) as caught:
            load_config({"data": tmp_path}, given)
        assert "database" in str(caught.value)
        assert "s3cret" not in str(caught.value)


def test_a_configuration_shows_no_password(tmp_path: Path) -> None:
    config = load_config({"data": tmp_path}, {"SEALTONE_DATABASE": "postgresql://u:s3cret@db.example/calls"})
    assert "s3cret" not in f"{config} {config!r} {config.database}"
    assert str(config.database) == "postgresql://u@db.example:5432/calls"
