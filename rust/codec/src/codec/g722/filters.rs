//! Between sound and the two bands of G.722.
//!
//! Sound of 16 kHz is split and joined by the Recommendation's quadrature mirror filters. Where the sound is of 8 kHz, as
//! it is when the other phone's codec is narrow-band, these and a change of rate make one filter, which never computes
//! what the change of rate would drop. Both bands count there too: each holds, folded, what the filters of the other let
//! through around 4 kHz, and only together these parts cancel each other.

use crate::vector::pair_filter;

/// One half of the filters' impulse response (table 11); the other is its mirror image.
const QMF: [i16; TAPS] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];
const TAPS: usize = 12;

/// The other half, in its order.
const MIRRORED: [i16; TAPS] = {
    let mut taps = [0; TAPS];
    let mut at = 0;
    while at < TAPS {
        taps[at] = QMF[TAPS - 1 - at];
        at += 1;
    }
    taps
};

/// From sound of 8 kHz to the lower and to the higher band, as fractions of 2^14 at unit gain. Least squares, weighted
/// anew until nothing stuck out: with the mirror filters of the other side, 0 to 3440 Hz pass within 0.03 dB, and
/// what would be heard at another pitch is 65 dB down.
const LOW: [i16; NARROW_TAPS] = with_mirror_image(
    [
        -30, 21, -25, 24, -19, 8, 12, -39, 74, -115, 160, -203, 241, -268, 275, -256, 198, -89,
        -87, 365, -808, 1_560, -3_142, 10_314,
    ],
    1,
);
const HIGH: [i16; NARROW_TAPS] = with_mirror_image(
    [
        -6, 9, -15, 21, -27, 31, -33, 32, -25, 11, 10, -41, 80, -127, 181, -238, 293, -340, 341,
        -248, 28, 288, -613, 820,
    ],
    -1,
);
const NARROW_TAPS: usize = 48;
const NARROW_POINT: u32 = 14;

const fn with_mirror_image(half: [i16; NARROW_TAPS / 2], sign: i16) -> [i16; NARROW_TAPS] {
    let mut taps = [0; NARROW_TAPS];
    let mut at = 0;
    while at < half.len() {
        taps[at] = half[at];
        taps[NARROW_TAPS - 1 - at] = sign * half[at];
        at += 1;
    }
    taps
}

/// `LOW` and `HIGH` for two neighbouring samples at a time.
const FROM_SAMPLES: [[[i16; 2]; NARROW_TAPS / 2]; 2] = {
    let mut pairs = [[[0; 2]; NARROW_TAPS / 2]; 2];
    let mut at = 0;
    while at < NARROW_TAPS {
        pairs[0][at / 2][at % 2] = LOW[at];
        pairs[1][at / 2][at % 2] = HIGH[at];
        at += 1;
    }
    pairs
};

/// The opposite: from both bands at a time to sound.
const FROM_BANDS: [[i16; 2]; NARROW_TAPS] = {
    let mut pairs = [[0; 2]; NARROW_TAPS];
    let mut at = 0;
    while at < NARROW_TAPS {
        pairs[at] = [LOW[at], -HIGH[at]];
        at += 1;
    }
    pairs
};

/// By how much the lower band is later than sound of `sample_rate`, microseconds.
pub(super) fn delay_us(sample_rate: u32) -> u64 {
    let taps = if sample_rate == super::NARROW {
        NARROW_TAPS
    } else {
        2 * TAPS
    };
    (taps as u64 - 1) * 500_000 / u64::from(sample_rate)
}

/// What makes the bands of sound, and the end of the sound that it has seen.
pub(super) enum Splitter {
    /// The last samples of even and of odd number.
    Wide([[i16; TAPS - 1]; 2]),
    Narrow([i16; NARROW_TAPS - 1]),
}

impl Splitter {
    pub(super) fn new(sample_rate: u32) -> Self {
        if sample_rate == super::NARROW {
            Self::Narrow([0; NARROW_TAPS - 1])
        } else {
            Self::Wide([[0; TAPS - 1]; 2])
        }
    }

