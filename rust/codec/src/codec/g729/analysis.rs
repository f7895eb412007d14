//! Linear prediction: which filter a stretch of speech came out of (ITU-T G.729 clauses 3.2.1 and 3.2.2).

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::filter::dot;
use super::{Lpc, ORDER};

/// Samples that are analysed: 120 before the frame, its own 80, and 40 after it.
pub const WINDOW: usize = 240;
/// Of those, the ones before the window begins to fall.
const RISE: usize = 200;

/// Half a Hamming window, then a quarter of a cosine's period (equation 3).
static SHAPE: LazyLock<[f32; WINDOW]> = LazyLock::new(|| {
    std::array::from_fn(|n| {
        if n < RISE {
            0.54 - 0.46 * (2.0 * PI * n as f32 / (2 * RISE - 1) as f32).cos()
        } else {
            let fall = WINDOW - RISE;
            (2.0 * PI * (n - RISE) as f32 / (4 * fall - 1) as f32).cos()
        }
    })
});

/// Widens each formant by 60 Hz, and puts white noise 40 dB below the speech (equations 6 and 7).
static LAG_WINDOW: LazyLock<[f32; ORDER + 1]> = LazyLock::new(|| {
    std::array::from_fn(|lag| {
        let angle = 2.0 * PI * 60.0 * lag as f32 / 8_000.0;
        let noise = if lag == 0 { 1.000_1 } else { 1.0 };
        noise * (-0.5 * angle * angle).exp()
    })
});

/// The autocorrelation of the speech under the window.
#[inline(always)]
pub fn autocorrelate<const LAGS: usize>(speech: &[f32; WINDOW]) -> [f32; LAGS] {
    let shape = &*SHAPE;
    let mut padded = [0.0; LANES_BEFORE + WINDOW];
    for (padded, (sample, weight)) in padded[LANES_BEFORE..]
        .iter_mut()
        .zip(speech.iter().zip(shape))
    {
        *padded = sample * weight;
    }
    let windowed = &padded[LANES_BEFORE..];
    let mut correlations: [f32; LAGS] =
        std::array::from_fn(|lag| dot(windowed, &padded[LANES_BEFORE - lag..]));
    correlations[0] = correlations[0].max(1.0);
    correlations
}

/// Zeros before the windowed speech, as many as there are lags at most.
const LANES_BEFORE: usize = 16;

/// The filter of an autocorrelation, by Levinson's and Durbin's recursion; None where it is next to unstable.
#[inline(always)]
pub fn predict(correlations: &[f32; ORDER + 1]) -> Option<Lpc> {
    let lag_window = &*LAG_WINDOW;
    let correlations: [f32; ORDER + 1] =
        std::array::from_fn(|lag| correlations[lag] * lag_window[lag]);
    let mut lpc = [0.0; ORDER];
    let mut error = correlations[0];
    for order in 0..ORDER {
        let mut sum = correlations[order + 1];
        for k in 0..order {
            sum += lpc[k] * correlations[order - k];
        }
        let reflection = -sum / error;
        if reflection.abs() > MOST_REFLECTED {
            return None;
        }
        let before = lpc;
        for k in 0..order {
            lpc[k] += reflection * before[order - 1 - k];
        }
        lpc[order] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    Some(lpc)
}

/// A filter whose reflection coefficients come nearer to one is taken for unstable.
const MOST_REFLECTED: f32 = 0.999_5;
