//! Filters, and the inner products that take most of the codec's time.
//!
//! Everything is written in lanes, sums kept apart, so that the compiler may use vector instructions; and inlined, so that
//! it may use those of [`crate::vector::widest`].

use super::{Lpc, ORDER, SUBFRAME};
use crate::codec::linear_prediction::{HighPass, LANES};

/// The inner products of `target` with the first [`LANES`] windows of its length in `signal`.
#[inline(always)]
pub fn correlate_lanes(signal: &[f32], target: &[f32]) -> [f32; LANES] {
    // The sum of every other sample is kept apart, so that one addition need not wait for the one before.
    let (mut even, mut odd) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (pairs, last) = target.as_chunks::<2>();
    for (window, pair) in signal.windows(LANES + 1).step_by(2).zip(pairs) {
        for lane in 0..LANES {
            even[lane] += window[lane] * pair[0];
            odd[lane] += window[lane + 1] * pair[1];
        }
    }
    if let [last] = last {
        let window = &signal[target.len() - 1..][..LANES];
        for lane in 0..LANES {
            even[lane] += window[lane] * last;
        }
    }
    std::array::from_fn(|lane| even[lane] + odd[lane])
}

/// The inner products of `target` with every window of its length in `signal`, by the window's beginning.
///
/// There are a multiple of [`LANES`] products, and as many windows at least.
#[inline(always)]
pub fn correlate(signal: &[f32], target: &[f32], products: &mut [f32]) {
    let (chunks, _) = products.as_chunks_mut::<LANES>();
    for (chunk, begin) in chunks.iter_mut().zip((0..).step_by(LANES)) {
        *chunk = correlate_lanes(&signal[begin..begin + target.len() + LANES - 1], target);
    }
}

/// What a filter of that impulse response makes of a sub-frame, when nothing came before.
#[inline(always)]
pub fn convolve(response: &[f32; SUBFRAME], signal: &[f32; SUBFRAME]) -> [f32; SUBFRAME] {
    let mut reversed = *response;
    reversed.reverse();
    let mut padded = [0.0; 2 * SUBFRAME - 1];
    padded[SUBFRAME - 1..].copy_from_slice(signal);
    let mut filtered = [0.0; SUBFRAME];
    correlate(&padded, &reversed, &mut filtered);
    filtered
}

/// The correlation of a signal with an impulse response that begins at each of its samples: the signal filtered
/// backwards.
#[inline(always)]
pub fn filter_backwards(response: &[f32; SUBFRAME], signal: &[f32; SUBFRAME]) -> [f32; SUBFRAME] {
    let mut padded = [0.0; 2 * SUBFRAME - 1];
    padded[..SUBFRAME].copy_from_slice(signal);
    let mut filtered = [0.0; SUBFRAME];
    correlate(&padded, response, &mut filtered);
    filtered
}

/// Takes what 1/A(z) still rings with, after the outputs `memory`, into what goes into it: so that it may start from
/// rest.
#[inline(always)]
pub fn fold_memory(lpc: &Lpc, memory: &[f32; ORDER], signal: &mut [f32; SUBFRAME]) {
    for at in 0..ORDER {
        signal[at] -= dot_in_order(&lpc[at..], &memory[at..]);
    }
}

/// The sum of `lpc[k] * outputs[last - k]`.
#[inline(always)]
fn dot_in_order(lpc: &[f32], outputs: &[f32]) -> f32 {
    let products = lpc.iter().rev().zip(outputs.iter()).map(|(a, y)| a * y);
    products.sum()
}

/// Filters by A(z). The first [`ORDER`] samples of `signal` came before those filtered.
#[inline(always)]
pub fn analyse(lpc: &Lpc, signal: &[f32; ORDER + SUBFRAME]) -> [f32; SUBFRAME] {
    let mut residual = [0.0; SUBFRAME];
    residual.copy_from_slice(&signal[ORDER..]);
    for (delay, &weight) in (1..).zip(lpc) {
        for (sample, &past) in residual.iter_mut().zip(&signal[ORDER - delay..]) {
            *sample += weight * past;
        }
    }
    residual
}

/// The impulse responses of several filters 1/A(z), made side by side.
#[inline(always)]
pub fn impulse_responses<const FILTERS: usize>(
    filters: [&Lpc; FILTERS],
) -> [[f32; SUBFRAME]; FILTERS] {
    let mut rows = [[0.0_f32; FILTERS]; ORDER + SUBFRAME];
    let weights: [[f32; FILTERS]; ORDER] =
        std::array::from_fn(|k| std::array::from_fn(|filter| filters[filter][ORDER - 1 - k]));
    rows[ORDER] = [1.0; FILTERS];
    for at in ORDER + 1..ORDER + SUBFRAME {
        let mut sample = [0.0_f32; FILTERS];
        // The newest sample last, so that only that product has to wait for it.
        for (past, weight) in rows[at - ORDER..at].iter().zip(&weights) {
            for filter in 0..FILTERS {
                sample[filter] -= weight[filter] * past[filter];
            }
        }
        rows[at] = sample;
    }
    std::array::from_fn(|filter| std::array::from_fn(|at| rows[ORDER + at][filter]))
}

/// A(z / gamma), of which the formants are wider.
#[inline(always)]
pub fn widened(lpc: &Lpc, gamma: f32) -> Lpc {
    let mut factor = 1.0;
    lpc.map(|coefficient| {
        factor *= gamma;
        coefficient * factor
    })
}

/// Cuts off at 140 Hz and halves, before the encoder (ITU-T G.729 equation 1).
pub fn high_pass_before_encoder() -> HighPass {
    HighPass::new(
        [0.463_637_18, -0.927_247_05, 0.463_637_18],
        [-1.905_946_5, 0.911_402_4],
    )
}

/// Cuts off at 100 Hz and doubles, after the decoder (equation 91).
pub fn high_pass_after_decoder() -> HighPass {
    HighPass::new(
        [1.879_611_6, -3.759_166_8, 1.879_611_6],
        [-1.933_073_5, 0.935_892],
    )
}
