"""Write every message into a folder, one file each, as seeds for a fuzzer: PYTHONPATH=tests python -m vectors FOLDER."""

import sys
from pathlib import Path

from vectors import vectors

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for file in ("rfc4475.txt", "rfc5118.txt"):
    for vector in vectors(file).values():
        (folder / vector.name).write_bytes(vector.octets)
