//! What a worker does for its legs from time to time: their latches, statistics and reports.

use super::{TEND_PERIOD, Worker};
use crate::forward::leg_at;
use crate::leg::{Leg, Mouth, Target};

/// Times a leg looks for a remote that has moved in a tending round.
const LOOKS: usize = 4;
/// Parts a tending round is cut into, so that many legs make no pause; a multiple of [`LOOKS`].
const TEND_PARTS: usize = 12;
/// So few legs are tended in fewer parts, which saves wake-ups in quiet.
const FEW_LEGS: usize = 64;

impl Worker {
    /// Tends a part of the legs; all of them have their turn once in [`TEND_PERIOD`], and look around [`LOOKS`] times.
    pub(super) fn tend(&mut self) {
        let parts = if self.legs.len() > FEW_LEGS {
            TEND_PARTS
        } else {
            LOOKS
        };
        self.next_tend = self.now + TEND_PERIOD / parts as u64;
        self.tend_part = (self.tend_part + 1) % parts;
        let (from, to) = (
            self.legs.len() * self.tend_part / parts,
            self.legs.len() * (self.tend_part + 1) / parts,
        );
        let stride = parts / LOOKS;
        let looking = self.legs.iter_mut().skip(self.tend_part % stride);
        for leg in looking.step_by(stride).flatten() {
            leg.look_around(self.now);
        }
        for slot in from..to {
            let Some(leg) = &mut self.legs[slot] else {
                continue;
            };
            self.serving = Some(slot as u32);
            if leg.tend(self.now, &self.events) {
                self.report(slot);
                self.tell_loss(slot as u32);
            }
        }
        self.serving = None;
    }

    /// Sends a leg's RTCP report, with the clock of the leg whose stream it hears.
    fn report(&mut self, slot: usize) {
        let source = match self.legs[slot].as_ref().map(|leg| leg.target) {
            // What the codec process makes has a clock of its own.
            _ if self.legs[slot]
                .as_ref()
                .is_some_and(|leg| leg.mouth == Mouth::Codecs) =>
            {
                None
            }
            Some(Target::Leg(other)) => {
                leg_at(&mut self.legs, other).and_then(|leg| leg.source_clock())
            }
            Some(Target::Echo) => self.legs[slot].as_ref().and_then(Leg::source_clock),
            _ => None,
        };
        if let Some(leg) = &mut self.legs[slot] {
            leg.report(source, self.now);
        }
    }
}
