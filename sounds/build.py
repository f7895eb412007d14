"""Makes the sounds of the server: `python sounds/build.py FOLDER`. Without espeak-ng and sox: tones and music only."""

import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import music
import sound
import speech
import tones
from sealtone.zrtp import words

_INSTALL = "Without {} the server speaks in tones. Install: sudo apt-get install {}, then: make build"


def main(folder: Path) -> int:
    """0 where all sounds were made, 1 where there is no voice."""
    missing = speech.missing()
    if missing:
        shutil.rmtree(folder, ignore_errors=True)
    for name, samples in tones.all_tones().items():
        sound.write(folder / f"{name}.wav", samples)
    sound.write(folder / "music.wav", music.loop())
    if missing:
        print(_INSTALL.format(" and ".join(missing), " ".join(missing)), file=sys.stderr)
        return 1
    made = {f"{name}.wav" for name in (*tones.all_tones(), "music")}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        made |= set(pool.map(_say, repeat(folder), speech.jobs((*words.EVEN, *words.ODD)), chunksize=8))
    for old in folder.rglob("*.wav"):
        if str(old.relative_to(folder)) not in made:
            old.unlink()
    return 0


def _say(folder: Path, job: speech.Job) -> str:
    name = f"{job.path}.wav"
    sound.write(folder / name, speech.said(job))
    return name


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
