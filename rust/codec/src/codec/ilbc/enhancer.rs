//! The enhancer: makes voiced speech more periodic, by no more than a twentieth of its energy (RFC 3951 section 4.6).

use std::f32::consts::PI;

use super::filter::correlate;
use super::{Mode, SUBBLOCK};
use crate::codec::linear_prediction::{dot, energy};

/// Samples enhanced at a time.
const BLOCK: usize = 80;
const BLOCKS: usize = 8;
const BUFFER: usize = BLOCKS * BLOCK;
/// Pitch-synchronous blocks on each side of the one enhanced.
const SIDE: usize = 3;
/// Samples by which a block may lie off the place that the pitch foretells.
const SLOP: usize = 2;
/// Fractions of a sample.
const FRACTIONS: usize = 4;
/// Interpolates between samples: by fractions, each around the fourth tap.
static INTERPOLATION: [[f32; 7]; FRACTIONS] = [
    [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
    [
        0.015625, -0.076904, 0.28833, 0.862061, -0.106445, 0.018799, -0.015625,
    ],
    [
        0.023682, -0.124268, 0.601563, 0.601563, -0.124268, 0.023682, -0.023682,
    ],
    [
        0.018799, -0.106445, 0.862061, 0.28833, -0.076904, 0.015625, -0.018799,
    ],
];
const TAPS_ASIDE: usize = 3;
/// The low-pass before every second sample is taken.
static DECIMATION: [f32; 7] = [-0.06665, 0.125, 0.31665, 0.414063, 0.31665, 0.125, -0.06665];
/// Lags of the pitch's search, at half the rate; also the samples before a block that it looks at.
const LONGEST_LAG: usize = 60;
const SHORTEST_LAG: usize = 10;
/// The share of its energy by which a block may change.
const MOST_CHANGE: f32 = 0.05;

/// The enhancer of one stream.
pub struct Enhancer {
    /// The residual as decoded, the newest last.
    buffer: [f32; BUFFER],
    /// The pitch of each of its blocks, samples.
    periods: [f32; BLOCKS],
}

impl Enhancer {
    pub fn new() -> Self {
        Self {
            buffer: [0.0; BUFFER],
            periods: [40.0; BLOCKS],
        }
    }

    /// Samples by which what it puts out is late.
    pub fn delay(mode: Mode) -> usize {
        match mode {
            Mode::Ms20 => SUBBLOCK,
            Mode::Ms30 => 2 * SUBBLOCK,
        }
    }

    /// Enhances one frame's residual into `enhanced`, and returns the pitch of its last block.
    ///
    /// `after_loss`: the frame before was concealed; its end, not yet put out, is then faded into this one's beginning.
    pub fn enhance(
        &mut self,
        mode: Mode,
        residual: &[f32],
        after_loss: bool,
        enhanced: &mut [f32],
    ) -> usize {
        let samples = mode.samples();
        self.buffer.copy_within(samples.., 0);
        self.buffer[BUFFER - samples..].copy_from_slice(residual);
        let new_blocks = samples / BLOCK;
        self.periods.copy_within(new_blocks.., 0);
        let lag = self.find_periods(new_blocks);
        if after_loss {
            self.join(mode, residual);
        }
        let first = BUFFER - samples - Self::delay(mode);
        for (block, out) in enhanced.chunks_exact_mut(BLOCK).enumerate() {
            self.enhance_block(first + block * BLOCK, out);
        }
        lag
    }

    /// Finds the pitch of the newest blocks, at half the rate. Returns the last one's.
    fn find_periods(&mut self, new_blocks: usize) -> usize {
        let (half, lags) = (BLOCK / 2, LONGEST_LAG);
        let mut slow = [0.0; LONGEST_LAG + BLOCKS * BLOCK / 2];
        let slow = &mut slow[..lags + new_blocks * half];
        let begin = BUFFER - 2 * slow.len();
        for (sample, newest) in slow.iter_mut().zip((begin + 3..).step_by(2)) {
            *sample = (newest - 6..=newest)
                .rev()
                .zip(&DECIMATION)
                .map(|(index, weight)| weight * self.buffer.get(index).copied().unwrap_or(0.0))
                .sum();
        }
        let mut period = 0;
        for block in 0..new_blocks {
            let at = lags + block * half;
            period = 2 * pitch(&slow[at - lags..at + half], half);
            self.periods[BLOCKS - new_blocks + block] = period as f32;
        }
        period
    }

    /// Mixes the end of a concealed frame, going forwards, with what the frame after it says, going backwards.
    fn join(&mut self, mode: Mode, residual: &[f32]) {
        let length = Self::delay(mode);
        let newest = BUFFER - mode.samples();
        let block = newest / BLOCK;
        let period = self.periods[block] as usize;
        let mut best = (f32::NEG_INFINITY, period);
        for lag in period - 1..=period + 1 {
            let likeness = likeness(&residual[..length], &residual[lag..lag + length]);
            if likeness > best.0 {
                best = (likeness, lag);
            }
        }
        let lag = best.1;
        self.periods[block - 1] = lag as f32;

        // The new frame's first cycle, and before it the last samples before the frame.
        let mut backwards = [0.0; BLOCK];
        let backwards = &mut backwards[..length];
        let cycle = lag.min(length);
        backwards[length - cycle..].copy_from_slice(&residual[lag - cycle..lag]);
        let earlier = length - cycle;
        backwards[..earlier].copy_from_slice(&self.buffer[newest - earlier..newest]);

        let concealed = &mut self.buffer[newest - length..newest];
        let (loud, limit) = (energy(backwards).sqrt(), 2.0 * energy(concealed).sqrt());
        if loud > limit {
            let share = limit / loud;
            for (at, sample) in backwards.iter_mut().enumerate() {
                let near = (at + 10).saturating_sub(length) as f32 / 10.0;
                *sample *= near * (1.0 - share) + share;
            }
        }
        for (at, (sample, back)) in concealed.iter_mut().zip(backwards.iter()).enumerate() {
            let share = (length - at) as f32 / (length + 1) as f32;
            *sample = share * *sample + (1.0 - share) * back;
        }
    }

    fn enhance_block(&self, center: usize, out: &mut [f32]) {
        let current = &self.buffer[center..center + BLOCK];
        let mut others = [0.0; BLOCK];
        self.add_neighbours(center, &mut others);
        smooth(current, &others, out);
    }

    /// Adds the pitch-synchronous blocks before and after the one at `center`, weighted by how near they are.
    fn add_neighbours(&self, center: usize, sum: &mut [f32; BLOCK]) {
        let middles: [f32; BLOCKS] =
            std::array::from_fn(|block| (block * BLOCK + BLOCK / 2) as f32);
        let half = (BLOCK / 2) as f32;
        let center_period = nearest(&middles, center as f32 + half - 0.5);

        let (mut place, mut period) = (center as f32, self.periods[center_period]);
        for distance in 1..=SIDE {
            place -= period;
            let next = self.periods[nearest(&middles, place + half - period)];
            if place < SLOP as f32 {
                break;
            }
            place = self.add_block(center, place, weight(distance), sum);
            period = next;
        }

        let starts: [f32; BLOCKS] =
            std::array::from_fn(|block| middles[block] - self.periods[block]);
        let mut place = center as f32;
        for distance in 1..=SIDE {
            place += self.periods[nearest(&starts, place + half)];
            if place + (BLOCK + SLOP) as f32 >= BUFFER as f32 {
                break;
            }
            place = self.add_block(center, place, weight(distance), sum);
        }
    }

    /// Adds the block near `place` that is most like the one at `center`, found to a fraction of a sample. Returns where
    /// it begins.
    fn add_block(&self, center: usize, place: f32, weight: f32, sum: &mut [f32; BLOCK]) -> f32 {
        let expected = (place - 0.5) as usize;
        let first = expected.saturating_sub(SLOP);
        let last = (expected + SLOP).min(BUFFER - BLOCK - 1);
        let mut products = [0.0; 2 * SLOP + 1];
        let products = &mut products[..=last - first];
        let signal = &self.buffer[first..last + BLOCK];
        correlate(signal, &self.buffer[center..center + BLOCK], products);

        let mut best = (f32::NEG_INFINITY, 0);
        for fractional in 0..products.len() * FRACTIONS {
            let (whole, taps) = (
                fractional / FRACTIONS,
                &INTERPOLATION[fractional % FRACTIONS],
            );
            // The five taps in the middle: there are no more products than those around the middle one.
            let product = (1..=2 * SLOP + 1)
                .filter_map(|tap| {
                    let index = (whole + TAPS_ASIDE).checked_sub(tap)?;
                    Some(taps[tap] * products.get(index)?)
                })
                .sum();
            if product > best.0 {
                best = (product, fractional);
            }
        }
        let begin = first + best.1.div_ceil(FRACTIONS);
        let taps = &INTERPOLATION[begin * FRACTIONS - first * FRACTIONS - best.1];
        let mut around = [0.0; BLOCK + 2 * TAPS_ASIDE];
        let missing = TAPS_ASIDE.saturating_sub(begin);
        let signal = &self.buffer[(begin + missing - TAPS_ASIDE).min(BUFFER)..];
        for (place, sample) in around[missing..].iter_mut().zip(signal) {
            *place = *sample;
        }
        for (delay, tap) in taps.iter().enumerate() {
            for (sample, shifted) in sum.iter_mut().zip(&around[delay..]) {
                *sample += weight * tap * shifted;
            }
        }
        first as f32 + best.1 as f32 / FRACTIONS as f32 + 1.0
    }
}

/// The weight of the block so many periods away.
fn weight(distance: usize) -> f32 {
    0.5 * (1.0 + (PI * distance as f32 / (SIDE + 1) as f32).cos())
}

/// The lag at which the last `length` samples are most like those before.
fn pitch(signal: &[f32], length: usize) -> usize {
    let block = &signal[signal.len() - length..];
    let mut best = (f32::NEG_INFINITY, 0);
    for lag in SHORTEST_LAG..LONGEST_LAG {
        let begin = signal.len() - length - lag;
        let likeness = likeness(block, &signal[begin..begin + length]);
        if likeness > best.0 {
            best = (likeness, lag);
        }
    }
    best.1
}

/// The energy of a block that another explains; 0 if they are opposed.
fn likeness(block: &[f32], other: &[f32]) -> f32 {
    let product = dot(block, other);
    if product > 0.0 {
        product * product / energy(other)
    } else {
        0.0
    }
}

/// The index of the nearest value, the first of equals.
fn nearest(values: &[f32; BLOCKS], value: f32) -> usize {
    let mut best = (f32::INFINITY, 0);
    for (index, it) in values.iter().enumerate() {
        let distance = (it - value).abs();
        if distance < best.0 {
            best = (distance, index);
        }
    }
    best.1
}

/// Puts out the `others` in place of the block, as loud as it, or a mixture of both within the limit of change
/// (sections 4.6.4 and 4.6.5).
fn smooth(current: &[f32], others: &[f32], out: &mut [f32]) {
    let (own, other) = (energy(current), energy(others).max(1.0));
    let common = dot(current, others);
    let scale = (own / other).sqrt();
    let mut change = 0.0;
    for ((out, &other), &current) in out.iter_mut().zip(others).zip(current) {
        *out = scale * other;
        change += (current - *out) * (current - *out);
    }
    if change <= MOST_CHANGE * own {
        return;
    }
    let own = own.max(1.0);
    let apart = (other * own - common * common) / (own * own);
    let (of_others, of_current) = if apart > 0.0001 {
        let of_others = ((MOST_CHANGE - MOST_CHANGE * MOST_CHANGE / 4.0) / apart).sqrt();
        (
            of_others,
            1.0 - MOST_CHANGE / 2.0 - of_others * common / own,
        )
    } else {
        (0.0, 1.0)
    };
    for ((out, &other), &current) in out.iter_mut().zip(others).zip(current) {
        *out = of_others * other + of_current * current;
    }
}
