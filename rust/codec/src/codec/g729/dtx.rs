//! Discontinuous transmission: when silence is worth a frame, and what that says (ITU-T G.729 clause B.4).

use super::analysis::{LAGS, predict};
use super::comfort::ComfortNoise;
use super::frame::SilenceFrame;
use super::{Lpc, Lsf, ORDER, lsf, lsf_quantiser};
use crate::codec::linear_prediction::dot;

/// Frames whose autocorrelations are kept.
const KEPT: usize = 7;
/// Of those, the ones that make a frame's filter.
const PRESENT: usize = 2;
/// Least frames from one that is sent to the next.
const LEAST_APART: u8 = 3;
/// How much more energy one filter leaves of what another was made for, if they are taken for different.
const CHANGED: f32 = 1.202_26;
/// The same for whether a filter of the past will do.
const PAST_WILL_DO: f32 = 1.122_02;
/// A level that differs by more, dB, is told.
const LOUDER: i8 = 2;

/// The autocorrelation of a signal.
type Correlation = [f32; ORDER + 1];

pub struct Silence {
    /// Autocorrelations of the last frames, this one first.
    correlations: [Correlation; KEPT],
    /// That of the coefficients of the filter that was sent.
    sent_filter: Correlation,
    /// The level that was sent, dB.
    sent_level: i8,
    /// What the last frame's filter left, energy.
    last_left: f32,
    since_sent: u8,
    is_after_voice: bool,
    /// The noise that will be heard, and the cosines of its frequencies.
    pub noise: ComfortNoise,
    pub lsp: [f32; ORDER],
}

impl Silence {
    pub fn new() -> Self {
        let mut correlation = [0.0; ORDER + 1];
        correlation[0] = 1.0;
        Self {
            correlations: [correlation; KEPT],
            sent_filter: correlation,
            sent_level: 0,
            last_left: 0.0,
            since_sent: 0,
            is_after_voice: true,
            noise: ComfortNoise::new(),
            lsp: lsf_quantiser::EVEN.map(f32::cos),
        }
    }

    /// Takes in a frame's autocorrelation, without the lag window, voice or not.
    pub fn push(&mut self, correlations: &[f32; LAGS]) {
        self.correlations.rotate_right(1);
        self.correlations[0].copy_from_slice(&correlations[..=ORDER]);
    }

    /// A frame was voice.
    pub fn interrupt(&mut self) {
        self.is_after_voice = true;
        self.noise.reset();
    }

    /// A frame is silence: what is to be sent of it, if anything, and whether it is the first one.
    pub fn frame(
        &mut self,
        lsf: &mut Lsf,
        prediction: &mut lsf_quantiser::Prediction,
    ) -> (Option<SilenceFrame>, bool) {
        let present = sum(&self.correlations[..PRESENT]);
        let prediction_of_present = predict(&present);
        let left = prediction_of_present.left;
        let is_first = std::mem::replace(&mut self.is_after_voice, false);
        let (level, decibels, is_sent) = if is_first {
            let (level, decibels) = quantise_level(left);
            (level, decibels, true)
        } else {
            let (level, decibels) = quantise_level(0.5 * (left + self.last_left));
            let is_changed = dot(&self.sent_filter, &present) >= left * CHANGED
                || self.sent_level.abs_diff(decibels) > LOUDER.unsigned_abs();
            self.since_sent = (self.since_sent + 1).min(LEAST_APART);
            (
                level,
                decibels,
                is_changed && self.since_sent == LEAST_APART,
            )
        };
        self.last_left = left;
        if !is_sent {
            return (None, is_first);
        }

        self.since_sent = 0;
        self.sent_level = decibels;
        let past = predict(&sum(&self.correlations[1..])).lpc;
        let past = past.map(|lpc| (lpc, correlation_of(&lpc)));
        let past = past.filter(|(_, filter)| dot(filter, &present) < left * PAST_WILL_DO);
        let present = prediction_of_present
            .lpc
            .map(|lpc| (lpc, correlation_of(&lpc)));
        if let Some((lpc, filter)) = past.or(present) {
            self.sent_filter = filter;
            if let Some(found) = lsf::from_lpc(&lpc) {
                *lsf = found;
            }
        }
        let codes = prediction.quantise_silence(lsf);
        self.lsp = prediction.dequantise_silence(&codes).map(f32::cos);
        let frame = SilenceFrame { lsf: codes, level };
        self.noise.tell(&frame);
        (Some(frame), is_first)
    }
}

fn sum(correlations: &[Correlation]) -> Correlation {
    let mut sum = [0.0; ORDER + 1];
    for correlation in correlations {
        for (sum, value) in sum.iter_mut().zip(correlation) {
            *sum += value;
        }
    }
    sum
}

/// The autocorrelation of a filter's coefficients, both sides of it in one: its inner product with that of a signal is
/// the energy that the filter leaves of it (equations B.12 and B.13).
fn correlation_of(lpc: &Lpc) -> Correlation {
    let mut coefficients = [1.0; ORDER + 1];
    coefficients[1..].copy_from_slice(lpc);
    std::array::from_fn(|lag| {
        let sides = if lag == 0 { 1.0 } else { 2.0 };
        sides * dot(&coefficients, &coefficients[lag..])
    })
}

/// The code of a level, by the energy that a filter left of two frames, and what it stands for, dB (clause B.4.2.1).
fn quantise_level(left: f32) -> (u8, i8) {
    let level = 10.0 * (left.max(1e-9) / 160.0).log10();
    let steps = |from: f32, step: f32| ((level - from) / step).max(0.0) as u8;
    if level < -8.0 {
        (0, -12)
    } else if level < 14.0 {
        let steps = steps(-6.0, 4.0);
        (1 + steps, -2 + 4 * steps as i8)
    } else if level < 66.0 {
        let steps = steps(15.0, 2.0);
        (6 + steps, 16 + 2 * steps as i8)
    } else {
        (31, 66)
    }
}
