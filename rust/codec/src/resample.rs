//! Changing the sample rate of sound, by a polyphase filter.
//!
//! Between the rates of telephony (8, 12, 16, 24, 32 and 48 kHz) the ratio is always of two small whole numbers, so that
//! one filter, cut into its phases once for each pair of rates, gives every output sample by one scalar product. Blocks
//! may have any length and nothing is rounded over time: `n` samples in make exactly `n * to / from` samples out, on
//! average. The filter has linear phase and delays by less than 4 ms where one of the rates is 8 kHz, and by less
//! above. (The crate `rubato` wants blocks of a fixed length, and delays by one of them.)

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use crate::vector::{Polyphase, STRIDE};

/// Where the passband ends, as a part of half the lower rate: 3,440 Hz of 4,000.
const PASS: f64 = 0.86;
/// How far down everything is from half the lower rate on, dB.
const STOP_DB: f64 = 72.0;

/// Taps are fractions of 2^15: vectors of 16-bit products cost less than half of what those of floats do, and what the
/// taps are rounded by stays below the filter's own stopband.
const POINT: u32 = 15;

/// By the two rates.
type Filters = HashMap<(u32, u32), Arc<Polyphase>>;

static FILTERS: LazyLock<Mutex<Filters>> = LazyLock::new(Mutex::default);

/// One stream's change of rate.
pub struct Resampler {
    /// None where the rates are the same.
    phases: Option<Arc<Polyphase>>,
    /// The last `length - 1` samples that went in, and the block at hand.
    line: Vec<i16>,
    /// The phase of the next output sample, counted from the first sample of `line`.
    next: usize,
}

impl Resampler {
    /// From one rate to another, both in Hz.
    #[must_use]
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        if from_hz == to_hz || from_hz == 0 || to_hz == 0 {
            return Self {
                phases: None,
                line: Vec::new(),
                next: 0,
            };
        }
        let mut filters = FILTERS
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let phases = Arc::clone(
            filters
                .entry((from_hz, to_hz))
                .or_insert_with(|| Arc::new(design(from_hz, to_hz))),
        );
        let line = vec![0; phases.length - 1];
        Self {
            phases: Some(phases),
            line,
            next: 0,
        }
    }

    /// Appends what a block of sound becomes at the other rate.
    pub fn process(&mut self, sound: &[i16], out: &mut Vec<i16>) {
        let Some(phases) = &self.phases else {
            out.extend_from_slice(sound);
            return;
        };
        self.line.extend_from_slice(sound);
        let whole = self.line.len() + 1 - phases.length;
        out.reserve(whole * phases.count / phases.step + 1);
        self.next = phases.run(&self.line, self.next, out);
        self.line.drain(..whole);
        self.next -= whole * phases.count;
    }

    /// By how much the sound is later afterwards, in microseconds.
    #[must_use]
    pub fn delay_us(&self, from_hz: u32) -> u64 {
        self.phases.as_ref().map_or(0, |phases| {
            phases.length as u64 * 500_000 / u64::from(from_hz)
        })
    }
}

