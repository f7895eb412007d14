//! The quantisation of line spectral frequencies: predicted from the four frames before, what is left in two stages
//! (ITU-T G.729 clause 3.2.4).

use std::f32::consts::PI;

use super::frame::{LsfCodes, SilenceLsfCodes};
use super::lsf_codebooks::{FIRST, SECOND};
use super::{Lsf, ORDER};
use crate::codec::linear_prediction::LANES;

const HALF: usize = ORDER / 2;
/// Frames that a prediction is made from.
const PAST: usize = 4;

/// Weights of the frames before, the last one first, in each of the two predictors, times 2^15.
const PREDICTORS: [[[i16; ORDER]; PAST]; 2] = [
    [
        [8421, 9109, 9175, 8965, 9034, 9057, 8765, 8775, 9106, 8673],
        [7018, 7189, 7638, 7307, 7444, 7379, 7038, 6956, 6930, 6868],
        [5472, 4990, 5134, 5177, 5246, 5141, 5206, 5095, 4830, 5147],
        [4056, 3031, 2614, 3024, 2916, 2713, 3309, 3237, 2857, 3473],
    ],
    [
        [7733, 7880, 8188, 8175, 8247, 8490, 8637, 8601, 8359, 7569],
        [4210, 3031, 2552, 3473, 3876, 3853, 4184, 4154, 3909, 3968],
        [3214, 1930, 1313, 2143, 2493, 2385, 2755, 2706, 2542, 2919],
        [3024, 1592, 940, 1631, 1723, 1579, 2034, 2084, 1913, 2601],
    ],
];

/// A predictor: what frames before weigh, and what is left for the one that is quantised.
pub struct Weights {
    past: [Lsf; PAST],
    present: Lsf,
}

static WEIGHTS: [Weights; 2] = [Weights::mixed(1.0), Weights::mixed(0.0)];
/// Those of frames of silence: the second is in between (clause B.4.2.2).
static SILENCE_WEIGHTS: [Weights; 2] = [Weights::mixed(1.0), Weights::mixed(0.6)];

impl Weights {
    /// So much of the first predictor, and the rest of the second.
    const fn mixed(first: f32) -> Self {
        let mut weights = Self {
            past: [[0.0; ORDER]; PAST],
            present: [1.0; ORDER],
        };
        let mut at = 0;
        while at < PAST * ORDER {
            let (frame, k) = (at / ORDER, at % ORDER);
            weights.past[frame][k] = (first * PREDICTORS[0][frame][k] as f32
                + (1.0 - first) * PREDICTORS[1][frame][k] as f32)
                / 32_768.0;
            weights.present[k] -= weights.past[frame][k];
            at += 1;
        }
        weights
    }
}

/// Of what the codebooks are multiplied with.
const POINT: f32 = 8_192.0;

const fn floats<const N: usize, const ROWS: usize>(table: &[[i16; N]; ROWS]) -> [[f32; N]; ROWS] {
    let mut rows = [[0.0; N]; ROWS];
    let mut at = 0;
    while at < N * ROWS {
        rows[at / N][at % N] = table[at / N][at % N] as f32 / POINT;
        at += 1;
    }
    rows
}

/// A codebook by frequency and then by entry, to be searched side by side.
const fn by_frequency<const N: usize, const ROWS: usize>(
    table: &[[f32; N]; ROWS],
) -> [[f32; ROWS]; N] {
    let mut columns = [[0.0; ROWS]; N];
    let mut at = 0;
    while at < N * ROWS {
        columns[at % N][at / N] = table[at / N][at % N];
        at += 1;
    }
    columns
}

static FIRST_STAGE: [[f32; ORDER]; FIRST.len()] = floats(&FIRST);
static SECOND_STAGE: [[f32; ORDER]; SECOND.len()] = floats(&SECOND);
static FIRST_COLUMNS: [[f32; FIRST.len()]; ORDER] = by_frequency(&floats(&FIRST));
static SECOND_COLUMNS: [[f32; SECOND.len()]; ORDER] = by_frequency(&floats(&SECOND));

/// Entries of the codebooks that frames of silence choose among, for both halves of the second stage (clause B.4.2.2).
const SILENCE_FIRST: [u8; 32] = [
    96, 52, 20, 54, 86, 114, 82, 68, 36, 121, 48, 92, 18, 120, 94, 124, 50, 125, 4, 100, 28, 76,
    12, 117, 81, 22, 90, 116, 127, 21, 108, 66,
];
const SILENCE_SECOND: [[u8; 16]; 2] = [
    [31, 21, 9, 3, 10, 2, 19, 26, 4, 3, 11, 29, 15, 27, 21, 12],
    [16, 1, 0, 0, 8, 25, 22, 20, 19, 23, 20, 31, 4, 31, 20, 31],
];

/// Entries of the first stage that are tried with the second.
const TRIED: usize = 2;

