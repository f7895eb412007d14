//! What takes a lost frame's place (RFC 3951 section 4.5).

use super::{LONGEST, Lpc, ORDER};

/// Samples on which the pitch is looked for.
const COMPARED: usize = 60;
/// A frame of a root mean square below this is all noise.
const QUIET: f32 = 30.0;

/// What the next lost frame is made of.
pub struct Concealment {
    /// Residual of the last frame, heard or concealed.
    residual: [f32; LONGEST],
    /// Its last filter.
    filter: Lpc,
    /// Pitch, samples, and how periodic the speech was, 0 to 1; of the first frame lost in a row.
    lag: usize,
    periodicity: f32,
    /// Samples lost in a row.
    lost: usize,
    /// State of the noise's generator.
    seed: u32,
}

impl Concealment {
    pub fn new() -> Self {
        Self {
            residual: [0.0; LONGEST],
            filter: [0.0; ORDER],
            lag: 120,
            periodicity: 0.0,
            lost: 0,
            seed: 777,
        }
    }

    /// Remembers a frame heard.
    pub fn hear(&mut self, residual: &[f32], filter: &Lpc) {
        self.residual[..residual.len()].copy_from_slice(residual);
        self.filter = *filter;
        self.lost = 0;
    }

    /// Fills in a lost frame's residual, and returns the filter for all of it.
    ///
    /// The residual repeats the last pitch cycles and is mixed with noise the more, the less periodic they were. After
    /// 40 ms without a frame it fades, and after 160 ms it is silent. `pitch` is that of the last frame, samples, at
    /// most 120.
    pub fn conceal(&mut self, pitch: usize, residual: &mut [f32]) -> Lpc {
        let samples = residual.len();
        let past = &self.residual[..samples];
        if self.lost == 0 {
            (self.lag, self.periodicity) = refine(past, pitch);
        }
        self.lost = self.lost.saturating_add(samples);
        let gain = match self.lost {
            0..=320 => 1.0,
            321..=640 => 0.9,
            641..=960 => 0.7,
            961..=1_280 => 0.5,
            _ => 0.0,
        };
        let voiced = ((self.periodicity.sqrt() - 0.4) / 0.3).clamp(0.0, 1.0);
        // Not the same cycle again and again.
        let lag = if self.lag < 80 {
            2 * self.lag
        } else {
            self.lag
        };

        let mut noise = [0.0; LONGEST];
        for at in 0..samples {
            self.seed = self.seed.wrapping_mul(69_069).wrapping_add(1) & 0x7fff_ffff;
            let back = 50 + (self.seed % 70) as usize;
            noise[at] = before(past, &noise, at, back);
            let cycle = before(past, residual, at, lag);
            let fading = match at {
                0..80 => gain,
                80..160 => 0.95 * gain,
                _ => 0.9 * gain,
            };
            residual[at] = fading * (voiced * cycle + (1.0 - voiced) * noise[at]);
        }
        let energy: f32 = residual.iter().map(|sample| sample * sample).sum();
        if gain > 0.0 && energy < QUIET * QUIET * samples as f32 {
            residual.copy_from_slice(&noise[..samples]);
        }
        self.residual[..samples].copy_from_slice(residual);
        self.filter
    }
}

/// The sample `back` before place `at` of `current`, which follows `past`.
fn before(past: &[f32], current: &[f32], at: usize, back: usize) -> f32 {
    match at.checked_sub(back) {
        Some(index) => current[index],
        None => past[past.len() + at - back],
    }
}

/// The best lag within three samples of `pitch`, and how periodic the last samples are with it.
fn refine(past: &[f32], pitch: usize) -> (usize, f32) {
    let mut best = (f32::NEG_INFINITY, pitch, 0.0);
    for lag in pitch - 3..=pitch + 3 {
        let compared = COMPARED.min(past.len() - lag);
        let now = &past[past.len() - compared..];
        let then = &past[past.len() - compared - lag..past.len() - lag];
        let (mut cross, mut energy_now, mut energy_then) = (0.0_f32, 0.0_f32, 0.0_f32);
        for (now, then) in now.iter().zip(then) {
            cross += now * then;
            energy_now += now * now;
            energy_then += then * then;
        }
        let (match_, periodicity) = if energy_then > 0.0 && energy_now > 0.0 {
            let periodicity = cross.abs() / (energy_then.sqrt() * energy_now.sqrt());
            (cross * cross / energy_then, periodicity)
        } else {
            (0.0, 0.0)
        };
        if match_ > best.0 {
            best = (match_, lag, periodicity);
        }
    }
    (best.1, best.2)
}
