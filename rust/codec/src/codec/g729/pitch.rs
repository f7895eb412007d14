//! The pitch: how far back the excitation repeats (ITU-T G.729 clauses 3.7 and A.3.4, A.3.7).

use super::filter::{correlate, correlate_lanes};
use super::frame::{LAST_IN_THIRDS, Lag};
use super::{FRAME, SUBFRAME};
use crate::codec::linear_prediction::{LANES, dot, energy};

/// The longest lag, samples.
pub const LONGEST: usize = 143;
/// The shortest whole lag that an encoder looks for.
const SHORTEST: usize = 20;
/// Samples of excitation that are kept: a third beyond the longest lag is made from ten samples on each side.
pub const PAST: usize = LONGEST + 11;

/// Samples of weighted speech before a frame; an even number.
const WEIGHTED_PAST: usize = LONGEST + 1;

/// A low-pass at 3.6 kHz, at thirds of a sample, times 2^15; its other half mirrors it (b30 of clause 3.7.1).
const LOW_PASS: [i16; 31] = [
    29443, 25207, 14701, 3143, -4402, -5850, -2783, 1211, 3130, 2259, 0, -1652, -1666, -464, 756,
    1099, 550, -245, -634, -451, 0, 308, 296, 78, -120, -165, -79, 34, 91, 70, 0,
];
/// Samples that one of the past excitation is interpolated from.
const TAPS: usize = 20;
/// By thirds before the sample after the first ten, what each weighs.
static PHASES: [[f32; TAPS]; 3] = {
    let mut phases = [[0.0; TAPS]; 3];
    let mut at = 0;
    while at < 3 * TAPS {
        let (phase, tap) = (at / TAPS, at % TAPS);
        // The first ten lie before, the last ten after.
        let distance = if tap < TAPS / 2 {
            phase + 3 * (TAPS / 2 - 1 - tap)
        } else {
            3 * (tap - TAPS / 2 + 1) - phase
        };
        phases[phase][tap] = LOW_PASS[distance] as f32 / 32_768.0;
        at += 1;
    }
    phases
};

/// The open-loop lag of a frame, out of every other sample of its weighted speech (clause A.3.4).
pub struct OpenLoop {
    /// The even and the odd samples, [`WEIGHTED_PAST`] of them before the frame.
    halves: [[f32; HALF_PAST + HALF_FRAME]; 2],
}

const HALF_PAST: usize = WEIGHTED_PAST / 2;
const HALF_FRAME: usize = FRAME / 2;

impl OpenLoop {
    pub fn new() -> Self {
        Self {
            halves: [[0.0; HALF_PAST + HALF_FRAME]; 2],
        }
    }

    /// Takes in a frame's weighted speech.
    #[inline(always)]
    pub fn push(&mut self, weighted: &[f32; FRAME]) {
        let (pairs, _) = weighted.as_chunks::<2>();
        for (which, half) in self.halves.iter_mut().enumerate() {
            half.copy_within(HALF_FRAME.., 0);
            for (sample, pair) in half[HALF_PAST..].iter_mut().zip(pairs) {
                *sample = pair[which];
            }
        }
    }

    /// The even samples of the frame, `lag` samples before.
    #[inline(always)]
    fn delayed(&self, lag: usize) -> &[f32] {
        let begin = HALF_PAST - lag.div_ceil(2);
        &self.halves[lag % 2][begin..begin + HALF_FRAME]
    }

