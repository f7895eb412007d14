//! The filter behind the decoder: what is between the pitch's harmonics, and between the formants, is made softer
//! (ITU-T G.729 clauses 4.2 and A.4.2).

use super::filter::{analyse, convolve, correlate_lanes, fold_memory, widened};
use super::pitch::LONGEST;
use super::{Lpc, ORDER, SUBFRAME};
use crate::codec::linear_prediction::{LANES, dot, energy, settled};

/// How far formants are widened in the numerator and in the denominator of the short-term filter.
const NUMERATOR: f32 = 0.55;
const DENOMINATOR: f32 = 0.7;
/// How much of the long-term filter there is where all repeats.
const LONG_TERM: f32 = 0.5;
/// How much of the tilt that the short-term filter brings in is taken back.
const TILT: f32 = 0.8;
/// Samples of the short-term filter's impulse response that its tilt is measured by.
const TILT_SAMPLES: usize = 22;
/// How much of the gain stays from one sample to the next.
const GAIN_KEPT: f32 = 0.9;
/// Samples around the lag in which the one that repeats best is looked for.
const AROUND: usize = 3;

/// Residual samples that are kept.
const PAST: usize = LONGEST;

pub struct PostFilter {
    /// What the numerator made of the speech before.
    residual: [f32; PAST],
    /// The last sample before the tilt was taken back.
    untilted: f32,
    /// What came out before the gain.
    filtered: [f32; ORDER],
    gain: f32,
}

/// The denominator of the short-term filter.
pub fn denominator(lpc: &Lpc) -> Lpc {
    widened(lpc, DENOMINATOR)
}

impl PostFilter {
    pub fn new() -> Self {
        Self {
            residual: [0.0; PAST],
            untilted: 0.0,
            filtered: [0.0; ORDER],
            gain: 1.0,
        }
    }

    /// Filters the speech of a sub-frame, after the [`ORDER`] samples before, that `lpc` and `lag` (samples) made.
    /// `response` is that of 1 / [`denominator`].
    #[inline(always)]
    pub fn filter(
        &mut self,
        lpc: &Lpc,
        denominator: &Lpc,
        response: &[f32; SUBFRAME],
        speech: &[f32; ORDER + SUBFRAME],
        lag: usize,
    ) -> [f32; SUBFRAME] {
        let numerator = widened(lpc, NUMERATOR);
        let mut line = [0.0; PAST + SUBFRAME];
        line[..PAST].copy_from_slice(&self.residual);
        line[PAST..].copy_from_slice(&analyse(&numerator, speech));
        self.residual.copy_from_slice(&line[SUBFRAME..]);
        let harmonic = repeat(&line, lag);

        let tilt = tilt(&numerator, response);
        let mut fed = harmonic;
        fed[0] -= tilt * self.untilted;
        for n in 1..SUBFRAME {
            fed[n] -= tilt * harmonic[n - 1];
        }
        self.untilted = settled(harmonic[SUBFRAME - 1]);
        fold_memory(denominator, &self.filtered, &mut fed);
        let mut filtered = convolve(response, &fed);
        self.filtered = std::array::from_fn(|k| settled(filtered[SUBFRAME - ORDER + k]));

        self.control_gain(&speech[ORDER..], &mut filtered);
        filtered
    }

    /// Makes what was filtered as loud as what was not.
    #[inline(always)]
    fn control_gain(&mut self, speech: &[f32], filtered: &mut [f32; SUBFRAME]) {
        let heard = energy(filtered);
        if heard < f32::MIN_POSITIVE {
            self.gain = 0.0;
            return;
        }
        let wanted = (1.0 - GAIN_KEPT) * (energy(speech) / heard).sqrt();
        let mut gain = self.gain;
        for sample in filtered {
            gain = GAIN_KEPT * gain + wanted;
            *sample *= gain;
        }
        self.gain = settled(gain);
    }
}

/// The long-term filter: adds what came a lag before, where it is alike (clauses 4.2.1 and A.4.2.1).
#[inline(always)]
fn repeat(line: &[f32; PAST + SUBFRAME], lag: usize) -> [f32; SUBFRAME] {
    let present: &[f32] = &line[PAST..];
    let mut filtered = [0.0; SUBFRAME];
    filtered.copy_from_slice(present);
    // The longest lag comes first, and the eighth product is none of these.
    let longest = (lag + AROUND).min(LONGEST);
    let delayed = &line[PAST - longest..][..SUBFRAME + LANES - 1];
    let products = correlate_lanes(delayed, present);
    let mut best = (0, f32::NEG_INFINITY);
    for (earlier, &product) in products[..=2 * AROUND].iter().enumerate().rev() {
        if product > best.1 {
            best = (earlier, product);
        }
    }
    let (earlier, product) = (best.0, best.1.max(0.0));
    let delayed = &delayed[earlier..earlier + SUBFRAME];
    let energies = [energy(present), energy(delayed)];
    if product * product < 0.5 * energies[0] * energies[1] || energies[1] <= 0.0 {
        return filtered;
    }
    let gain = LONG_TERM * (product / energies[1]).min(1.0);
    for (sample, delayed) in filtered.iter_mut().zip(delayed) {
        *sample = (*sample + gain * delayed) / (1.0 + gain);
    }
    filtered
}

/// What the tilt of a short-term filter is taken back with (clause A.4.2.3).
#[inline(always)]
fn tilt(numerator: &Lpc, response: &[f32; SUBFRAME]) -> f32 {
    let mut padded = [0.0; ORDER + SUBFRAME];
    padded[ORDER..].copy_from_slice(response);
    let response = analyse(numerator, &padded);
    let product = dot(&response[..TILT_SAMPLES - 1], &response[1..TILT_SAMPLES]);
    TILT * (product / energy(&response[..TILT_SAMPLES])).max(0.0)
}
