//! Line spectral frequencies: from filters and back, and their quantisation (RFC 3951 sections 3.2.3 to 3.2.5).

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::lsf_codebooks::{HIGH, LOW, MIDDLE};
use super::{Lpc, Lsf, ORDER};

/// The mean over many speakers, from which a stream begins.
pub const MEAN: Lsf = [
    0.281738, 0.445801, 0.66333, 0.962524, 1.251831, 1.533081, 1.850586, 2.137817, 2.481445,
    2.777344,
];

const HALF: usize = ORDER / 2;
/// Steps from 0 to pi in which roots are looked for.
const STEPS: usize = 128;
const BISECTIONS: usize = 4;

/// Least distance of two neighbours, 50 Hz.
const APART: f32 = 0.039;
const LEAST: f32 = 0.01;
#[expect(clippy::approx_constant, reason = "the RFC's rounding of 4000 Hz")]
const MOST: f32 = 3.14;
/// Neighbours nearer than this make a filter ring without end; no speech has them.
const TOO_NEAR: f32 = 0.1 * APART;

static COSINES: LazyLock<[f32; STEPS + 1]> =
    LazyLock::new(|| std::array::from_fn(|step| (PI * step as f32 / STEPS as f32).cos()));

/// The frequencies of a filter; None if it is not stable, or so nearly unstable that they run together.
///
/// They are the angles of the roots of A(z) + z^-11 A(1/z) and A(z) - z^-11 A(1/z), which lie on the unit circle and
/// take turns.
pub fn from_lpc(lpc: &Lpc) -> Option<Lsf> {
    // The two polynomials without their roots at -1 and 1, as sums of cosines.
    let (mut sum, mut difference) = ([1.0_f32; HALF + 1], [1.0_f32; HALF + 1]);
    for k in 0..HALF {
        let (near, far) = (lpc[k], lpc[ORDER - 1 - k]);
        sum[k + 1] = near + far - sum[k];
        difference[k + 1] = near - far + difference[k];
    }
    let polynomials = [sum, difference];

    let mut lsf = [0.0; ORDER];
    let mut found = 0;
    let (mut left, mut at_left) = (1.0, value(&polynomials[0], 1.0));
    for &right in &COSINES[1..] {
        // Both polynomials may have a root within one step.
        while found < ORDER {
            let polynomial = &polynomials[found % 2];
            let at_right = value(polynomial, right);
            if at_left * at_right > 0.0 {
                at_left = at_right;
                break;
            }
            let root = root_between(polynomial, (left, at_left), (right, at_right));
            lsf[found] = root.acos();
            found += 1;
            left = root;
            at_left = value(&polynomials[found % 2], root);
        }
        left = right;
    }
    (found == ORDER && lsf.is_sorted()).then_some(lsf)
}

/// `cos 5w + p1 cos 4w + … + p5 / 2` for `x` = cos w, by Clenshaw's recurrence.
fn value(polynomial: &[f32; HALF + 1], x: f32) -> f32 {
    let (mut last, mut before) = (polynomial[0], 0.0);
    for &coefficient in &polynomial[1..HALF] {
        (last, before) = (2.0 * x * last - before + coefficient, last);
    }
    x * last - before + 0.5 * polynomial[HALF]
}

fn root_between(
    polynomial: &[f32; HALF + 1],
    (mut left, mut at_left): (f32, f32),
    (mut right, mut at_right): (f32, f32),
) -> f32 {
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (left + right);
        let at_middle = value(polynomial, middle);
        if at_left * at_middle <= 0.0 {
            (right, at_right) = (middle, at_middle);
        } else {
            (left, at_left) = (middle, at_middle);
        }
    }
    let rise = at_right - at_left;
    if rise == 0.0 {
        left
    } else {
        (left - at_left * (right - left) / rise).clamp(right, left)
    }
}

/// The nearest entries of the three codebooks.
pub fn quantise(lsf: &Lsf) -> [u8; 3] {
    [
        nearest(&LOW, &lsf[..3]),
        nearest(&MIDDLE, &lsf[3..6]),
        nearest(&HIGH, &lsf[6..]),
    ]
}

fn nearest<const D: usize>(codebook: &[[f32; D]], vector: &[f32]) -> u8 {
    let mut best = (f32::INFINITY, 0);
    for (index, entry) in (0..).zip(codebook) {
        let distance: f32 = entry
            .iter()
            .zip(vector)
            .map(|(e, v)| (e - v) * (e - v))
            .sum();
        if distance < best.0 {
            best = (distance, index);
        }
    }
    best.1
}

/// The frequencies of indices into the three codebooks, moved apart where need be.
pub fn dequantise(indices: [u8; 3]) -> Lsf {
    let [low, middle, high] = indices.map(usize::from);
    let mut lsf = [0.0; ORDER];
    lsf[..3].copy_from_slice(&LOW[low % LOW.len()]);
    lsf[3..6].copy_from_slice(&MIDDLE[middle % MIDDLE.len()]);
    lsf[6..].copy_from_slice(&HIGH[high % HIGH.len()]);
    stabilise(&mut lsf);
    lsf
}

/// Moves neighbours apart as the RFC's appendix A.26 does, in two passes; what is then still not in order, which only
/// made-up frames bring about, is put in order.
fn stabilise(lsf: &mut Lsf) {
    for _ in 0..2 {
        for k in 0..ORDER - 1 {
            let (lower, upper) = (lsf[k], lsf[k + 1]);
            if upper < lower {
                lsf[k + 1] = lower + 0.5 * APART;
                lsf[k] = lower;
            } else if upper - lower < APART {
                lsf[k] = lower - 0.5 * APART;
                lsf[k + 1] = upper + 0.5 * APART;
            }
            lsf[k] = lsf[k].clamp(LEAST, MOST);
        }
    }
    let in_order = lsf.windows(2).all(|pair| pair[1] - pair[0] >= TOO_NEAR);
    if !in_order || lsf[ORDER - 1] > MOST {
        lsf.sort_by(f32::total_cmp);
        let (mut least, mut most) = (LEAST, MOST);
        for frequency in lsf.iter_mut() {
            *frequency = frequency.max(least);
            least = *frequency + 0.5 * APART;
        }
        for frequency in lsf.iter_mut().rev() {
            *frequency = frequency.min(most);
            most = *frequency - 0.5 * APART;
        }
    }
}
