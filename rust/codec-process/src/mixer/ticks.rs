//! When the clocks of all legs tick next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sealtone_codec_protocol::LegId;

/// The period over which clocks are spread, ms.
const SPREAD_MS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Mouth,
    Ear,
}

/// When a clock ticks next: time, leg, which of its clocks, and which generation of it.
pub(super) type Tick = (u64, LegId, Kind, u32);

/// The next tick of each clock. One that was given up since leaves with its next tick.
#[derive(Default)]
pub(super) struct Ticks {
    waiting: BinaryHeap<Reverse<Tick>>,
    /// How many of them are in each millisecond of [`SPREAD_MS`].
    at: [usize; SPREAD_MS],
}

impl Ticks {
    pub(super) fn push(&mut self, tick: Tick) {
        self.at[millisecond(tick.0)] += 1;
        self.waiting.push(Reverse(tick));
    }

    /// The time of the first.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse((due, ..))| *due)
    }

    /// Takes the first, if it is due by `now`.
    pub(super) fn take(&mut self, now: u64) -> Option<Tick> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(tick) = self.waiting.pop()?;
        self.at[millisecond(tick.0)] -= 1;
        Some(tick)
    }

    /// Begins a clock, in the next millisecond of those in which the fewest tick.
    pub(super) fn begin(&mut self, now: u64, leg: LegId, kind: Kind, clock: u32) {
        let next = now / 1_000 + 1;
        let first = (next..next + SPREAD_MS as u64)
            .map(|first| first * 1_000)
            .min_by_key(|&first| self.at[millisecond(first)]);
        self.push((first.unwrap_or(now), leg, kind, clock));
    }
}

fn millisecond(due: u64) -> usize {
    (due / 1_000) as usize % SPREAD_MS
}
