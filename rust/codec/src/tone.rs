//! DTMF as sound: making it, and finding it in what somebody sends (ITU-T Q.23, Q.24).

use std::collections::VecDeque;
use std::f32::consts::TAU;

use crate::event::Digit;

const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Loudness of the two tones we make, dBm0: the higher one a little louder, as lines weaken it.
const LOW_DBM0: f32 = -9.0;
const HIGH_DBM0: f32 = -7.0;
/// A sine at full scale (G.711 says 3.14 for A-law and 3.17 for µ-law).
const FULL_DBM0: f32 = 3.15;

/// One digit's sound.
pub struct Tone {
    steps: [f32; 2],
    amplitudes: [f32; 2],
    made: usize,
    length: usize,
    ramp: usize,
}

impl Tone {
    /// So many milliseconds of a digit at `rate` Hz; None where it has no tones (a hook flash).
    #[must_use]
    pub fn new(digit: char, duration_ms: u32, rate: u32) -> Option<Self> {
        let digit = digit.to_ascii_uppercase();
        let (low, high) = (0..4)
            .flat_map(|row| (0..4).map(move |column| (row, column)))
            .find(|&(row, column)| KEYS[row][column] == digit)?;
        let amplitude = |dbm0: f32| 32_767.0 * 10.0_f32.powf((dbm0 - FULL_DBM0) / 20.0);
        Some(Self {
            steps: [LOW[low] / rate as f32, HIGH[high] / rate as f32],
            amplitudes: [amplitude(LOW_DBM0), amplitude(HIGH_DBM0)],
            made: 0,
            length: (u64::from(rate) * u64::from(duration_ms) / 1_000) as usize,
            ramp: (rate / 500) as usize,
        })
    }

    /// Appends up to `count` samples; fewer where it ends.
    pub fn extend(&mut self, count: usize, sound: &mut Vec<i16>) {
        for _ in 0..count.min(self.length - self.made) {
            let edge = self.made.min(self.length - 1 - self.made);
            let gain = (edge as f32 / self.ramp as f32).min(1.0);
            let value: f32 = (0..2)
                .map(|tone| {
                    let turns = (self.steps[tone] * self.made as f32).fract();
                    self.amplitudes[tone] * (TAU * turns).sin()
                })
                .sum();
            sound.push((value * gain) as i16);
            self.made += 1;
        }
    }

    /// Whether all of it was made.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.made == self.length
    }
}

/// Milliseconds that are looked at at once; 12.75 ms tell the closest two tones apart.
const BLOCK_US: u32 = 12_750;
/// Looks in a row that have to agree, so that 40 ms are always found and 20 ms never (Q.24 table A-1).
const HITS: u32 = 4;
/// Looks without it that end a digit: shorter breaks do not.
const MISSES: u32 = 3;
/// Weakest tone, root mean square: about -32 dBm0.
const WEAKEST: f32 = 400.0;
/// How much of all power is in the two tones; speech has less.
const SHARE: f32 = 0.72;
/// The higher tone may be so much weaker or louder than the lower one, as power: 8 and 5 dB.
const TWIST_DOWN: f32 = 6.3;
const TWIST_UP: f32 = 3.2;
/// What is beside a tone in its group is weaker by this, as power: 8 dB.
const BESIDE: f32 = 6.3;
/// What is at twice the higher tone's frequency is weaker by this, as power: a voice is not so pure. (Twice the lower
/// one's lies too close to the higher ones to be told from them.)
const OVERTONE: f32 = 12.0;
/// Digits that wait to be fetched; more are dropped.
const MOST_WAITING: usize = 64;

/// Finds digits in sound, and takes their tones out of it from the moment they are recognised.
pub struct ToneDetector {
    rate: u32,
    block: Vec<f32>,
    filled: usize,
    hop: usize,
    candidate: Option<char>,
    hits: u32,
    misses: u32,
    gain: f32,
    waiting: VecDeque<Digit>,
}

