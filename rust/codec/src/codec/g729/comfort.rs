//! Comfort noise: what is heard while nobody speaks and next to nothing is sent (ITU-T G.729 clause B.4).

use super::acelp::Pulses;
use super::frame::{Lag, SilenceFrame};
use super::pitch;
use super::{FRAME, SUBFRAME};
use crate::codec::linear_prediction::energy;

/// The levels that a frame of silence can tell: the root mean square of the excitation, times 8 (clause B.4.2.1).
pub const LEVELS: [u16; 32] = [
    2, 5, 8, 13, 20, 32, 50, 64, 80, 101, 127, 160, 201, 253, 318, 401, 505, 635, 800, 1007, 1268,
    1596, 2010, 2530, 3185, 4009, 5048, 6355, 8000, 10071, 12679, 15962,
];

/// What the generator starts with after each frame of voice (clause B.4.4).
const SEED: u16 = 11_111;
/// How much of the level stays from one frame of silence to the next (equation B.19).
const LEVEL_KEPT: f32 = 0.875;
/// No pulse is higher.
const HIGHEST: f32 = 5_000.0;

/// The generator of clause 4.4.4.
pub struct Random(pub u16);

impl Random {
    pub fn next(&mut self) -> u16 {
        self.0 = self.0.wrapping_mul(31_821).wrapping_add(13_849);
        self.0
    }
}

/// Excitations of noise, the same in encoder and decoder.
pub struct ComfortNoise {
    random: Random,
    /// What the last frame of silence told, and what is heard.
    told: f32,
    level: f32,
}

impl ComfortNoise {
    pub fn new() -> Self {
        Self {
            random: Random(SEED),
            told: 0.0,
            level: 0.0,
        }
    }

    /// Is told of a frame of silence.
    pub fn tell(&mut self, frame: &SilenceFrame) {
        let level = LEVELS[usize::from(frame.level) % LEVELS.len()];
        self.told = f32::from(level) / 8.0;
    }

    /// Starts again, since there was voice.
    pub fn reset(&mut self) {
        self.random = Random(SEED);
    }

    /// Goes on by a frame: the excitation before becomes that of the frame's end. `is_first` says that the frame before
    /// was voice.
    #[inline(always)]
    pub fn excite(&mut self, past: &mut [f32; pitch::PAST], is_first: bool) -> [f32; FRAME] {
        self.level = if is_first {
            self.told
        } else {
            LEVEL_KEPT * self.level + (1.0 - LEVEL_KEPT) * self.told
        };
        let mut frame = [0.0; FRAME];
        for part in frame.as_chunks_mut::<SUBFRAME>().0 {
            *part = self.subframe(past);
            past.copy_within(SUBFRAME.., 0);
            past[pitch::PAST - SUBFRAME..].copy_from_slice(part);
        }
        frame
    }

    /// Part of the past excitation, of Gaussian noise, and of four pulses, together of the level (clause B.4.4).
    #[inline(always)]
    fn subframe(&mut self, past: &[f32; pitch::PAST]) -> [f32; SUBFRAME] {
        let bits = u32::from(self.random.next()) | (u32::from(self.random.next()) << 16);
        let bits = |from: u32, count: u32| ((bits >> from) & ((1 << count) - 1)) as usize;
        let lag = Lag {
            whole: 40 + bits(2, 6),
            third: [-1, 0, 1, 0][bits(0, 2)],
        };
        let pulses = Pulses {
            samples: [
                5 * bits(8, 3),
                5 * bits(12, 3) + 1,
                5 * bits(16, 3) + 2,
                5 * bits(21, 3) + 3 + bits(20, 1),
            ],
            positive: [11, 15, 19, 24].map(|bit| bits(bit, 1) == 1),
        };
        let pitch_gain = f32::from(self.random.next() & 0x1fff) / 16_384.0;

        let noise: [f32; SUBFRAME] = std::array::from_fn(|_| {
            let sum: i32 = (0..12).map(|_| i32::from(self.random.next() as i16)).sum();
            (sum >> 7) as f32
        });
        let loudness = energy(&noise).max(1.0);
        let gain = 0.5 * self.level * (SUBFRAME as f32 / loudness).sqrt();
        let noise = noise.map(|sample| gain * sample);

        let mut line = [0.0; pitch::PAST + SUBFRAME];
        line[..pitch::PAST].copy_from_slice(past);
        let repeated = pitch::repeat(&line, lag);
        let mut made: [f32; SUBFRAME] =
            std::array::from_fn(|n| pitch_gain * repeated[n] + noise[n]);

        // So high that pulses bring it to the level; without the past, if that alone is louder.
        let wanted = SUBFRAME as f32 * self.level * self.level;
        let mut matched = pulses.matched(&made);
        let mut left = matched * matched + 4.0 * (wanted - energy(&made));
        if left < 0.0 {
            made = noise;
            matched = pulses.matched(&made);
            left = matched * matched + 3.0 * wanted;
        }
        let root = left.max(0.0).sqrt();
        let height = if matched > 0.0 {
            root - matched
        } else {
            -root - matched
        };
        let height = (0.25 * height).clamp(-HIGHEST, HIGHEST);
        for (&sample, positive) in pulses.samples.iter().zip(pulses.positive) {
            made[sample] += if positive { height } else { -height };
        }
        made
    }
}
