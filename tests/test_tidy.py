"""What keeps the house in order and a person would overlook: checked over every tracked file."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 600

UNSAFE_ALLOWED = {
    "rust/codec/src/codec/ffi/gsm.rs",
    "rust/codec/src/codec/ffi/mod.rs",
    "rust/codec/src/codec/ffi/opus.rs",
    "rust/codec/src/codec/ffi/silk.rs",
    "rust/codec/src/codec/ffi/speex.rs",
    "rust/codec/src/codec/g722/lanes.rs",
    "rust/codec/src/vector.rs",
    "rust/media/src/sys.rs",
    "rust/media/src/sys/mod.rs",
    "rust/codec-process/src/sys.rs",
    "rust/codec/tests/g729/bcg729.rs",
    "rust/codec-process/tests/sandbox.rs",
}
"""The only Rust files of the product that may hold `unsafe`: calls of the operating system, of the CPU, of codecs in C."""

BROAD_EXCEPT_ALLOWED = {
    "python/sealtone/b2bua/exchange.py": 2,  # a fault in one call, and a fault in ending it, cost that call alone
    "python/sealtone/store/writer.py": 1,  # whatever an operation raises goes to whoever submitted it
}
"""Rims at which anything that is raised is turned into an answer, a counter or a log line; and how many each has."""

SCREENS = {"cli", "phone", "demo"}
"""Packages that write to the terminal of a person; the others have the log."""

EMPTY_NAMES = re.compile(r"(Manager|Helper|Helpers|Util|Utils|Processor|Wrapper|Impl)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\btodo!\(|\bunimplemented!\(")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|root|home)/[\w.-]")
REGISTRY_HOST = re.compile(
    r"(pypi|crates|npmjs|pythonhosted|maven|deb)\.[a-z.]*(python\.org|io|org|com|debian\.org)/|(?<!emit-)index-url|[a-z0-9-]+\.internal\b",
    re.IGNORECASE,
)
# Cargo writes where a crate comes from in its own canonical form, which names no mirror.
CARGO_SOURCE = 'source = "registry+https://github.com/rust-lang/crates.io-index"'


def tracked(*suffixes: str) -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in names.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes)]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_files() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            yield path, data.decode("utf-8", "replace")


def product_modules() -> list[Path]:
    return [path for path in tracked(".py") if name_of(path).startswith("python/sealtone/")]


def test_no_source_file_is_longer_than_a_person_reads_at_one_go() -> None:
    sources = [path for path in tracked(".py", ".rs", ".pyi", ".sh") if "vectors" not in path.parts]
    long = {name_of(path): count for path in sources if (count := len(path.read_text().splitlines())) > LONGEST_FILE}
    assert long == {}


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [name_of(path) for path, text in text_files() if MACHINE_PATH.search(text) and path != Path(__file__)]
    assert found == []


def test_no_file_names_a_package_registry_or_a_mirror() -> None:
    found = []
    for path, text in text_files():
        cleaned = text.replace(CARGO_SOURCE, "") if path.name == "Cargo.lock" else text
        if path != Path(__file__) and REGISTRY_HOST.search(cleaned):
            found.append(name_of(path))
    assert found == []


def test_lock_files_are_pinned_by_hash_and_name_no_source_but_the_canonical_one() -> None:
    for path in tracked(".lock"):
        packages = tomllib.loads(path.read_text())["package"]
        sources = {package["source"] for package in packages if "source" in package}
        assert sources <= {CARGO_SOURCE.split('"')[1]}, name_of(path)
        assert all("checksum" in package for package in packages if "source" in package), name_of(path)
    requirements = sorted((ROOT / "requirements").glob("*.txt"))
    assert requirements
    for path in requirements:
        for entry in path.read_text().replace("\\\n", " ").splitlines():
            if entry and not entry.startswith("#"):
                assert re.match(r"[\w.\[\]-]+==\S+( ;.*?)? +--hash=sha256:[0-9a-f]{64}", entry), (
                    f"{path.name}: {entry[:60]}"
                )
                assert "://" not in entry, f"{path.name}: {entry[:60]}"


def test_packages_of_the_browser_are_pinned_by_hash_and_name_no_source() -> None:
    packages = json.loads((ROOT / "frontend/package-lock.json").read_text())["packages"]
    assert len(packages) > 2
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name


def test_what_the_package_needs_is_what_is_pinned_for_running_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [line for line in (ROOT / "requirements/run.in").read_text().splitlines() if not line.startswith("#")]
    assert sorted(wanted) == sorted([*project["dependencies"], "maturin>=1.7,<2"])


def test_unsafe_stands_only_in_the_listed_rust_files() -> None:
    found = set()
    for path in tracked(".rs"):
        if not name_of(path).startswith("rust/"):
            continue
        code = "\n".join(line.partition("//")[0] for line in path.read_text().splitlines())
        if re.search(r"\bunsafe\b(?!_)", code):
            found.add(name_of(path))
    assert found - UNSAFE_ALLOWED == set()


def test_every_module_says_what_it_is_for() -> None:
    missing = [name_of(path) for path in product_modules() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert missing == []


def test_class_names_say_something() -> None:
    found = []
    for path in [*product_modules(), *(path for path in tracked(".py") if "tests" in path.parts)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and EMPTY_NAMES.search(node.name):
                found.append(f"{name_of(path)}: {node.name}")
    assert found == []


def test_nothing_is_marked_as_unfinished() -> None:
    found = [
        name_of(path)
        for path, text in text_files()
        if path.suffix in (".py", ".rs") and path != Path(__file__) and UNFINISHED.search(text)
    ]
    assert found == []


def _broad_handlers(path: Path) -> int:
    count = 0
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
            reraises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            if (node.type is None or names & {"Exception", "BaseException"}) and not reraises:
                count += 1
    return count


def test_anything_is_caught_only_at_the_listed_rims() -> None:
    found = {name_of(path): count for path in product_modules() if (count := _broad_handlers(path))}
    assert found == BROAD_EXCEPT_ALLOWED


def test_nothing_evaluates_text_or_prints_past_the_log() -> None:
    found = []
    for path in product_modules():
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            is_screen = any(part in SCREENS for part in path.parts)
            if name in ("eval", "exec", "breakpoint") or (name == "print" and not is_screen):
                found.append(f"{name_of(path)}:{node.lineno} {name}")
    assert found == []


def test_each_package_of_the_product_has_tests_of_its_own() -> None:
    packages = {
        path.parent.name for path in product_modules() if path.name == "__init__.py" and "web" not in path.parts
    }
    packages -= {"sealtone", "versions", "migrations", "demo"}
    tested = {part for path in tracked(".py") if "tests" in path.parts for part in path.parts}
    assert packages - tested - {"b2bua", "applications", "server"} == set()
    assert {"calls", "web"} <= tested  # where these are tested, as whole calls and by area


def test_documents_and_build_files_name_the_same_oldest_python_and_rust() -> None:
    rust = re.search(r'^rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)
    python = re.search(r'^requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert rust
    assert python
    for path in (*tracked(".md", ".toml"), ROOT / "Makefile"):
        text = path.read_text()
        versions = re.findall(r"Rust (1\.\d+)", text) + re.findall(r'rust-version = "(1.*)"', text)
        assert set(versions) <= {rust[1]}, path
        assert set(re.findall(r"Python (3\.\d+) or newer", text)) <= {python[1]}, path


@pytest.mark.parametrize("text", ["/work/main/x", "x = '/root/.cargo'", "see /home/me/x"])
def test_the_check_for_machine_paths_finds_them(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["https://pypi.org/simple", "--index-url x", "mirror.corp.internal"])
def test_the_check_for_registries_finds_them(text: str) -> None:
    assert REGISTRY_HOST.search(text)
