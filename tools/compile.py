"""Compiles the packages that a call passes through to C with mypyc, into a copy of the package beside the original.

    python tools/compile.py DESTINATION

What comes out is a whole `sealtone` for PYTHONPATH, with the modules below as extension modules: half of what a call
costs in Python. Of folders within the packages only what every call passes is: few calls talk with an application. The
sources are the same; they are tested interpreted, and those that decide over calls compiled too (`make test`). Without
it everything runs interpreted, so that nobody who edits ever runs anything older than the edit.

The copy is made anew whenever any file of the package has changed; what is compiled is taken over from the copy before
where neither it nor anything that it imports has changed, so that an edit of a page costs a second and no minute.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "python" / "sealtone"
# What else decides over the outcome: this file, and the versions of the compiler and of what is compiled against.
TOOLS = (Path(__file__), ROOT / "requirements" / "compile.txt")
KEY = "compiled-from"
PACKAGES = ("b2bua", "model", "registrar", "routing", "sdp", "sip", "zrtp")
MODULES = (
    "b2bua/applications/music_on_hold",
    "b2bua/applications/open_notice",
    "b2bua/applications/playing",
    "media/engine",
    "net/moderation",
    "net/udp",
    "server/authentication",
    "server/dialog_admission",
    "server/directory",
    "server/event_feed",
    "server/journal",
    "server/ladders",
    "server/media_plane",
    "server/message_relay",
    "server/node",
    "server/node_events",
    "server/quick_reader",
    "server/reflection",
    "server/throttle",
)
# Named tuples of classes that import them: mypyc looks at the classes before they are made, and crashes.
INTERPRETED = ("sip/events",)


class ParallelBuild(build_ext):
    """Compiles the many C files of an extension on every core; setuptools would take one after the other."""

    def build_extension(self, ext: Extension) -> None:
        # Another compiler than the ones that mypyc is tried with warns of other things.
        options = [option for option in ext.extra_compile_args if option != "-Werror"]
        # Nobody outside calls these functions: among themselves they need no detour by the tables of the linker, which
        # are cold memory at nearly every call.
        options += ["-fvisibility=hidden", "-fno-plt"]

        def compiled(source: str) -> list[str]:
            return self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                include_dirs=ext.include_dirs,
                extra_postargs=options,
                depends=ext.depends,
            )

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            ext.extra_objects += [file for files in threads.map(compiled, ext.sources) for file in files]
        ext.sources = []
        super().build_extension(ext)


def modules() -> list[str]:
    """Paths of what is compiled, as seen from within the copy."""
    found = [
        path.relative_to(SOURCE).with_suffix("") for package in PACKAGES for path in SOURCE.glob(f"{package}/*.py")
    ]
    names = {str(path) for path in found if path.name != "__init__"} | set(MODULES)
    return sorted(f"sealtone/{name}.py" for name in names.difference(INTERPRETED))


def imported(file: Path) -> Iterator[Path]:
    """The files of the package that a file of it imports, with the packages around them."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == SOURCE.name:
                for length in range(len(parts)):
                    module = SOURCE.joinpath(*parts[1 : 1 + length])
                    places = (module / "__init__.py", module.with_suffix(".pyi"), module.with_suffix(".py"))
                    yield from (place for place in places if place.is_file())


def key(files: list[str]) -> str:
    """Changes whenever what comes out of compiling might: types and constants of what is imported are compiled in."""
    wanted = [SOURCE.parent / file for file in files]
    seen = set(wanted)
    while wanted:
        found = set(imported(wanted.pop())) - seen
        seen |= found
        wanted += found
    digest = hashlib.sha256(sys.version.encode())
    for path in (*TOOLS, *sorted(seen)):
        digest.update(f"\n{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def take_over(before: Path, place: Path) -> None:
    """Puts the extension modules of the copy before into the new one."""
    for path in before.rglob("*.so"):
        if not path.is_symlink():
            os.link(path, place / path.relative_to(before))


def build(place: Path, before: Path) -> None:
    """Makes the copy at `place`, which is empty; `before` is the last one, where there is one."""
    built = [*SOURCE.glob("media/_engine*.so"), SOURCE / "media" / "sealtone-codecs", SOURCE / "sounds"]
    left_out = shutil.ignore_patterns("__pycache__", *[path.name for path in built])
    shutil.copytree(SOURCE, place / "sealtone", ignore=left_out)
    for path in built:  # those that are not there yet, too
        (place / "sealtone" / path.relative_to(SOURCE)).symlink_to(path)
    files = modules()
    made_from = key(files)
    if (before / KEY).is_file() and (before / KEY).read_text() == made_from:
        take_over(before, place)
    else:
        compile_in(place, files)
    (place / KEY).write_text(made_from)


def compile_in(place: Path, files: list[str]) -> None:
    """Compiles modules of the copy, and sees whether they can be imported."""
    os.chdir(place)
    os.environ["MYPYPATH"] = "."
    extensions = mypycify(
        ["--ignore-missing-imports", "--explicit-package-bases", *files],
        opt_level="2",
        debug_level="0",
        multi_file=True,
    )
    setup(
        name="sealtone",
        ext_modules=extensions,
        script_args=["--quiet", "build_ext", "--inplace"],
        cmdclass={"build_ext": ParallelBuild},
    )
    shutil.rmtree("build")
    names = ",".join(file.removesuffix(".py").replace("/", ".") for file in files)
    # Another process: a fault of the compiler may end it, and must end nothing else.
    importing = [sys.executable, "-c", f"import {names}"]
    if subprocess.run(importing, check=False, env={**os.environ, "PYTHONPATH": "."}).returncode != 0:
        sys.exit("what was compiled cannot be imported")


def main() -> int:
    destination = Path(sys.argv[1]).resolve()
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        sys.exit("Python's header files are missing (Debian: python3-dev)")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="compiled-", dir=destination.parent) as work:
        build(Path(work, "new"), destination)
        if destination.exists():  # for no longer than a moment, as a server may be running from it
            destination.rename(Path(work, "old"))
        Path(work, "new").rename(destination)
    return 0


if __name__ == "__main__":
    sys.exit(main())
