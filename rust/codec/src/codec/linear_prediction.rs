//! What the codecs have in common that predict each sample from the ten before it: G.729 and iLBC.
//!
//! Sums are kept apart in lanes, so that the compiler may use vector instructions; and all is inlined, so that it may use
//! those of [`crate::vector::widest`].

/// Samples that one is predicted from.
pub const ORDER: usize = 10;
const HALF: usize = ORDER / 2;

/// A(z) without its leading 1: the first coefficient belongs to the sample before.
pub type Lpc = [f32; ORDER];

/// Products that are summed side by side.
pub const LANES: usize = 8;

/// The inner product of two vectors, up to the end of the shorter.
#[inline(always)]
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    let shorter = left.len().min(right.len());
    let (left_chunks, left_rest) = left[..shorter].as_chunks::<LANES>();
    let (right_chunks, right_rest) = right[..shorter].as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for (left, right) in left_chunks.iter().zip(right_chunks) {
        for lane in 0..LANES {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(l, r)| l * r).sum();
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h)) + rest
}

/// The energy of a vector.
#[inline(always)]
pub fn energy(vector: &[f32]) -> f32 {
    dot(vector, vector)
}

/// The filter of the cosines of line spectral frequencies (ITU-T G.729 clause 3.2.6).
#[inline(always)]
pub fn lpc_of(cosines: &[f32; ORDER]) -> Lpc {
    let sum = half_product(std::array::from_fn(|k| cosines[2 * k]));
    let difference = half_product(std::array::from_fn(|k| cosines[2 * k + 1]));
    let mut lpc = [0.0; ORDER];
    for k in 0..HALF {
        // Times 1 + 1/z and 1 - 1/z; the one is symmetric, the other antisymmetric.
        let (even, odd) = (sum[k + 1] + sum[k], difference[k + 1] - difference[k]);
        lpc[k] = 0.5 * (even + odd);
        lpc[ORDER - 1 - k] = 0.5 * (even - odd);
    }
    lpc
}

/// The lower half of the coefficients of the product of `1 - 2 c/z + 1/z^2` over all `c`.
#[inline(always)]
fn half_product(cosines: [f32; HALF]) -> [f32; HALF + 1] {
    let mut product = [0.0; HALF + 1];
    product[0] = 1.0;
    for cosine in cosines {
        for k in (1..=HALF).rev() {
            let second = if k >= 2 { product[k - 2] } else { 0.0 };
            product[k] += second - 2.0 * cosine * product[k - 1];
        }
    }
    product
}

/// Nothing instead of what is so small that processors are slow with it.
#[inline(always)]
pub fn settled(sample: f32) -> f32 {
    if sample.abs() < 1e-20 { 0.0 } else { sample }
}

/// A second-order high-pass.
pub struct HighPass {
    zeros: [f32; 3],
    poles: [f32; 2],
    inputs: [f32; 2],
    outputs: [f32; 2],
}

impl HighPass {
    /// (z0 + z1/z + z2/z^2) / (1 + p0/z + p1/z^2)
    pub fn new(zeros: [f32; 3], poles: [f32; 2]) -> Self {
        Self {
            zeros,
            poles,
            inputs: [0.0; 2],
            outputs: [0.0; 2],
        }
    }

    /// Filters a block of samples in place.
    #[inline(always)]
    pub fn pass(&mut self, samples: &mut [f32]) {
        let ([mut x1, mut x2], [mut y1, mut y2]) = (self.inputs, self.outputs);
        for sample in samples {
            let x = *sample;
            let fed = self.zeros[0] * x + self.zeros[1] * x1 + self.zeros[2] * x2;
            let passed = fed - self.poles[1] * y2 - self.poles[0] * y1;
            (x1, x2, y1, y2) = (x, x1, passed, y1);
            *sample = passed;
        }
        (self.inputs, self.outputs) = ([x1, x2], [settled(y1), settled(y2)]);
    }
}
