"""Our own music on hold: soft plucked chords, computed, so that it is the same each time and belongs to nobody else.

The loop is seamless because nothing is cut: a note that rings beyond the end rings on at the beginning.
"""

import math

import sound

_STEP_S = 0.4
_STEPS_A_CHORD = 8
_RINGS_S = 2.6
# As MIDI note numbers, low to high, within what a telephone carries (200 to 1,200 Hz).
_CHORDS = (
    (60, 64, 67, 71, 76),
    (57, 64, 67, 72, 76),
    (57, 65, 69, 72, 77),
    (55, 62, 67, 71, 74),
    (60, 64, 67, 72, 79),
    (59, 64, 67, 71, 76),
    (57, 62, 65, 69, 74),
    (55, 62, 65, 71, 74),
)
_PATTERN = (0, 2, 3, 1, 4, 3, 2, None)
"""Which note of the chord is plucked at each step."""
_FORCE = (1.0, 0.6, 0.7, 0.5, 0.8, 0.55, 0.6, 0.0)
_PARTIALS = ((1, 1.0, 0.9), (2, 0.22, 0.5), (3, 0.07, 0.3))
"""Of each tone: multiple of its pitch, loudness, seconds until it has fallen to 1/e."""


def loop() -> list[float]:
    """About 26 s."""
    length = sound.seconds(_STEP_S) * _STEPS_A_CHORD * len(_CHORDS)
    samples = [0.0] * length
    notes = {pitch: _note(pitch) for chord in _CHORDS for pitch in chord}
    for number, chord in enumerate(_CHORDS):
        for step, which in enumerate(_PATTERN):
            if which is not None:
                start = sound.seconds(_STEP_S) * (number * _STEPS_A_CHORD + step)
                for index, value in enumerate(notes[chord[which]], start):
                    samples[index % length] += value * _FORCE[step]
    return sound.at_level(samples, -27.0, -9.0)


def _note(pitch: int) -> list[float]:
    hz = 440.0 * 2 ** ((pitch - 69) / 12)
    count, attack = sound.seconds(_RINGS_S), sound.seconds(0.02)
    samples = []
    for index in range(count):
        at = index / sound.RATE
        value = sum(
            loudness * math.exp(-at / falls_s) * math.sin(2 * math.pi * hz * multiple * at)
            for multiple, loudness, falls_s in _PARTIALS
        )
        begin = 0.5 - 0.5 * math.cos(math.pi * index / attack) if index < attack else 1.0
        samples.append(value * begin * (1 - index / count) ** 2)
    return samples
