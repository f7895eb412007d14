"""Compiles the packages that a call passes through to C with mypyc, into a copy of the package beside the original.

    python tools/compile.py DESTINATION

What comes out is a whole `sealtone` for PYTHONPATH, with the modules below as extension modules: half of what a call
costs in Python. Folders within the packages are left as they are: few calls pass through b2bua/applications, and no
packet. The sources are the same; they are tested interpreted, and those that decide over calls compiled too
(`make test`). Without it everything runs interpreted, so that nobody who edits ever runs anything older than the edit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path(__file__).resolve().parent.parent / "python" / "sealtone"
PACKAGES = ("b2bua", "model", "registrar", "routing", "sdp", "sip", "zrtp")
MODULES = (
    "net/udp",
    "server/authentication",
    "server/directory",
    "server/journal",
    "server/ladders",
    "server/media_plane",
    "server/message_relay",
    "server/node",
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


def build(place: Path) -> None:
    """Makes the copy at `place`, which is empty, and sees whether it can be imported."""
    built = [*SOURCE.glob("media/_engine*.so"), SOURCE / "media" / "sealtone-codecs", SOURCE / "sounds"]
    left_out = shutil.ignore_patterns("__pycache__", *[path.name for path in built])
    shutil.copytree(SOURCE, place / "sealtone", ignore=left_out)
    for path in built:  # those that are not there yet, too
        (place / "sealtone" / path.relative_to(SOURCE)).symlink_to(path)
    os.chdir(place)
    os.environ["MYPYPATH"] = "."
    files = modules()
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
        build(Path(work, "new"))
        if destination.exists():  # for no longer than a moment, as a server may be running from it
            destination.rename(Path(work, "old"))
        Path(work, "new").rename(destination)
    return 0


if __name__ == "__main__":
    sys.exit(main())
