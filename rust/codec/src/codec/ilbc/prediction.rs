//! Linear prediction: the analysis of speech, and the filters of each sub-block (RFC 3951 section 3.2).

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::{Filters, LONGEST, Lpc, Lsf, MOST_SUBBLOCKS, Mode, ORDER, lsf};
use crate::codec::linear_prediction::dot;
use crate::codec::linear_prediction::lpc_of;

/// Bandwidth expansion of the filters.
const CHIRP: f32 = 0.9025;
/// Bandwidth expansion that makes a weighting filter of a filter (section 3.4).
const WEIGHTING: f32 = 0.4222;

/// The share of the earlier of two sets in each sub-block.
const SHARES_20: [f32; 4] = [0.75, 0.5, 0.25, 0.0];
const SHARES_30: [f32; MOST_SUBBLOCKS] = [0.5, 1.0, 2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0];

struct Windows {
    hanning: [f32; LONGEST],
    /// Half a long Hanning window, then a quarter of a cosine: centred near the end without looking ahead.
    asymmetric: [f32; LONGEST],
    /// By lag: spreads the spectrum's peaks by 60 Hz and puts a floor of noise under it.
    lags: [f32; ORDER + 1],
}

static WINDOWS: LazyLock<Windows> = LazyLock::new(|| Windows {
    hanning: std::array::from_fn(|i| {
        let place = i.min(LONGEST - 1 - i) as f32;
        0.5 * (1.0 - (2.0 * PI * (place + 1.0) / (LONGEST as f32 + 1.0)).cos())
    }),
    asymmetric: std::array::from_fn(|i| {
        if i < 220 {
            (PI * (i as f32 + 1.0) / 441.0).sin().powi(2)
        } else {
            ((i as f32 - 220.0) * PI / 40.0).cos()
        }
    }),
    lags: std::array::from_fn(|lag| {
        if lag == 0 {
            1.0001
        } else {
            (-0.5 * (2.0 * PI * 60.0 * lag as f32 / 8_000.0).powi(2)).exp()
        }
    }),
});

/// The frequencies of the sets of a frame, of which `speech` holds so much:
/// 20 ms: the last 80 samples before the frame, and the frame; 30 ms: the last 60 samples before it, and it.
///
/// A set that cannot be told (the analysis came out unstable) is `before`, the last one of the frame before.
pub fn analyse(mode: Mode, speech: &[f32], before: &Lsf) -> [Lsf; 2] {
    let windows = &*WINDOWS;
    let last = analyse_window(&windows.asymmetric, &speech[speech.len() - LONGEST..]);
    match mode {
        Mode::Ms20 => [last.unwrap_or(*before); 2],
        Mode::Ms30 => {
            let first = analyse_window(&windows.hanning, speech).unwrap_or(*before);
            [first, last.unwrap_or(first)]
        }
    }
}

fn analyse_window(window: &[f32; LONGEST], speech: &[f32]) -> Option<Lsf> {
    let mut windowed = [0.0; LONGEST];
    for ((sample, &weight), &heard) in windowed.iter_mut().zip(window).zip(speech) {
        *sample = weight * heard;
    }
    let correlations: [f32; ORDER + 1] =
        std::array::from_fn(|lag| dot(&windowed, &windowed[lag..]) * WINDOWS.lags[lag]);
    lsf::from_lpc(&expand(&durbin(&correlations), CHIRP))
}

/// The filter of autocorrelations, by Levinson's and Durbin's recursion; of silence, one that passes all.
fn durbin(correlations: &[f32; ORDER + 1]) -> Lpc {
    let mut lpc = [0.0; ORDER];
    let mut error = correlations[0];
    if error < f32::EPSILON {
        return lpc;
    }
    for order in 0..ORDER {
        let predicted: f32 = (0..order).map(|k| lpc[k] * correlations[order - k]).sum();
        let reflection = -(correlations[order + 1] + predicted) / error;
        let shorter = lpc;
        for k in 0..order {
            lpc[k] += reflection * shorter[order - 1 - k];
        }
        lpc[order] = reflection;
        error *= 1.0 - reflection * reflection;
        if error <= 0.0 {
            break;
        }
    }
    lpc
}

/// A(z / chirp).
fn expand(lpc: &Lpc, chirp: f32) -> Lpc {
    let mut power = 1.0;
    lpc.map(|coefficient| {
        power *= chirp;
        coefficient * power
    })
}

/// The filters of each sub-block out of a frame's sets, and the last set of the frame before (section 3.2.6).
pub fn filters(mode: Mode, before: &Lsf, sets: &[Lsf; 2]) -> Filters {
    let mut filters = [[0.0; ORDER]; MOST_SUBBLOCKS];
    for (subblock, filter) in filters[..mode.subblocks()].iter_mut().enumerate() {
        let (earlier, later, share) = match mode {
            Mode::Ms20 => (before, &sets[0], SHARES_20[subblock]),
            Mode::Ms30 if subblock == 0 => (before, &sets[0], SHARES_30[0]),
            Mode::Ms30 => (&sets[0], &sets[1], SHARES_30[subblock]),
        };
        let mixed = std::array::from_fn(|k| share * earlier[k] + (1.0 - share) * later[k]);
        *filter = lpc_of(&mixed.map(f32::cos));
    }
    filters
}

/// The weighting filters, all-pole, of the filters of unquantised sets.
pub fn weighting(filters: &Filters) -> Filters {
    filters.map(|lpc| expand(&lpc, WEIGHTING))
}