/// A windowed sinc at the least common multiple of both rates (Kaiser's window and his estimate of its length).
fn design(from_hz: u32, to_hz: u32) -> Polyphase {
    let common = gcd(from_hz, to_hz);
    let (count, step) = ((to_hz / common) as usize, (from_hz / common) as usize);
    let rate = f64::from(from_hz) * count as f64;
    let half = f64::from(from_hz.min(to_hz)) / 2.0;
    let width = 2.0 * std::f64::consts::PI * half * (1.0 - PASS) / rate;
    let wanted = (STOP_DB - 7.95) / (2.285 * width);
    let length = (wanted / count as f64).ceil().max(2.0) as usize;
    // Whole vectors of taps cost nothing more.
    let length = length.next_multiple_of(STRIDE);
    let total = length * count;
    let beta = 0.1102 * (STOP_DB - 8.7);
    let cutoff = half * f64::midpoint(1.0, PASS) / rate;
    let centre = (total - 1) as f64 / 2.0;
    let prototype: Vec<f64> = (0..total)
        .map(|index| {
            let from_centre = index as f64 - centre;
            let angle = 2.0 * std::f64::consts::PI * cutoff * from_centre;
            let sinc = if angle.abs() < 1e-9 {
                1.0
            } else {
                angle.sin() / angle
            };
            let edge = from_centre / (centre + 0.5);
            sinc * bessel(beta * (1.0 - edge * edge).max(0.0).sqrt())
        })
        .collect();
    let mut taps = vec![0_i16; total];
    for (phase, taps) in taps.chunks_exact_mut(length).enumerate() {
        let of_phase = || (0..length).map(|index| prototype[index * count + phase]);
        let sum: f64 = of_phase().sum();
        // The newest sample of a window meets the first tap.
        for (tap, exact) in taps.iter_mut().rev().zip(of_phase()) {
            *tap = (exact / sum * f64::from(1 << POINT)).round() as i16;
        }
        // Each phase passes a steady level unchanged, so that none is heard as a tone.
        let rest = (1 << POINT) - taps.iter().map(|&tap| i32::from(tap)).sum::<i32>();
        if let Some(largest) = taps.iter_mut().max_by_key(|tap| tap.unsigned_abs()) {
            *largest = (i32::from(*largest) + rest) as i16;
        }
    }
    Polyphase {
        length,
        count,
        step,
        taps,
        point: POINT,
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The modified Bessel function of the first kind and order zero, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for index in 1..40 {
        term *= (x / 2.0 / f64::from(index)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 6] = [8_000, 12_000, 16_000, 24_000, 32_000, 48_000];

    fn tone(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|index| {
                let angle = 2.0 * std::f64::consts::PI * hz * index as f64 / f64::from(rate);
                (angle.sin() * 20_000.0).round() as i16
            })
            .collect()
    }

    /// Power at `hz` and power of all the rest, of what comes after the filter has filled.
    fn powers(sound: &[i16], hz: f64, rate: u32) -> (f64, f64) {
        // One second, so that every whole frequency has whole periods in it.
        let sound = &sound[sound.len() - rate as usize..];
        let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
        for (index, &sample) in sound.iter().enumerate() {
            let angle = 2.0 * std::f64::consts::PI * hz * index as f64 / f64::from(rate);
            sine += f64::from(sample) * angle.sin();
            cosine += f64::from(sample) * angle.cos();
            all += f64::from(sample).powi(2);
        }
        let count = sound.len() as f64;
        let at = 2.0 * (sine * sine + cosine * cosine) / (count * count);
        (at, (all / count - at).max(1e-9))
    }

    fn through(sound: &[i16], from: u32, to: u32) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to);
        let mut out = Vec::new();
        for block in sound.chunks(from as usize / 50) {
            resampler.process(block, &mut out);
        }
        out
    }

    fn db(ratio: f64) -> f64 {
        10.0 * ratio.log10()
    }

    #[test]
    fn the_band_that_both_rates_have_passes_level_and_without_images() {
        let full = 20_000.0_f64.powi(2) / 2.0;
        for from in RATES {
            for to in RATES {
                let top = f64::from(from.min(to)) / 2.0 * 0.85;
                for part in [0.03, 0.2, 0.5, 0.8, 1.0] {
                    let hz = (top * part).round();
                    let out = through(&tone(hz, from, 2 * from as usize), from, to);
                    let (at, rest) = powers(&out, hz, to);
                    assert!(
                        db(at / full).abs() < 0.15,
                        "{from} to {to}: {hz} Hz {}",
                        db(at / full)
                    );
                    assert!(
                        db(rest / full) < -60.0,
                        "{from} to {to}: {hz} Hz spurs {}",
                        db(rest / full)
                    );
                }
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_not_heard_at_another_pitch() {
        let full = 20_000.0_f64.powi(2) / 2.0;
        for from in RATES {
            for to in RATES.into_iter().filter(|&to| to < from) {
                for part in [1.001, 1.05, 1.3, 1.7, 1.99] {
                    let hz = (f64::from(to) / 2.0 * part).round();
                    if hz >= f64::from(from) / 2.0 {
                        continue;
                    }
                    let out = through(&tone(hz, from, 2 * from as usize), from, to);
                    let (_, rest) = powers(&out, 1.0, to);
                    assert!(
                        db(rest / full) < -60.0,
                        "{from} to {to}: {hz} Hz {}",
                        db(rest / full)
                    );
                }
            }
        }
    }

    #[test]
    fn the_count_of_samples_follows_the_ratio_for_blocks_of_any_length() {
        for from in RATES {
            for to in RATES {
                let mut resampler = Resampler::new(from, to);
                let (mut given, mut out) = (0, Vec::new());
                for block in (1..400).map(|index| index * 37 % 331) {
                    resampler.process(&vec![1_000; block], &mut out);
                    given += block;
                    let wanted = given as f64 * f64::from(to) / f64::from(from);
                    assert!(
                        (out.len() as f64 - wanted).abs() <= f64::from(to) / f64::from(from) + 1.0
                    );
                }
            }
        }
    }

    #[test]
    fn no_sound_is_too_loud_for_the_sums() {
        for from in RATES {
            for to in RATES.into_iter().filter(|&to| to != from) {
                let phases = design(from, to);
                for taps in phases.taps.chunks_exact(phases.length) {
                    for lane in (0..STRIDE).step_by(2) {
                        let strides = taps.chunks_exact(STRIDE);
                        let of_lane = strides.flat_map(|stride| &stride[lane..lane + 2]);
                        let sum: i64 = of_lane.map(|tap| i64::from(tap.unsigned_abs())).sum();
                        assert!(sum < 1 << 16, "{from} to {to}: {sum}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_delay_is_below_four_and_a_half_milliseconds() {
        for from in RATES {
            for to in RATES {
                let delay = Resampler::new(from, to).delay_us(from);
                assert!(delay <= 4_500, "{from} to {to}: {delay}");
            }
        }
    }
}