    /// Samples of sound in an octet.
    #[inline]
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Wide(_) => 2,
            Self::Narrow(_) => 1,
        }
    }

    /// The lower and the higher band of the sound.
    #[inline(always)]
    pub(super) fn split(&mut self, sound: &[i16]) -> Vec<[i16; 2]> {
        match self {
            Self::Wide([past_even, past_odd]) => {
                let (pairs, _) = sound.as_chunks::<2>();
                let even = joined(past_even, pairs.iter().map(|pair| pair[0]));
                let odd = joined(past_odd, pairs.iter().map(|pair| pair[1]));
                let phases = filter(&even, &QMF).into_iter().zip(filter(&odd, &MIRRORED));
                // Each is within 29 bits, so that these do not overflow.
                let bands = phases.map(|(even, odd)| {
                    let (sum, difference) = (odd.wrapping_add(even), odd.wrapping_sub(even));
                    [(sum >> 14) as i16, (difference >> 14) as i16]
                });
                bands.collect()
            }
            Self::Narrow(past) => {
                let line = joined(past, sound.iter().copied());
                let pairs: Vec<[i16; 2]> = line.windows(2).map(|pair| [pair[0], pair[1]]).collect();
                let (mut low, mut high) = (vec![0; sound.len()], vec![0; sound.len()]);
                // The bands have one bit less than the sound.
                pair_filter(&pairs, 2, &FROM_SAMPLES[0], NARROW_POINT + 1, &mut low);
                pair_filter(&pairs, 2, &FROM_SAMPLES[1], NARROW_POINT + 1, &mut high);
                low.into_iter().zip(high).map(<[i16; 2]>::from).collect()
            }
        }
    }
}

/// What makes sound of the bands, and their end, of which sound of either rate can go on.
pub(super) struct Joiner {
    sample_rate: u32,
    past: [[i16; 2]; NARROW_TAPS - 1],
}

impl Joiner {
    pub(super) fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate,
            past: [[0; 2]; NARROW_TAPS - 1],
        }
    }

    pub(super) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    pub(super) fn set_rate(&mut self, sample_rate: u32) {
        self.sample_rate = sample_rate;
    }

    /// The sound of the lower and the higher band, each within 15 bits.
    #[inline(always)]
    pub(super) fn join(
        &mut self,
        bands: impl ExactSizeIterator<Item = [i16; 2]>,
        sound: &mut Vec<i16>,
    ) {
        let count = bands.len();
        let bands = joined(&mut self.past, bands);
        if self.sample_rate == super::NARROW {
            let from = sound.len();
            sound.resize(from + count, 0);
            pair_filter(&bands, 1, &FROM_BANDS, NARROW_POINT - 1, &mut sound[from..]);
            return;
        }
        let bands = &bands[NARROW_TAPS - TAPS..];
        // Both are within 15 bits, so that neither sum nor difference overflows.
        let both = bands
            .iter()
            .map(|&[low, high]| (low.wrapping_add(high), low.wrapping_sub(high)));
        let (sums, differences): (Vec<i16>, Vec<i16>) = both.unzip();
        let first = filter(&differences, &MIRRORED).into_iter();
        let phases = first.zip(filter(&sums, &QMF));
        sound.extend(phases.flat_map(|(first, second)| {
            [super::saturate(first >> 11), super::saturate(second >> 11)]
        }));
    }
}

/// One phase of the mirror filters: every sum of twelve neighbouring samples, weighted. The taps' absolute values sum up
/// to less than 2^14, so that none overflows.
#[inline(always)]
fn filter(samples: &[i16], taps: &[i16; TAPS]) -> Vec<i32> {
    let mut sums = vec![0_i32; samples.len() + 1 - TAPS];
    for (at, tap) in taps.iter().enumerate() {
        for (sum, sample) in sums.iter_mut().zip(&samples[at..]) {
            *sum = sum.wrapping_add(i32::from(*sample) * i32::from(*tap));
        }
    }
    sums
}