/// Least distances of neighbours in what is added to the prediction, in the first and the second pass.
const APART: [f32; 2] = [0.001_2, 0.000_6];
/// The same of frequencies.
const FREQUENCIES_APART: f32 = 0.039_1;
const LEAST: f32 = 0.005;
const MOST: f32 = 3.135;

/// The frequencies a stream begins with, in even distances.
pub const EVEN: Lsf = {
    let mut even = [0.0; ORDER];
    let mut k = 0;
    while k < ORDER {
        even[k] = PI * (k + 1) as f32 / (ORDER + 1) as f32;
        k += 1;
    }
    even
};

/// What frequencies are predicted from, the same in encoder and decoder.
pub struct Prediction {
    /// What the codebooks gave for the frames before, the last one first.
    past: [Lsf; PAST],
}

impl Prediction {
    pub fn new() -> Self {
        Self { past: [EVEN; PAST] }
    }

    #[inline(always)]
    fn predicted(&self, weights: &Weights) -> Lsf {
        let mut predicted = [0.0; ORDER];
        for (past, weights) in self.past.iter().zip(&weights.past) {
            for k in 0..ORDER {
                predicted[k] += weights[k] * past[k];
            }
        }
        predicted
    }

    fn push(&mut self, added: Lsf) {
        self.past.rotate_right(1);
        self.past[0] = added;
    }

    /// The codes that come nearest to `lsf`, and what they stand for, as [`Self::dequantise`] will have it.
    #[inline(always)]
    pub fn quantise(&mut self, lsf: &Lsf) -> (LsfCodes, Lsf) {
        let importance = importance(lsf);
        let mut best = (f32::INFINITY, LsfCodes::default());
        for (predictor, weights) in (0..).zip(&WEIGHTS) {
            let predicted = self.predicted(weights);
            let target: Lsf = std::array::from_fn(|k| (lsf[k] - predicted[k]) / weights.present[k]);
            // What a difference in the codebooks' domain counts, once it is one of frequencies.
            let counts: Lsf =
                std::array::from_fn(|k| importance[k] * weights.present[k] * weights.present[k]);
            for first in nearest_first(&target) {
                let left: Lsf = std::array::from_fn(|k| target[k] - FIRST_STAGE[first][k]);
                let second = nearest_second(&left, &counts);
                let codes = LsfCodes {
                    predictor,
                    first: first as u8,
                    second: second.map(|entry| entry as u8),
                };
                let distance = distance(&target, &added(&codes), &counts);
                if distance < best.0 {
                    best = (distance, codes);
                }
            }
        }
        (best.1, self.dequantise(&best.1))
    }

    /// The frequencies of codes.
    #[inline(always)]
    pub fn dequantise(&mut self, codes: &LsfCodes) -> Lsf {
        let mut added = added(codes);
        // Once more as a whole, as the decoders of others do.
        for apart in APART {
            move_apart(&mut added, apart);
        }
        self.complete(&WEIGHTS[usize::from(codes.predictor & 1)], added)
    }

    /// The codes of silence that come nearest to `lsf`.
    pub fn quantise_silence(&self, lsf: &Lsf) -> SilenceLsfCodes {
        let importance = importance(lsf);
        let mut best = (f32::INFINITY, SilenceLsfCodes::default());
        for (predictor, weights) in (0..).zip(&SILENCE_WEIGHTS) {
            let predicted = self.predicted(weights);
            let target: Lsf = std::array::from_fn(|k| (lsf[k] - predicted[k]) / weights.present[k]);
            let first = SILENCE_FIRST
                .map(|entry| distance(&target, &FIRST_STAGE[usize::from(entry)], &[1.0; ORDER]));
            let first = nearest(&first) as u8;
            let counts: Lsf =
                std::array::from_fn(|k| importance[k] * weights.present[k] * weights.present[k]);
            for second in 0..SILENCE_SECOND[0].len() as u8 {
                let codes = SilenceLsfCodes {
                    predictor,
                    first,
                    second,
                };
                let distance = distance(&target, &added_in_silence(&codes), &counts);
                if distance < best.0 {
                    best = (distance, codes);
                }
            }
        }
        best.1
    }

    /// The frequencies of the codes of silence.
    pub fn dequantise_silence(&mut self, codes: &SilenceLsfCodes) -> Lsf {
        let mut added = added_in_silence(codes);
        for apart in APART {
            move_apart(&mut added, apart);
        }
        self.complete(&SILENCE_WEIGHTS[usize::from(codes.predictor & 1)], added)
    }

    /// Goes on without the codes of a frame whose frequencies are taken to be `lsf` (clause 4.4.1).
    pub fn conceal(&mut self, lsf: &Lsf, predictor: u8) {
        let weights = &WEIGHTS[usize::from(predictor & 1)];
        let predicted = self.predicted(weights);
        self.push(std::array::from_fn(|k| {
            (lsf[k] - predicted[k]) / weights.present[k]
        }));
    }

