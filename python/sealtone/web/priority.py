"""How the panel's process shares a core with SIP and media: less of it, and interrupted as soon as they have work.

A lower priority alone (nice) decides over shares, not over who waits: since Linux 6.6 (EEVDF) a process that wakes up
waits for the end of the running one's slice, some milliseconds. It does not where its own slice is the shorter one
(Linux 6.12), so that the panel asks for the longest there is. SCHED_IDLE would do the same, but leaves a panel next to
nothing of a machine that is busy. Earlier kernels interrupt by priority, and take no notice of the slice.
"""

from __future__ import annotations

import ctypes
import os
import platform

_NICE = 10
_SLICE_NS = 100_000_000
# sched_setattr(2) is in no C library before glibc 2.41: its number, by machine.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}


class _SchedAttr(ctypes.Structure):
    """``struct sched_attr`` in its first version (sched_setattr(2)); times in ns."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("sched_policy", ctypes.c_uint32),
        ("sched_flags", ctypes.c_uint64),
        ("sched_nice", ctypes.c_int32),
        ("sched_priority", ctypes.c_uint32),
        ("sched_runtime", ctypes.c_uint64),
        ("sched_deadline", ctypes.c_uint64),
        ("sched_period", ctypes.c_uint64),
    )


def give_way() -> None:
    """For the calling thread and those that it starts. Where the kernel does not know slices, by priority alone."""
    nice = os.nice(_NICE)
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None:
        return
    wanted = _SchedAttr(
        size=ctypes.sizeof(_SchedAttr), sched_policy=os.SCHED_OTHER, sched_nice=nice, sched_runtime=_SLICE_NS
    )
    # What it answers changes nothing: a container may forbid it.
    ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, ctypes.byref(wanted), 0)
