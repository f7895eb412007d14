//! Line spectral frequencies: from filters and back (ITU-T G.729 clauses 3.2.3 and 3.2.6).

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::{Lpc, Lsf, ORDER};
use crate::codec::linear_prediction::LANES;
use crate::codec::linear_prediction::lpc_of;

const HALF: usize = ORDER / 2;
/// Steps from 0 to pi in which roots are looked for.
const STEPS: usize = 127;
const BISECTIONS: usize = 3;

static COSINES: LazyLock<[f32; STEPS + 1]> =
    LazyLock::new(|| std::array::from_fn(|step| (PI * step as f32 / STEPS as f32).cos()));

/// The frequencies of a filter, radians; None if it is not stable, or so nearly unstable that they run together.
///
/// They are the angles of the roots of A(z) + z^-11 A(1/z) and A(z) - z^-11 A(1/z), which lie on the unit circle and
/// take turns.
#[inline(always)]
pub fn from_lpc(lpc: &Lpc) -> Option<Lsf> {
    // The two polynomials without their roots at -1 and 1, as sums of cosines.
    let (mut sum, mut difference) = ([1.0_f32; HALF + 1], [1.0_f32; HALF + 1]);
    for k in 0..HALF {
        let (near, far) = (lpc[k], lpc[ORDER - 1 - k]);
        sum[k + 1] = near + far - sum[k];
        difference[k + 1] = near - far + difference[k];
    }
    let polynomials = [sum, difference];

    let cosines = &*COSINES;
    let mut steps = [0; ORDER];
    for (which, polynomial) in polynomials.iter().enumerate() {
        let mut found = which;
        each_change(polynomial, cosines, |step| {
            if let Some(place) = steps.get_mut(found) {
                *place = step;
            }
            found += 2;
        });
        if found != ORDER + which {
            return None;
        }
    }

    // All roots at once, each within its step.
    let weights: [[f32; ORDER]; HALF + 1] =
        std::array::from_fn(|k| std::array::from_fn(|root| polynomials[root % 2][k]));
    let mut left = steps.map(|step| cosines[step]);
    let mut right = steps.map(|step| cosines[step + 1]);
    let mut at_left = values(&weights, &left);
    let mut at_right = values(&weights, &right);
    for _ in 0..BISECTIONS {
        let middle: [f32; ORDER] = std::array::from_fn(|root| 0.5 * (left[root] + right[root]));
        let at_middle = values(&weights, &middle);
        for root in 0..ORDER {
            let is_left = (at_left[root] < 0.0) == (at_middle[root] < 0.0);
            left[root] = if is_left { middle[root] } else { left[root] };
            at_left[root] = if is_left {
                at_middle[root]
            } else {
                at_left[root]
            };
            right[root] = if is_left { right[root] } else { middle[root] };
            at_right[root] = if is_left {
                at_right[root]
            } else {
                at_middle[root]
            };
        }
    }
    let lsf: Lsf = std::array::from_fn(|root| {
        // They lie on both sides of zero, or one on it: their difference is none.
        let part = at_left[root] / (at_left[root] - at_right[root]);
        (left[root] + part * (right[root] - left[root]))
            .clamp(-1.0, 1.0)
            .acos()
    });
    lsf.is_sorted_by(|lower, upper| lower < upper)
        .then_some(lsf)
}

/// Calls `change` with each step in which the polynomial changes its sign.
#[inline(always)]
fn each_change(
    polynomial: &[f32; HALF + 1],
    cosines: &[f32; STEPS + 1],
    mut change: impl FnMut(usize),
) {
    let mut below = [false; STEPS + 1];
    let (signs, _) = below.as_chunks_mut::<LANES>();
    let (cosines, _) = cosines.as_chunks::<LANES>();
    let weights = polynomial.map(|weight| [weight; LANES]);
    for (signs, cosines) in signs.iter_mut().zip(cosines) {
        *signs = values(&weights, cosines).map(|value| value < 0.0);
    }
    for (step, pair) in below.windows(2).enumerate() {
        if pair[0] != pair[1] {
            change(step);
        }
    }
}

/// `cos 5w + p1 cos 4w + … + p5 / 2` for each `x` = cos w, by Clenshaw's recurrence.
#[inline(always)]
fn values<const N: usize>(weights: &[[f32; N]; HALF + 1], x: &[f32; N]) -> [f32; N] {
    std::array::from_fn(|at| {
        let (mut last, mut before) = (weights[0][at], 0.0);
        for weights in &weights[1..HALF] {
            (last, before) = (2.0 * x[at] * last - before + weights[at], last);
        }
        x[at] * last - before + 0.5 * weights[HALF][at]
    })
}

/// The filters of a frame's sub-frames: the first one's lies half way from the frame before (clause 3.2.5).
#[inline(always)]
pub fn filters(before: &[f32; ORDER], cosines: &[f32; ORDER]) -> [Lpc; 2] {
    let half_way = std::array::from_fn(|k| 0.5 * (before[k] + cosines[k]));
    [lpc_of(&half_way), lpc_of(cosines)]
}