    /// The frequencies of a prediction and what is added to it; they make a stable filter, whatever was added.
    fn complete(&mut self, weights: &Weights, added: Lsf) -> Lsf {
        let predicted = self.predicted(weights);
        let mut lsf: Lsf = std::array::from_fn(|k| predicted[k] + weights.present[k] * added[k]);
        self.push(added);
        lsf.sort_unstable_by(f32::total_cmp);
        lsf[0] = lsf[0].max(LEAST);
        for k in 1..ORDER {
            lsf[k] = lsf[k].max(lsf[k - 1] + FREQUENCIES_APART);
        }
        lsf[ORDER - 1] = lsf[ORDER - 1].min(MOST);
        lsf
    }
}

/// How much a difference of each frequency is heard: more where neighbours are near (equation 22).
#[inline(always)]
fn importance(lsf: &Lsf) -> Lsf {
    std::array::from_fn(|k| {
        let below = if k == 0 { 0.04 * PI } else { lsf[k - 1] };
        let above = if k == ORDER - 1 {
            0.92 * PI
        } else {
            lsf[k + 1]
        };
        let room = above - below - 1.0;
        let weight = if room > 0.0 {
            1.0
        } else {
            10.0 * room * room + 1.0
        };
        if k == 4 || k == 5 {
            1.2 * weight
        } else {
            weight
        }
    })
}

/// The entries of the first stage that are nearest to a vector.
#[inline(always)]
fn nearest_first(vector: &Lsf) -> [usize; TRIED] {
    let mut distances = [0.0_f32; FIRST.len()];
    let (chunks, _) = distances.as_chunks_mut::<{ 2 * LANES }>();
    for (chunk, begin) in chunks.iter_mut().zip((0..).step_by(2 * LANES)) {
        let mut sums = [0.0_f32; 2 * LANES];
        for (frequency, column) in vector.iter().zip(&FIRST_COLUMNS) {
            for (sum, entry) in sums.iter_mut().zip(&column[begin..begin + 2 * LANES]) {
                *sum += (frequency - entry) * (frequency - entry);
            }
        }
        *chunk = sums;
    }
    std::array::from_fn(|_| {
        let nearest = nearest(&distances);
        distances[nearest] = f32::INFINITY;
        nearest
    })
}

/// The entries of the second stage's two halves that are nearest to what the first left, as far as it counts.
#[inline(always)]
fn nearest_second(left: &Lsf, counts: &Lsf) -> [usize; 2] {
    let mut distances = [[0.0_f32; SECOND.len()]; 2];
    for (k, column) in SECOND_COLUMNS.iter().enumerate() {
        for (distance, entry) in distances[k / HALF].iter_mut().zip(column) {
            *distance += counts[k] * (left[k] - entry) * (left[k] - entry);
        }
    }
    [nearest(&distances[0]), nearest(&distances[1])]
}

#[inline(always)]
fn nearest(distances: &[f32]) -> usize {
    let (chunks, _) = distances.as_chunks::<LANES>();
    let mut least = [f32::INFINITY; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            least[lane] = if chunk[lane] < least[lane] {
                chunk[lane]
            } else {
                least[lane]
            };
        }
    }
    let least = least.into_iter().fold(f32::INFINITY, f32::min);
    distances
        .iter()
        .position(|&distance| distance == least)
        .unwrap_or(0)
}

/// What the two stages add to the prediction.
#[inline(always)]
fn added(codes: &LsfCodes) -> Lsf {
    let first = &FIRST_STAGE[usize::from(codes.first) % FIRST.len()];
    let second = codes
        .second
        .map(|code| &SECOND_STAGE[usize::from(code) % SECOND.len()]);
    std::array::from_fn(|k| first[k] + second[k / HALF][k])
}

/// The same for a frame of silence.
fn added_in_silence(codes: &SilenceLsfCodes) -> Lsf {
    let second = usize::from(codes.second) % SILENCE_SECOND[0].len();
    added(&LsfCodes {
        predictor: codes.predictor,
        first: SILENCE_FIRST[usize::from(codes.first) % SILENCE_FIRST.len()],
        second: SILENCE_SECOND.map(|entries| entries[second]),
    })
}

/// The square of how far two vectors lie apart, as far as each frequency counts.
#[inline(always)]
fn distance(one: &Lsf, other: &Lsf, counts: &Lsf) -> f32 {
    let parts = (0..ORDER).map(|k| counts[k] * (one[k] - other[k]) * (one[k] - other[k]));
    parts.sum()
}

/// Moves neighbours apart that are too near, or not in order.
#[inline(always)]
fn move_apart(frequencies: &mut Lsf, apart: f32) {
    for k in 1..ORDER {
        let excess = 0.5 * (frequencies[k - 1] - frequencies[k] + apart);
        if excess > 0.0 {
            frequencies[k - 1] -= excess;
            frequencies[k] += excess;
        }
    }
}
