//! Taming: no excitation that a lost frame's error would be fed back in without end (ITU-T G.729 clause 3.9.2).

use super::SUBFRAME;
use super::frame::Lag;
use super::pitch::LONGEST;

/// Samples on each side that a repeated one is made from.
const REACH: usize = 10;
/// Zones of a sub-frame's length that the past is cut into.
const ZONES: usize = 4;
/// A greater error is not fed back whole.
const MOST_ERROR: f32 = 60_000.0;

/// The most that an excitation may be repeated with, if it has to be tamed, before its quantisation.
pub const MOST_GAIN: f32 = 0.95;
/// What quantisation may be aimed at then.
pub const MOST_AIM: f32 = 0.94;
/// And what may come out of it.
pub const MOST_QUANTISED: f32 = 0.999_9;

/// How great an error of the past excitation may have grown, by zones, the newest first.
pub struct Taming {
    errors: [f32; ZONES],
}

impl Taming {
    pub fn new() -> Self {
        Self {
            errors: [1.0; ZONES],
        }
    }

    /// Whether what lies a lag back, and would be repeated, may have grown so far in error.
    pub fn is_needed(&self, lag: Lag) -> bool {
        let whole = lag.whole + usize::from(lag.third > 0);
        let newest = zone(whole.saturating_sub(SUBFRAME + REACH));
        let oldest = zone(whole + REACH - 2);
        self.errors[newest..=oldest]
            .iter()
            .any(|&error| error > MOST_ERROR)
    }

    /// Goes on by a sub-frame that repeats nothing of weight.
    pub fn rest(&mut self) {
        self.errors.rotate_right(1);
        self.errors[0] = 1.0;
    }

    /// Follows the error through a sub-frame's repetition.
    pub fn follow(&mut self, gain: f32, lag: Lag) {
        let worst = match lag.whole.checked_sub(SUBFRAME) {
            None => {
                let once = 1.0 + gain * self.errors[0];
                once.max(1.0 + gain * once)
            }
            Some(newest) => self.errors[zone(newest)..=zone(lag.whole - 1)]
                .iter()
                .fold(0.0, |worst, error| f32::max(worst, 1.0 + gain * error)),
        };
        self.errors.rotate_right(1);
        self.errors[0] = worst;
    }
}

/// The zone of a sample so far back.
fn zone(samples: usize) -> usize {
    (samples.min(LONGEST + REACH) / SUBFRAME).min(ZONES - 1)
}