impl ToneDetector {
    /// For sound at `rate` Hz.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let length = (u64::from(rate) * u64::from(BLOCK_US) / 1_000_000) as usize & !1;
        Self {
            rate,
            block: vec![0.0; length],
            filled: 0,
            hop: length / 2,
            candidate: None,
            hits: 0,
            misses: 0,
            gain: 1.0,
            waiting: VecDeque::new(),
        }
    }

    /// Looks at sound and mutes the tones in it. They are heard for less than 20 ms, too short for anybody to take them
    /// for a digit.
    pub fn process(&mut self, sound: &mut [i16]) {
        let ramp = 500.0 / self.rate as f32;
        for sample in sound {
            self.block[self.filled] = f32::from(*sample);
            self.filled += 1;
            if self.filled == self.block.len() {
                self.look();
                self.block.copy_within(self.hop.., 0);
                self.filled -= self.hop;
            }
            let wanted = if self.candidate.is_some() { 0.0 } else { 1.0 };
            if (self.gain - wanted).abs() > f32::EPSILON || wanted == 0.0 {
                self.gain = if wanted > self.gain {
                    (self.gain + ramp).min(1.0)
                } else {
                    (self.gain - ramp).max(0.0)
                };
                *sample = (f32::from(*sample) * self.gain) as i16;
            }
        }
    }

    /// The digits since the last time.
    pub fn digits(&mut self) -> impl Iterator<Item = Digit> + '_ {
        self.waiting.drain(..)
    }

    fn look(&mut self) {
        let found = self.find();
        if found.is_some() && found == self.candidate {
            self.hits += 1 + self.misses;
            self.misses = 0;
            return;
        }
        if self.candidate.is_some() {
            self.misses += 1;
            let unproved = self.hits < HITS;
            if self.misses < MISSES && found.is_none() && !unproved {
                return;
            }
            self.tell();
        }
        self.candidate = found;
        self.hits = u32::from(found.is_some());
        self.misses = 0;
    }

    fn tell(&mut self) {
        if let Some(digit) = self.candidate
            && self.hits >= HITS
            && self.waiting.len() < MOST_WAITING
        {
            let samples = self.block.len() + (self.hits as usize - 1) * self.hop;
            self.waiting.push_back(Digit {
                digit,
                duration_ms: (samples * 1_000) as u32 / self.rate,
            });
        }
    }

    fn find(&self) -> Option<char> {
        let length = self.block.len() as f32;
        let total: f32 = self.block.iter().map(|sample| sample * sample).sum::<f32>() / length;
        if total < WEAKEST * WEAKEST * 1.2 {
            return None;
        }
        let powers = |tones: [f32; 4]| tones.map(|hz| self.power(hz));
        let (low, high) = (powers(LOW), powers(HIGH));
        let (row, column) = (strongest(&low)?, strongest(&high)?);
        let (low, high) = (low[row], high[column]);
        let fits = low.min(high) > WEAKEST * WEAKEST
            && low < high * TWIST_DOWN
            && high < low * TWIST_UP
            && low + high > total * SHARE
            && self.power(2.0 * HIGH[column]) * OVERTONE < high;
        fits.then(|| KEYS[row][column])
    }

    /// Power at a frequency (Goertzel).
    fn power(&self, hz: f32) -> f32 {
        let factor = 2.0 * (TAU * hz / self.rate as f32).cos();
        let (mut one, mut two) = (0.0_f32, 0.0_f32);
        for &sample in &self.block {
            let zero = sample + factor * one - two;
            two = one;
            one = zero;
        }
        let length = self.block.len() as f32;
        2.0 * (one * one + two * two - factor * one * two) / (length * length)
    }
}