/// What of the packet before is still needed, and then this one.
#[inline(always)]
fn joined<T: Copy, const N: usize>(
    past: &mut [T; N],
    new: impl ExactSizeIterator<Item = T>,
) -> Vec<T> {
    let mut joined = Vec::with_capacity(N + new.len());
    joined.extend_from_slice(past);
    joined.extend(new);
    if let Some(last) = joined.last_chunk() {
        *past = *last;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::super::{NARROW, WIDE};
    use super::*;
    use std::f64::consts::TAU;

    const FULL: f64 = 20_000.0;

    fn tone(hz: f64, rate: u32) -> Vec<i16> {
        let at = |index| f64::from(index) * hz / f64::from(rate);
        (0..2 * rate)
            .map(|index| ((at(index) * TAU).sin() * FULL).round() as i16)
            .collect()
    }

    /// Split at one rate and joined at the other, packet by packet, with no coder in between.
    fn through(sound: &[i16], from: u32, to: u32) -> Vec<i16> {
        let (mut splitter, mut joiner) = (Splitter::new(from), Joiner::new(to));
        let mut heard = Vec::new();
        for packet in sound.chunks(from as usize / 50) {
            joiner.join(splitter.split(packet).into_iter(), &mut heard);
        }
        heard
    }

    /// Power at `hz` and of all the rest, dB below that of the tone, of the last second.
    fn powers(sound: &[i16], hz: f64, rate: u32) -> (f64, f64) {
        let sound = &sound[sound.len() - rate as usize..];
        let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
        for (index, &sample) in sound.iter().enumerate() {
            let angle = TAU * hz * index as f64 / f64::from(rate);
            sine += f64::from(sample) * angle.sin();
            cosine += f64::from(sample) * angle.cos();
            all += f64::from(sample).powi(2);
        }
        let count = sound.len() as f64;
        let at = 2.0 * (sine * sine + cosine * cosine) / (count * count);
        let db = |power: f64| 10.0 * (power.max(1e-9) / (FULL * FULL / 2.0)).log10();
        (db(at), db(all / count - at))
    }

    #[test]
    fn narrow_band_sound_passes_level_and_without_images_both_ways() {
        for (from, to) in [(NARROW, WIDE), (WIDE, NARROW)] {
            for hz in [100.0, 700.0, 2_000.0, 2_900.0, 3_200.0, 3_400.0] {
                let (at, rest) = powers(&through(&tone(hz, from), from, to), hz, to);
                assert!(at.abs() < 0.15, "{from} to {to}: {hz} Hz {at} dB");
                assert!(rest < -60.0, "{from} to {to}: {hz} Hz spurs {rest} dB");
            }
        }
    }

    #[test]
    fn what_narrow_band_cannot_hold_is_not_heard_at_another_pitch() {
        for hz in [4_050.0, 4_300.0, 4_600.0, 5_000.0, 5_600.0, 7_000.0] {
            let (_, rest) = powers(&through(&tone(hz, WIDE), WIDE, NARROW), 1.0, NARROW);
            assert!(rest < -60.0, "{hz} Hz {rest} dB");
        }
        // What would be too near to 4 kHz on one side has no image on the other.
        for hz in [3_600.0_f64, 3_800.0, 3_950.0] {
            let heard = through(&tone(hz, NARROW), NARROW, WIDE);
            let (_, image) = (0, powers(&heard, 8_000.0 - hz, WIDE).0);
            assert!(image < -60.0, "{hz} Hz {image} dB");
        }
    }

    #[test]
    fn the_delay_is_as_long_as_it_is_said_to_be() {
        for rate in [NARROW, WIDE] {
            let sound = tone(500.0, rate);
            let mut splitter = Splitter::new(rate);
            let bands = splitter.split(&sound);
            // The lower band has half the level, and its last sample is that of the last of the sound.
            let late = delay_us(rate) as f64 / 1e6;
            let last =
                |back: usize| sound.len() as f64 - 1.0 - back as f64 * f64::from(rate / NARROW);
            for (back, [low, _]) in bands.iter().rev().enumerate().take(100) {
                let at = last(back) / f64::from(rate) - late;
                let wanted = (TAU * 500.0 * at).sin() * FULL / 2.0;
                assert!(
                    (f64::from(*low) - wanted).abs() < 40.0,
                    "{rate}: {low} {wanted}"
                );
            }
        }
    }
}