    /// The lag, samples: of three ranges' best ones the shortest that will do.
    #[inline(always)]
    pub fn lag(&self) -> usize {
        // A lag two samples longer is a window that begins one sample earlier, in the half of its parity.
        let (mut even, mut odd) = ([0.0; 64], [0.0; 32]);
        let longest = [LONGEST - 1, 79];
        let windows = [0, 1]
            .map(|which: usize| &self.halves[which][HALF_PAST - longest[which].div_ceil(2)..]);
        correlate(windows[0], self.delayed(0), &mut even);
        correlate(windows[1], self.delayed(0), &mut odd);
        let correlation = |lag: usize| {
            let which = lag % 2;
            let products: &[f32] = if which == 0 { &even } else { &odd };
            products[(longest[which] - lag) / 2]
        };
        let best_of = |lags: std::iter::StepBy<std::ops::Range<usize>>| {
            lags.map(|lag| (lag, correlation(lag)))
                .reduce(|best, other| if other.1 > best.1 { other } else { best })
                .unwrap_or((SHORTEST, 0.0))
        };
        let mut best = [
            best_of((SHORTEST..40).step_by(1)),
            best_of((40..80).step_by(1)),
            best_of((80..LONGEST).step_by(2)),
        ];
        let middle = best[2].0;
        for lag in [(middle - 1).max(80), middle + 1] {
            let correlation = dot(self.delayed(0), self.delayed(lag));
            if correlation > best[2].1 {
                best[2] = (lag, correlation);
            }
        }

        let lags = best.map(|(lag, _)| lag);
        let [mut short, mut middle, long] =
            best.map(|(lag, correlation)| correlation / energy(self.delayed(lag)).max(1.0).sqrt());
        for (times, within) in [(2, 5), (3, 7)] {
            if (times * lags[1]).abs_diff(lags[2]) < within {
                middle += 0.25 * long;
            }
        }
        for (times, within) in [(2, 5), (3, 7)] {
            if (times * lags[0]).abs_diff(lags[1]) < within {
                short += 0.2 * middle;
            }
        }
        if short >= middle && short >= long {
            lags[0]
        } else if middle >= long {
            lags[1]
        } else {
            lags[2]
        }
    }
}

/// The whole lags that a first sub-frame's search goes through, around the open-loop one: the first of them, and how
/// many (clause A.3.7).
#[inline(always)]
pub fn around(open_loop: usize) -> (usize, usize) {
    (open_loop.saturating_sub(3).clamp(SHORTEST, LONGEST - 6), 7)
}

/// The lag whose excitation, filtered, is most like the target, and that excitation (equation A.7).
///
/// `target` is filtered backwards; `excitation` holds [`PAST`] samples before the sub-frame, and stands for what is not
/// known yet with the residual. Lags come in `count` from `first` on; in thirds up to `last_in_thirds`.
#[inline(always)]
pub fn search(
    target: &[f32; SUBFRAME],
    excitation: &[f32; PAST + SUBFRAME],
    (first, count): (usize, usize),
    last_in_thirds: usize,
) -> (Lag, [f32; SUBFRAME]) {
    // The longest lag is the first window. There are 16 of them, all in the excitation and at most 10 of use.
    let begin = PAST - (first + count - 1);
    let mut products = [0.0; 2 * LANES];
    correlate(&excitation[begin..], target, &mut products);
    let mut best = (first, f32::NEG_INFINITY);
    for (lag, &product) in (first..).zip(products[..count].iter().rev()) {
        if product > best.1 {
            best = (lag, product);
        }
    }
    let whole = best.0;

    let repeated = |third| {
        let lag = Lag { whole, third };
        let vector = repeat(excitation, lag);
        (lag, vector, dot(target, &vector))
    };
    let mut best = repeated(0);
    if whole < last_in_thirds {
        for third in [-1, 1] {
            let other = repeated(third);
            if other.2 > best.2 {
                best = other;
            }
        }
    }
    (best.0, best.1)
}

/// Up to this lag, thirds are looked for in a first sub-frame.
pub const THIRDS_UP_TO: usize = LAST_IN_THIRDS;

/// The excitation repeated after a lag (equation 40). Where it is shorter than a sub-frame, what was just repeated is
/// repeated again.
#[inline(always)]
pub fn repeat(excitation: &[f32; PAST + SUBFRAME], lag: Lag) -> [f32; SUBFRAME] {
    let (whole, phase) = match lag.third {
        0 => (lag.whole, 0),
        -1 => (lag.whole, 1),
        _ => (lag.whole + 1, 2),
    };
    let taps = &PHASES[phase];
    let mut line = *excitation;
    // The first of the taps; the last is short of the eight samples that are made at once, at the shortest lag.
    let begin = PAST - whole - (TAPS / 2 - 1);
    for at in (0..SUBFRAME).step_by(LANES) {
        let window = &line[begin + at..begin + at + TAPS + LANES - 1];
        let made = correlate_lanes(window, taps);
        line[PAST + at..PAST + at + LANES].copy_from_slice(&made);
    }
    let mut vector = [0.0; SUBFRAME];
    vector.copy_from_slice(&line[PAST..]);
    vector
}