/// The strongest of a group, if it stands out.
fn strongest(powers: &[f32; 4]) -> Option<usize> {
    let best = (0..4).max_by(|&a, &b| powers[a].total_cmp(&powers[b]))?;
    (0..4)
        .all(|other| other == best || powers[other] * BESIDE < powers[best])
        .then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "0123456789*#ABCD";

    fn pair(
        low: f32,
        high: f32,
        low_amplitude: f32,
        high_amplitude: f32,
        ms: usize,
        rate: u32,
    ) -> Vec<i16> {
        (0..rate as usize * ms / 1_000)
            .map(|index| {
                let at = index as f32 / rate as f32 * TAU;
                (low_amplitude * (low * at).sin() + high_amplitude * (high * at).sin()) as i16
            })
            .collect()
    }

    fn found(parts: &[Vec<i16>], rate: u32) -> String {
        let mut detector = ToneDetector::new(rate);
        let mut sound = parts.concat();
        sound.extend(vec![0; rate as usize / 10]);
        for block in sound.chunks_mut(rate as usize / 50) {
            detector.process(block);
        }
        detector.digits().map(|digit| digit.digit).collect()
    }

    fn pause(rate: u32, ms: usize) -> Vec<i16> {
        vec![0; rate as usize * ms / 1_000]
    }

    #[test]
    fn every_digit_we_make_is_found_at_every_rate() {
        for rate in [8_000, 16_000, 48_000] {
            let mut sound = Vec::new();
            for digit in ALL.chars() {
                let mut tone = Tone::new(digit, 70, rate).unwrap();
                tone.extend(rate as usize, &mut sound);
                assert!(tone.is_over());
                sound.extend(pause(rate, 50));
            }
            assert_eq!(found(&[sound], rate), ALL, "{rate}");
        }
        assert!(Tone::new('!', 100, 8_000).is_none());
    }

    #[test]
    fn forty_milliseconds_are_a_digit_and_twenty_are_none() {
        for offset in 0..13 {
            let before = pause(8_000, 30 + offset);
            let long = pair(770.0, 1_336.0, 5_000.0, 5_000.0, 40, 8_000);
            let short = pair(770.0, 1_336.0, 5_000.0, 5_000.0, 20, 8_000);
            assert_eq!(found(&[before.clone(), long], 8_000), "5");
            assert_eq!(found(&[before, short], 8_000), "");
        }
    }

    #[test]
    fn two_presses_forty_milliseconds_apart_are_two_and_a_break_of_ten_is_none() {
        let press = || pair(852.0, 1_477.0, 5_000.0, 5_000.0, 60, 8_000);
        assert_eq!(found(&[press(), pause(8_000, 40), press()], 8_000), "99");
        assert_eq!(found(&[press(), pause(8_000, 10), press()], 8_000), "9");
    }

    #[test]
    fn frequencies_off_by_one_and_a_half_percent_are_found_and_by_three_and_a_half_not() {
        for (low, high, digit) in [
            (697.0, 1_209.0, "1"),
            (941.0, 1_633.0, "D"),
            (770.0, 1_477.0, "6"),
        ] {
            for factor in [0.985, 1.015] {
                let sound = pair(low * factor, high * factor, 5_000.0, 5_000.0, 70, 8_000);
                assert_eq!(found(&[sound], 8_000), digit, "{low} {high} {factor}");
            }
            for factor in [0.96, 1.04] {
                let sound = pair(low * factor, high * factor, 5_000.0, 5_000.0, 70, 8_000);
                assert_eq!(found(&[sound], 8_000), "", "{low} {high} {factor}");
            }
        }
    }

    #[test]
    fn twist_is_borne_within_limits() {
        let with = |db: f32| {
            let high = 3_000.0 * 10.0_f32.powf(db / 20.0);
            found(&[pair(697.0, 1_209.0, 3_000.0, high, 80, 8_000)], 8_000)
        };
        assert_eq!(with(4.0), "1");
        assert_eq!(with(-7.0), "1");
        assert_eq!(with(9.0), "");
        assert_eq!(with(-11.0), "");
    }

    #[test]
    fn the_tone_is_taken_out_after_less_than_twenty_milliseconds() {
        for rate in [8_000, 48_000] {
            let mut sound = pause(rate, 35);
            sound.extend(pair(770.0, 1_336.0, 6_000.0, 6_000.0, 150, rate));
            let mut detector = ToneDetector::new(rate);
            detector.process(&mut sound);
            let loud = sound
                .iter()
                .filter(|sample| sample.unsigned_abs() > 300)
                .count();
            assert!(loud < rate as usize * 21 / 1_000, "{rate}: {loud}");
        }
    }

    #[test]
    fn tones_in_noise_fifteen_decibels_below_are_found() {
        let mut state = 5_u32;
        let mut sound = pair(852.0, 1_336.0, 4_000.0, 4_000.0, 80, 8_000);
        for sample in &mut sound {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = sample.saturating_add(((state >> 16) as i16) / 26);
        }
        assert_eq!(found(&[sound], 8_000), "8");
    }
}
