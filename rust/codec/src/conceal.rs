//! Sound in place of what was lost, for codecs that have no concealment of their own: the last pitch period again, faded
//! out (after the idea of ITU-T G.711 appendix I, but without its delay).

use crate::stretch::{Likeness, pitch, samples};

/// So long the repetition is as loud as what it repeats, milliseconds.
const FULL_MS: u32 = 10;
/// From there to silence, milliseconds.
const FADE_MS: u32 = 60;
/// From here on more than one period is repeated in turn, and one more each time: one alone would buzz, milliseconds.
const GROW_MS: u32 = 20;
/// Sound that is looked at, milliseconds: three of the longest pitch periods.
pub const HISTORY_MS: u32 = 48;
/// Below this correlation there is no pitch to repeat.
const VOICED: f32 = 0.45;

/// One gap's sound.
pub struct Concealment {
    rate: u32,
    /// What came before the gap.
    history: Vec<i16>,
    period: usize,
    /// How many periods are repeated in turn: more later, so that it does not buzz.
    periods: usize,
    /// The next sample to repeat, and how many are left until the repetition begins again.
    at: usize,
    left: usize,
    /// What the beginning of a repetition is lifted by to go on from the sample before, and for how much longer.
    lift: f32,
    lift_left: usize,
    lift_length: usize,
    last: f32,
    made: usize,
}

impl Concealment {
    /// Goes on from `history`, sound at `rate` Hz.
    #[must_use]
    pub fn new(history: &[i16], rate: u32) -> Self {
        let history = &history[history.len().saturating_sub(samples(rate, HISTORY_MS))..];
        let found = pitch(history, rate).unwrap_or(Likeness {
            lag: history.len().min(samples(rate, 10)),
            correlation: 0.0,
        });
        // Noise repeated at a short period sounds like a tone; the longest one is the least so.
        let period = if found.correlation < VOICED {
            samples(rate, 15).min(history.len())
        } else {
            found.lag
        };
        Self {
            rate,
            period,
            periods: 1,
            at: 0,
            left: 0,
            lift: 0.0,
            lift_left: 0,
            lift_length: (period / 4).max(1),
            last: history.last().copied().map_or(0.0, f32::from),
            made: 0,
            history: history.to_vec(),
        }
    }

    /// Appends the next `count` samples.
    pub fn extend(&mut self, count: usize, sound: &mut Vec<i16>) {
        if self.period == 0 {
            sound.resize(sound.len() + count, 0);
            return;
        }
        let (full, fade) = (samples(self.rate, FULL_MS), samples(self.rate, FADE_MS));
        for _ in 0..count {
            if self.left == 0 {
                self.begin_repetition();
            }
            let mut value = f32::from(self.history[self.at]);
            if self.lift_left > 0 {
                value += self.lift * self.lift_left as f32 / self.lift_length as f32;
                self.lift_left -= 1;
            }
            self.at += 1;
            self.left -= 1;
            self.last = value;
            let gain = 1.0 - (self.made.saturating_sub(full) as f32 / fade as f32).min(1.0);
            self.made += 1;
            sound.push((value * gain).clamp(-32_768.0, 32_767.0) as i16);
        }
    }

    fn begin_repetition(&mut self) {
        let most = (self.history.len() / self.period).clamp(1, 3);
        self.periods = (1 + self.made / samples(self.rate, GROW_MS).max(1)).clamp(1, most);
        self.left = self.period * self.periods;
        self.at = self.history.len() - self.left;
        let before = self
            .at
            .checked_sub(1)
            .map_or(0.0, |at| f32::from(self.history[at]));
        self.lift = self.last - before;
        self.lift_left = self.lift_length;
    }

    /// Whether it has faded out.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.made >= samples(self.rate, FULL_MS + FADE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate: u32, count: usize) -> Vec<i16> {
        (0..count)
            .map(|index| {
                let angle = index as f32 * 140.0 / rate as f32 * std::f32::consts::TAU;
                (5_000.0 * angle.sin() + 3_000.0 * (3.0 * angle).sin()) as i16
            })
            .collect()
    }

    #[test]
    fn a_voice_goes_on_without_a_click_and_fades_out() {
        for rate in [8_000, 16_000, 48_000] {
            let mut sound = voice(rate, samples(rate, 60));
            let begin = sound.len();
            let sharpest = bend(&sound);
            let mut concealment = Concealment::new(&sound, rate);
            for _ in 0..20 {
                concealment.extend(samples(rate, 5), &mut sound);
            }
            assert!(
                bend(&sound) < sharpest * 1.6,
                "{rate}: {} {sharpest}",
                bend(&sound)
            );
            let original = voice(rate, begin + samples(rate, 10));
            let error: f32 = original[begin..]
                .iter()
                .zip(&sound[begin..])
                .map(|(&a, &b)| (f32::from(a) - f32::from(b)).powi(2))
                .sum();
            let power: f32 = original[begin..]
                .iter()
                .map(|&a| f32::from(a).powi(2))
                .sum();
            assert!(error < power / 20.0, "{rate}: {}", error / power);
            assert!(concealment.is_silent());
            assert!(sound[sound.len() - 10..].iter().all(|&sample| sample == 0));
        }
    }

    #[test]
    fn without_any_history_there_is_silence() {
        let mut sound = Vec::new();
        Concealment::new(&[], 8_000).extend(160, &mut sound);
        assert_eq!(sound, [0; 160]);
        for length in 1..200 {
            Concealment::new(&vec![1_000; length], 8_000).extend(400, &mut Vec::new());
        }
    }

    fn bend(sound: &[i16]) -> f32 {
        sound
            .windows(3)
            .map(|w| (f32::from(w[0]) - 2.0 * f32::from(w[1]) + f32::from(w[2])).abs())
            .fold(0.0, f32::max)
    }
}
