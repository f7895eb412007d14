//! The encoder's search of the codebook (RFC 3951 sections 3.6.2 to 3.7).

use super::codebook::{
    AUGMENTED, DIRECT, GAINS_1, MEMORY, NARROWED, SHORTEST_DELAY, STAGES, Stages, construct,
    expand, interpolate, narrowed, quantise_gain,
};
use super::filter::{correlate, synthesise};
use super::{Lpc, ORDER, SUBBLOCK};
use crate::codec::linear_prediction::{dot, energy};

/// Gains at which a vector is out of the question.
const GAIN_LIMIT: f32 = 1.3;

/// One half of the codebook: of the memory, or of the expanded memory.
struct Section<'a> {
    memory: &'a [f32],
    /// Of the vectors straight from memory, in the order of memory, which is the reverse of the indices': the inverse of
    /// their energies, or 0 for those without.
    direct: [f32; DIRECT],
    augmented: [([f32; SUBBLOCK], f32); AUGMENTED],
}

/// The best vector so far.
struct Best {
    index: usize,
    gain: f32,
    measure: f32,
}

impl<'a> Section<'a> {
    fn new(memory: &'a [f32], length: usize) -> Self {
        let mut squares = [0.0; MEMORY];
        let squares = &mut squares[..memory.len()];
        for (square, sample) in squares.iter_mut().zip(memory) {
            *square = sample * sample;
        }
        let mut direct = [0.0; DIRECT];
        let vectors = memory.len() - length + 1;
        correlate(squares, &[1.0; SUBBLOCK][..length], &mut direct[..vectors]);
        direct[..vectors]
            .iter_mut()
            .for_each(|it| *it = inverse(*it));
        let mut augmented = [([0.0; SUBBLOCK], 0.0); AUGMENTED];
        if length == SUBBLOCK {
            for (delay, (vector, inverse_energy)) in (SHORTEST_DELAY..).zip(&mut augmented) {
                interpolate(memory, delay, vector);
                *inverse_energy = inverse(energy(vector));
            }
        }
        Self {
            memory,
            direct,
            augmented,
        }
    }

    /// Looks for a better vector than `best` among the first `direct` ones and the interpolated ones; the section's
    /// indices begin at `first`, and those of its interpolated vectors at `first_augmented`.
    fn search(
        &self,
        target: &[f32],
        direct: usize,
        (first, first_augmented): (usize, usize),
        positive: bool,
        best: &mut Best,
    ) {
        let vectors = self.memory.len() - target.len() + 1;
        let skipped = vectors - direct;
        let mut products = [0.0; DIRECT];
        let products = &mut products[..direct];
        correlate(&self.memory[skipped..], target, products);
        let newest_first = products.iter().zip(&self.direct[skipped..vectors]).rev();
        for (index, (&product, &inverse_energy)) in (first..).zip(newest_first) {
            best.consider(index, product, inverse_energy, positive);
        }
        if target.len() == SUBBLOCK {
            for (index, (vector, inverse_energy)) in (first_augmented..).zip(&self.augmented) {
                best.consider(index, dot(vector, target), *inverse_energy, positive);
            }
        }
    }
}

impl Best {
    fn consider(&mut self, index: usize, product: f32, inverse_energy: f32, positive: bool) {
        let gain = product * inverse_energy;
        let measure = product * gain;
        if measure > self.measure && gain.abs() < GAIN_LIMIT && (gain > 0.0 || !positive) {
            *self = Self {
                index,
                gain,
                measure,
            };
        }
    }
}

fn inverse(energy: f32) -> f32 {
    if energy > f32::EPSILON {
        1.0 / energy
    } else {
        0.0
    }
}

/// Finds what codes a target, weighted by the all-pole filter `weight`.
///
/// `narrow`: the later stages have [`NARROWED`] vectors straight from memory.
pub fn search(memory: &[f32], target: &[f32], weight: &Lpc, narrow: bool) -> Stages {
    let length = target.len();
    let mut weighted = [0.0; ORDER + MEMORY + SUBBLOCK];
    let weighted = &mut weighted[..ORDER + memory.len() + length];
    weighted[ORDER..ORDER + memory.len()].copy_from_slice(memory);
    weighted[ORDER + memory.len()..].copy_from_slice(target);
    synthesise(weight, weighted);
    let (memory, target) = weighted[ORDER..].split_at_mut(memory.len());
    let wanted = energy(target);

    let mut expanded = [0.0; MEMORY];
    let expanded = &mut expanded[..memory.len()];
    expand(memory, expanded);
    let plain = Section::new(memory, length);
    let filtered = Section::new(expanded, length);
    let vectors = memory.len() - length + 1;
    let section = if length == SUBBLOCK {
        vectors + AUGMENTED
    } else {
        vectors
    };

    let mut stages = Stages::default();
    let mut coded = [0.0; SUBBLOCK];
    let coded = &mut coded[..length];
    let mut gains = [0.0; STAGES];
    for stage in 0..STAGES {
        let narrow = narrow && stage > 0;
        let direct = if narrow { NARROWED } else { vectors };
        let mut best = Best {
            index: 0,
            gain: 0.0,
            measure: 0.0,
        };
        let positive = stage == 0;
        plain.search(target, direct, (0, vectors), positive, &mut best);
        let indices = (section, section + vectors);
        filtered.search(target, direct, indices, positive, &mut best);

        let before = if stage == 0 { 1.0 } else { gains[stage - 1] };
        let (gain_index, gain) = quantise_gain(stage, best.gain, before);
        let mut vector = [0.0; SUBBLOCK];
        let vector = &mut vector[..length];
        construct(memory, expanded, best.index, vector);
        for ((left, sum), part) in target.iter_mut().zip(coded.iter_mut()).zip(vector.iter()) {
            *left -= gain * part;
            *sum += gain * part;
        }
        gains[stage] = gain;
        stages.gains[stage] = gain_index;
        let index = if narrow {
            narrowed(best.index)
        } else {
            best.index
        };
        stages.indices[stage] = index as u8;
    }
    stages.gains[0] = louder(stages.gains[0], gains[0], energy(coded), wanted);
    stages
}

/// The first stage's gain, with which the others scale, raised as far as the coded energy stays below the `wanted` one
/// and the gain at most doubles: matching by least squares alone makes noise too quiet (section 3.7).
fn louder(index: u8, gain: f32, coded: f32, wanted: f32) -> u8 {
    let mut louder = index;
    for (index, level) in (0..).zip(&GAINS_1).skip(usize::from(index)) {
        let current = GAINS_1[usize::from(louder)];
        if coded * level * level < wanted * gain * gain && current < 2.0 * gain {
            louder = index;
        }
    }
    louder
}
