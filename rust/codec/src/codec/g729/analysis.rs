//! Linear prediction: which filter a stretch of speech came out of (ITU-T G.729 clauses 3.2.1 and 3.2.2).

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::{Lpc, ORDER};
use crate::codec::linear_prediction::{LANES, dot};

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
static LAG_WINDOW: LazyLock<[f32; LAGS]> = LazyLock::new(|| {
    std::array::from_fn(|lag| {
        let angle = 2.0 * PI * 60.0 * lag as f32 / 8_000.0;
        let noise = if lag == 0 { 1.000_1 } else { 1.0 };
        noise * (-0.5 * angle * angle).exp()
    })
});

/// Lags of an autocorrelation: as many as the filter needs, and two more to look for voice with.
pub const LAGS: usize = ORDER + 3;
/// Zeros before the windowed speech.
const BEFORE: usize = LAGS.next_multiple_of(LANES);

/// The autocorrelation of the speech under the window.
#[inline(always)]
pub fn autocorrelate(speech: &[f32; WINDOW]) -> [f32; LAGS] {
    let shape = &*SHAPE;
    let mut padded = [0.0; BEFORE + WINDOW];
    for (padded, (sample, weight)) in padded[BEFORE..].iter_mut().zip(speech.iter().zip(shape)) {
        *padded = sample * weight;
    }
    let windowed = &padded[BEFORE..];
    let mut correlations: [f32; LAGS] =
        std::array::from_fn(|lag| dot(windowed, &padded[BEFORE - lag..]));
    correlations[0] = correlations[0].max(1.0);
    correlations
}

/// An autocorrelation under the lag window.
#[inline(always)]
pub fn widen(correlations: &[f32; LAGS]) -> [f32; LAGS] {
    let lag_window = &*LAG_WINDOW;
    std::array::from_fn(|lag| correlations[lag] * lag_window[lag])
}

/// What was predicted.
pub struct Prediction {
    /// None where the filter is next to unstable.
    pub lpc: Option<Lpc>,
    /// The second reflection coefficient.
    pub reflection: f32,
    /// The energy that the filter leaves.
    pub left: f32,
}

/// The filter of an autocorrelation, whose first is above zero, by Levinson's and Durbin's recursion.
#[inline(always)]
pub fn predict(correlations: &[f32]) -> Prediction {
    let mut lpc = [0.0; ORDER];
    let mut prediction = Prediction {
        lpc: None,
        reflection: 0.0,
        left: correlations[0],
    };
    for order in 0..ORDER {
        let mut sum = correlations[order + 1];
        for k in 0..order {
            sum += lpc[k] * correlations[order - k];
        }
        let reflection = -sum / prediction.left;
        if reflection.abs() > MOST_REFLECTED {
            return prediction;
        }
        let before = lpc;
        for k in 0..order {
            lpc[k] += reflection * before[order - 1 - k];
        }
        lpc[order] = reflection;
        prediction.left *= 1.0 - reflection * reflection;
        if order == 1 {
            prediction.reflection = reflection;
        }
    }
    prediction.lpc = Some(lpc);
    prediction
}

/// A filter whose reflection coefficients come nearer to one is taken for unstable.
const MOST_REFLECTED: f32 = 0.999_5;
