//! The gains of the two parts of an excitation, quantised together (ITU-T G.729 clause 3.9).

use super::SUBFRAME;
use super::taming;
use crate::codec::linear_prediction::{energy, settled};

/// GA, the first stage: the pitch gain times 2^14, the correction of the predicted gain times 2^12.
const FIRST: [[i16; 2]; 8] = [
    [0, 758],
    [1551, 1213],
    [1831, 2511],
    [57, 2702],
    [1921, 4646],
    [3242, 4975],
    [356, 7378],
    [2678, 13581],
];
/// GB, the second stage, likewise.
const SECOND: [[i16; 2]; 16] = [
    [826, 1003],
    [1994, 0],
    [5142, 296],
    [6160, 1197],
    [8091, 2431],
    [9120, 263],
    [10573, 1483],
    [11569, 598],
    [13260, 1628],
    [14194, 815],
    [15132, 2457],
    [15161, 7138],
    [15434, 119],
    [16112, 1696],
    [17299, 931],
    [18973, 2968],
];
/// The codes of the entries, so chosen that a wrong bit does little harm (clause 3.9.3).
const FIRST_CODES: [u8; 8] = [5, 1, 4, 7, 3, 0, 6, 2];
const SECOND_CODES: [u8; 16] = [4, 6, 0, 2, 12, 14, 8, 10, 15, 11, 9, 13, 7, 3, 1, 5];

/// By the entry of the first stage: the pitch gains with each entry of the second, and the corrections.
static SUMS: [[[f32; 16]; 2]; 8] = {
    let mut sums = [[[0.0; 16]; 2]; 8];
    let mut at = 0;
    while at < 8 * 16 {
        let (one, other) = (FIRST[at / 16], SECOND[at % 16]);
        sums[at / 16][0][at % 16] = (one[0] + other[0]) as f32 / 16_384.0;
        sums[at / 16][1][at % 16] = (one[1] + other[1]) as f32 / 4_096.0;
        at += 1;
    }
    sums
};

/// Weights of the corrections before, the last one first (equation 69).
const PREDICTOR: [f32; 4] = [0.68, 0.58, 0.34, 0.19];
/// The mean energy of fixed-codebook excitations, dB.
const MEAN_DB: f32 = 30.0;
/// What the corrections before count as at a stream's beginning, and at least after a loss, dB.
const LEAST_DB: f32 = -14.0;

/// The gains of a sub-frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gains {
    /// What the repeated excitation is multiplied with, 0 to 1.36.
    pub pitch: f32,
    /// What the pulses are multiplied with.
    pub fixed: f32,
}

/// What a fixed-codebook gain is predicted from, the same in encoder and decoder.
pub struct Prediction {
    /// The corrections before, dB, the last one first.
    past: [f32; 4],
}

/// Inner products of what is to be matched (x) with the filtered repeated excitation (y) and the filtered pulses (z), and
/// of those two.
pub struct Products {
    pub xy: f32,
    pub yy: f32,
    pub xz: f32,
    pub yz: f32,
    pub zz: f32,
}

impl Gains {
    /// Of a lost sub-frame, by those of the one before (clause 4.4.2).
    pub fn faded(self) -> Self {
        Self {
            pitch: (0.9 * self.pitch).min(0.9),
            fixed: settled(0.98 * self.fixed),
        }
    }
}

impl Prediction {
    pub fn new() -> Self {
        Self {
            past: [LEAST_DB; 4],
        }
    }

    /// The gain that is expected for those pulses (equation 71).
    #[inline(always)]
    fn expected(&self, pulses: &[f32; SUBFRAME]) -> f32 {
        let predicted_db: f32 = self
            .past
            .iter()
            .zip(PREDICTOR)
            .map(|(past, weight)| past * weight)
            .sum();
        let mean = energy(pulses) / SUBFRAME as f32;
        from_db(predicted_db + MEAN_DB) / mean.sqrt()
    }

    fn push(&mut self, correction_db: f32) {
        self.past.rotate_right(1);
        self.past[0] = correction_db;
    }

    /// The codes of the gains that leave the least of `products`' x, and the gains.
    #[inline(always)]
    pub fn quantise(
        &mut self,
        pulses: &[f32; SUBFRAME],
        products: &Products,
        is_tamed: bool,
    ) -> ([u8; 2], Gains) {
        let expected = self.expected(pulses);
        let Products {
            mut xy,
            yy,
            xz,
            yz,
            zz,
        } = *products;
        if is_tamed {
            // As if what is aimed at were no more.
            xy = aim_lower(products);
        }
        let mut best = (f32::INFINITY, [0, 0]);
        for (first, [pitches, corrections]) in SUMS.iter().enumerate() {
            let errors: [f32; 16] = std::array::from_fn(|second| {
                let (pitch, fixed) = (pitches[second], corrections[second] * expected);
                let error = pitch * (pitch * yy - 2.0 * xy + 2.0 * fixed * yz)
                    + fixed * (fixed * zz - 2.0 * xz);
                if is_tamed && pitch >= taming::MOST_QUANTISED {
                    f32::INFINITY
                } else {
                    error
                }
            });
            let least = errors.iter().copied().fold(f32::INFINITY, f32::min);
            if least < best.0 {
                let second = errors.iter().position(|&error| error == least);
                best = (least, [first, second.unwrap_or(0)]);
            }
        }
        let [first, second] = best.1;
        let codes = [FIRST_CODES[first], SECOND_CODES[second]];
        (codes, self.gains(best.1, expected))
    }

    /// The gains of codes, for those pulses.
    #[inline(always)]
    pub fn dequantise(&mut self, codes: [u8; 2], pulses: &[f32; SUBFRAME]) -> Gains {
        let entry = |codes: &[u8], code| codes.iter().position(|&it| it == code).unwrap_or(0);
        let entries = [
            entry(&FIRST_CODES, codes[0]),
            entry(&SECOND_CODES, codes[1]),
        ];
        let expected = self.expected(pulses);
        self.gains(entries, expected)
    }

    /// Goes on without the codes of a lost sub-frame (clause 4.4.3).
    pub fn conceal(&mut self) {
        let mean = self.past.iter().sum::<f32>() / self.past.len() as f32;
        self.push((mean - 4.0).max(LEAST_DB));
    }

    fn gains(&mut self, [first, second]: [usize; 2], expected: f32) -> Gains {
        let [pitch, correction] = SUMS[first].map(|column| column[second]);
        self.push(to_db(correction));
        Gains {
            pitch,
            fixed: correction * expected,
        }
    }
}

/// The product of x and y that has the best pitch gain where it may be, if it is higher.
#[inline(always)]
fn aim_lower(products: &Products) -> f32 {
    let Products { xy, yy, xz, yz, zz } = *products;
    let determinant = yy * zz - yz * yz;
    if zz * xy - xz * yz > taming::MOST_AIM * determinant && zz > 0.0 {
        (taming::MOST_AIM * determinant + xz * yz) / zz
    } else {
        xy
    }
}

#[inline(always)]
fn from_db(db: f32) -> f32 {
    (db * (std::f32::consts::LN_10 / 20.0)).exp()
}

#[inline(always)]
fn to_db(gain: f32) -> f32 {
    gain.ln() * (20.0 / std::f32::consts::LN_10)
}
