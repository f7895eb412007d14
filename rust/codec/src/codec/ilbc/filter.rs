//! Filters, and the inner products that take most of the codec's time.

use super::{Lpc, ORDER};
use crate::codec::linear_prediction::{HighPass, LANES, dot};

/// The inner products of `target` with every window of its length in `signal`, by the window's beginning.
///
/// `products` has as many places as there are windows.
pub fn correlate(signal: &[f32], target: &[f32], products: &mut [f32]) {
    debug_assert_eq!(products.len() + target.len(), signal.len() + 1);
    let (chunks, rest) = products.as_chunks_mut::<LANES>();
    let vectored = chunks.len() * LANES;
    for (chunk, begin) in chunks.iter_mut().zip((0..).step_by(LANES)) {
        let mut sums = [0.0_f32; LANES];
        for (window, &weight) in signal[begin..].windows(LANES).zip(target) {
            for lane in 0..LANES {
                sums[lane] += window[lane] * weight;
            }
        }
        *chunk = sums;
    }
    for (product, begin) in rest.iter_mut().zip(vectored..) {
        *product = dot(&signal[begin..begin + target.len()], target);
    }
}

/// Filters by 1/A(z), in place. The first [`ORDER`] samples are what the filter put out before.
pub fn synthesise(lpc: &Lpc, signal: &mut [f32]) {
    for at in ORDER..signal.len() {
        let mut sample = signal[at];
        // The newest sample last, so that only that product has to wait for it.
        for (&past, &weight) in signal[at - ORDER..at].iter().zip(lpc.iter().rev()) {
            sample -= weight * past;
        }
        signal[at] = sample;
    }
}

/// Filters by A(z). The first [`ORDER`] samples of `signal` came before those filtered.
pub fn analyse(lpc: &Lpc, signal: &[f32], residual: &mut [f32]) {
    residual.copy_from_slice(&signal[ORDER..]);
    for (delay, &weight) in (1..).zip(lpc) {
        for (sample, &past) in residual.iter_mut().zip(&signal[ORDER - delay..]) {
            *sample += weight * past;
        }
    }
}

/// Cuts off at 90 Hz, before the encoder (RFC 3951 appendix A.28).
pub fn high_pass_before_encoder() -> HighPass {
    HighPass::new(
        [0.927_274_4, -1.854_494_1, 0.927_274_4],
        [-1.905_946_5, 0.911_402_4],
    )
}

/// Cuts off at 65 Hz, after the decoder (RFC 3951 appendix A.30).
pub fn high_pass_after_decoder() -> HighPass {
    HighPass::new(
        [0.939_805_8, -1.879_583_4, 0.939_805_8],
        [-1.933_073_5, 0.935_892],
    )
}
