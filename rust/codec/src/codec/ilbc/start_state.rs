//! The start state: a frame's loudest stretch, quantised sample by sample (RFC 3951 sections 3.5 and 4.2).

use super::filter::synthesise;
use super::frame::LONGEST_STATE;
use super::{Lpc, ORDER};

/// Decimal logarithms of the largest magnitude.
static MAGNITUDES: [f32; 64] = [
    1.000085, 1.071695, 1.140395, 1.206868, 1.277188, 1.351503, 1.42938, 1.500727, 1.569049,
    1.639599, 1.707071, 1.781531, 1.840799, 1.90155, 1.956695, 2.00675, 2.055474, 2.102787,
    2.142819, 2.183592, 2.217962, 2.257177, 2.295739, 2.332967, 2.369248, 2.402792, 2.43508,
    2.468598, 2.503394, 2.539284, 2.572944, 2.605036, 2.636331, 2.668939, 2.69878, 2.729101,
    2.759786, 2.789834, 2.818679, 2.848074, 2.87747, 2.906899, 2.936655, 2.967804, 3.000115,
    3.033367, 3.066355, 3.104231, 3.141499, 3.183012, 3.222952, 3.265433, 3.308441, 3.350823,
    3.395275, 3.442793, 3.490801, 3.542514, 3.604064, 3.66605, 3.740994, 3.830749, 3.93877,
    4.101764,
];
/// What the largest magnitude is scaled to.
const SCALED: f32 = 4.5;
static SAMPLES: [f32; 8] = [
    -3.719849, -2.17749, -1.130005, -0.309692, 0.444214, 1.329712, 2.436279, 3.983887,
];

/// Quantises a residual. Returns the index of its scale, and its samples' indices.
///
/// `filter` is the quantised one of the first sub-block; `weights` are the weighting filters of the two sub-blocks, of
/// which the second begins at sample `turn`.
pub fn quantise(
    residual: &[f32],
    filter: &Lpc,
    weights: [&Lpc; 2],
    turn: usize,
) -> (u8, [u8; LONGEST_STATE]) {
    let mut storage = [0.0; ORDER + LONGEST_STATE];
    let weighted = &mut storage[..ORDER + residual.len()];
    weighted[ORDER..].copy_from_slice(residual);
    disperse(filter, &mut weighted[ORDER..]);
    let largest = weighted.iter().fold(0.0_f32, |most, it| most.max(it.abs()));
    let scale = nearest(&MAGNITUDES, largest.max(10.0).log10());
    let factor = 1.0 / unit(scale);
    weighted.iter_mut().for_each(|sample| *sample *= factor);
    synthesise(weights[0], &mut weighted[..ORDER + turn]);
    synthesise(weights[1], &mut weighted[turn..]);

    // Each sample is predicted by the weighting filter from those already quantised, so that the noise takes on the
    // filter's shape.
    let mut indices = [0; LONGEST_STATE];
    let mut coded = [0.0; ORDER + LONGEST_STATE];
    for at in 0..residual.len() {
        let weight = weights[usize::from(at >= turn)];
        let window = &mut coded[at..=at + ORDER];
        synthesise(weight, window);
        let prediction = window[ORDER];
        let index = nearest(&SAMPLES, weighted[at + ORDER] - prediction);
        window[ORDER] = SAMPLES[usize::from(index)] + prediction;
        indices[at] = index;
    }
    (scale, indices)
}

/// The residual of indices, as many as `residual` has places.
pub fn dequantise(scale: u8, indices: &[u8], filter: &Lpc, residual: &mut [f32]) {
    let unit = unit(scale);
    // The dispersion is undone by the same filter, run backwards.
    for (sample, &index) in residual.iter_mut().rev().zip(indices) {
        *sample = unit * SAMPLES[usize::from(index) % SAMPLES.len()];
    }
    disperse(filter, residual);
    residual.reverse();
}

/// The linear magnitude of one unit of the scaled samples.
fn unit(scale: u8) -> f32 {
    10.0_f32.powf(MAGNITUDES[usize::from(scale) % MAGNITUDES.len()]) / SCALED
}

/// The all-pass filter z^-10 A(1/z) / A(z), by circular convolution: spreads pulses, so that fewer samples stand out.
fn disperse(filter: &Lpc, block: &mut [f32]) {
    let length = block.len();
    let mut input = [0.0; ORDER + 2 * LONGEST_STATE];
    input[ORDER..ORDER + length].copy_from_slice(block);
    let mut output = [0.0; ORDER + 2 * LONGEST_STATE];
    let output = &mut output[..ORDER + 2 * length];
    for at in ORDER..output.len() {
        let (oldest, newer) = (input[at - ORDER], &input[at - ORDER + 1..=at]);
        let spread: f32 = newer
            .iter()
            .zip(filter)
            .map(|(sample, weight)| sample * weight)
            .sum();
        output[at] = oldest + spread;
    }
    synthesise(filter, output);
    let (first, second) = output[ORDER..].split_at(length);
    for ((sample, first), second) in block.iter_mut().zip(first).zip(second) {
        *sample = first + second;
    }
}

/// The index of the nearest of rising `levels`.
fn nearest(levels: &[f32], value: f32) -> u8 {
    let above = levels.partition_point(|&level| level < value);
    let nearer = match above {
        0 => 0,
        above if above == levels.len() => above - 1,
        above if value > 0.5 * (levels[above - 1] + levels[above]) => above,
        above => above - 1,
    };
    nearer as u8
}
