//! The codebook that a frame builds of its own decoded residual (RFC 3951 sections 3.6 and 4.3 to 4.4).

use super::frame::{Frame, LONGEST_STATE};
use super::{LONGEST, Mode, STATE, SUBBLOCK};

/// Stages of refinement.
pub const STAGES: usize = 3;
/// Samples of memory for a whole sub-block.
pub const MEMORY: usize = 147;
/// Samples of memory for the rest of the start state's sub-blocks.
const BOUNDARY_MEMORY: usize = 85;
/// Vectors of a section that are interpolated, for whole sub-blocks only: delays of 20 to 39 samples.
pub const AUGMENTED: usize = 20;
/// Delay of the first of them.
pub const SHORTEST_DELAY: usize = 20;
/// Vectors of a whole sub-block's section that come straight from memory.
pub const DIRECT: usize = MEMORY - SUBBLOCK + 1;
/// Of those, what the later stages of the first whole sub-block use, to save a bit each.
pub const NARROWED: usize = 44;

/// The filter that makes the expanded section, from three samples before to four samples after.
static EXPANSION: [f32; 8] = [
    -0.033691, 0.08374, -0.144043, 0.713379, 0.806152, -0.184326, 0.108887, -0.03418,
];
const EXPANSION_PAST: usize = 3;
const EXPANSION_FUTURE: usize = 4;

/// Gains of the three stages; those of the second and third are shares of the gain before.
pub static GAINS_1: [f32; 32] = [
    0.037476, 0.075012, 0.112488, 0.150024, 0.1875, 0.224976, 0.262512, 0.299988, 0.337524, 0.375,
    0.412476, 0.450012, 0.487488, 0.525024, 0.5625, 0.599976, 0.637512, 0.674988, 0.712524, 0.75,
    0.787476, 0.825012, 0.862488, 0.900024, 0.9375, 0.974976, 1.012512, 1.049988, 1.087524, 1.125,
    1.162476, 1.200012,
];
static GAINS_2: [f32; 16] = [
    -1.049988, -0.900024, -0.75, -0.599976, -0.450012, -0.299988, -0.150024, 0.0, 0.150024,
    0.299988, 0.450012, 0.599976, 0.75, 0.900024, 1.049988, 1.200012,
];
static GAINS_3: [f32; 8] = [-1.0, -0.659973, -0.330017, 0.0, 0.25, 0.5, 0.75, 1.0];
/// What a gain before counts for at least.
const LEAST_SCALE: f32 = 0.1;

/// What codes one stretch: three vectors of the codebook and their gains.
///
/// Indices as on the wire, where those of a narrowed codebook leave no gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    pub indices: [u8; STAGES],
    pub gains: [u8; STAGES],
}

/// A stretch of a frame's residual that the codebook codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub begin: usize,
    pub samples: usize,
    /// Whether it is coded backwards in time, from what comes after it.
    pub backwards: bool,
    /// Whether it is the first whole sub-block, whose later stages have a narrowed codebook.
    pub narrowed: bool,
}

impl Stretch {
    /// The sub-block in which it begins.
    pub fn subblock(&self) -> usize {
        self.begin / SUBBLOCK
    }

    /// Copies its samples in the order of coding.
    pub fn read(&self, residual: &[f32], samples: &mut [f32]) {
        samples.copy_from_slice(&residual[self.begin..self.begin + self.samples]);
        if self.backwards {
            samples.reverse();
        }
    }

    fn write(&self, samples: &[f32], residual: &mut [f32]) {
        let place = &mut residual[self.begin..self.begin + self.samples];
        place.copy_from_slice(samples);
        if self.backwards {
            place.reverse();
        }
    }
}

/// Where a frame's scalar samples lie, and the stretches around them in the order of coding, the boundary first.
///
/// `start` is as in [`Frame::start`], and within the frame.
pub fn layout(mode: Mode, start: u8, scalar_first: bool) -> (usize, impl Iterator<Item = Stretch>) {
    let state = (usize::from(start) - 1) * SUBBLOCK;
    let scalar = mode.state_samples();
    let (scalar_begin, boundary_begin) = if scalar_first {
        (state, state + scalar)
    } else {
        (state + STATE - scalar, state)
    };
    let boundary = Stretch {
        begin: boundary_begin,
        samples: STATE - scalar,
        backwards: !scalar_first,
        narrowed: false,
    };
    let forwards = (state + STATE..mode.samples())
        .step_by(SUBBLOCK)
        .map(|begin| (begin, false));
    let backwards = (0..state)
        .step_by(SUBBLOCK)
        .rev()
        .map(|begin| (begin, true));
    let whole = forwards
        .chain(backwards)
        .enumerate()
        .map(|(number, (begin, backwards))| Stretch {
            begin,
            samples: SUBBLOCK,
            backwards,
            narrowed: number == 0,
        });
    (scalar_begin, std::iter::once(boundary).chain(whole))
}

/// Decodes what lies around the scalar samples, which `residual` holds already.
///
/// `choose` sees each stretch and its codebook's memory, and may set its stages, before they are decoded.
pub fn decode_around(
    mode: Mode,
    frame: &mut Frame,
    residual: &mut [f32; LONGEST],
    mut choose: impl FnMut(&Stretch, &[f32], &mut Stages),
) {
    let (scalar_begin, stretches) = layout(mode, frame.start, frame.scalar_first == 1);
    let mut known = scalar_begin..scalar_begin + mode.state_samples();
    debug_assert!(known.len() <= LONGEST_STATE);
    let all_stages = std::iter::once(&mut frame.boundary).chain(&mut frame.blocks);
    for (stretch, stages) in stretches.zip(all_stages) {
        let mut memory = [0.0; MEMORY];
        remember(&residual[known.clone()], stretch.backwards, &mut memory);
        let memory = if stretch.samples == SUBBLOCK {
            &memory[..]
        } else {
            &memory[MEMORY - BOUNDARY_MEMORY..]
        };
        choose(&stretch, memory, stages);
        let mut decoded = [0.0; SUBBLOCK];
        let decoded = &mut decoded[..stretch.samples];
        decode(stages, memory, stretch.narrowed, decoded);
        stretch.write(decoded, residual);
        known.start = known.start.min(stretch.begin);
        known.end = known.end.max(stretch.begin + stretch.samples);
    }
}

/// Fills a memory with what is next to the stretch to be coded; its last sample is the nearest. Zeros before.
fn remember(known: &[f32], backwards: bool, memory: &mut [f32; MEMORY]) {
    let samples = known.len().min(MEMORY);
    let place = &mut memory[MEMORY - samples..];
    if backwards {
        place.copy_from_slice(&known[..samples]);
        place.reverse();
    } else {
        place.copy_from_slice(&known[known.len() - samples..]);
    }
}

/// The sum of a stretch's three vectors times their gains.
fn decode(stages: &Stages, memory: &[f32], narrowed: bool, decoded: &mut [f32]) {
    let gains = gains(&stages.gains);
    let mut expanded = [0.0; MEMORY];
    let expanded = &mut expanded[..memory.len()];
    expand(memory, expanded);
    for (stage, (&index, gain)) in stages.indices.iter().zip(gains).enumerate() {
        let index = if narrowed && stage > 0 {
            widened(index)
        } else {
            usize::from(index)
        };
        let mut vector = [0.0; SUBBLOCK];
        let vector = &mut vector[..decoded.len()];
        construct(memory, expanded, index, vector);
        for (sample, part) in decoded.iter_mut().zip(vector.iter()) {
            *sample += gain * part;
        }
    }
}

/// The three gains of indices.
fn gains(indices: &[u8; STAGES]) -> [f32; STAGES] {
    let [first, second, third] = indices.map(usize::from);
    let first = GAINS_1[first % GAINS_1.len()];
    let second = scale_after(first) * GAINS_2[second % GAINS_2.len()];
    let third = scale_after(second) * GAINS_3[third % GAINS_3.len()];
    [first, second, third]
}

fn scale_after(gain: f32) -> f32 {
    gain.abs().max(LEAST_SCALE)
}

/// The nearest gain of a stage, after the `before` one; its index and itself.
pub fn quantise_gain(stage: usize, wanted: f32, before: f32) -> (u8, f32) {
    let (scale, levels): (f32, &[f32]) = match stage {
        0 => (1.0, &GAINS_1),
        1 => (scale_after(before), &GAINS_2),
        _ => (scale_after(before), &GAINS_3),
    };
    let mut best = (f32::INFINITY, 0, 0.0);
    for (index, level) in (0..).zip(levels) {
        let gain = scale * level;
        let distance = (wanted - gain).abs();
        if distance < best.0 {
            best = (distance, index, gain);
        }
    }
    (best.1, best.2)
}

/// An index of a narrowed codebook, in the numbering of a whole one: straight from memory, interpolated, and the two of
/// the expanded section.
pub fn widened(index: u8) -> usize {
    let index = usize::from(index);
    match index {
        0..NARROWED => index,
        NARROWED..108 => index + 64,
        _ => index + 128,
    }
}

/// The reverse of [`widened`].
pub fn narrowed(index: usize) -> usize {
    match index {
        0..NARROWED => index,
        NARROWED..172 => index - 64,
        _ => index - 128,
    }
}

/// Filters a memory into the memory of the expanded section (section 3.6.3.2).
pub fn expand(memory: &[f32], expanded: &mut [f32]) {
    let mut padded = [0.0; EXPANSION_PAST + MEMORY + EXPANSION_FUTURE];
    padded[EXPANSION_PAST..EXPANSION_PAST + memory.len()].copy_from_slice(memory);
    for (sample, window) in expanded.iter_mut().zip(padded.windows(EXPANSION.len())) {
        *sample = window.iter().zip(&EXPANSION).map(|(s, w)| s * w).sum();
    }
}

/// The vector of an index: of the memory's section, or of the expanded memory's after it.
///
/// An index past the last, which only 23 samples leave room for, is taken for the last.
pub fn construct(memory: &[f32], expanded: &[f32], index: usize, vector: &mut [f32]) {
    let length = vector.len();
    let direct = memory.len() - length + 1;
    let section = if length == SUBBLOCK {
        direct + AUGMENTED
    } else {
        direct
    };
    let index = index.min(2 * section - 1);
    let (source, within) = if index < section {
        (memory, index)
    } else {
        (expanded, index - section)
    };
    if within < direct {
        let begin = direct - 1 - within;
        vector.copy_from_slice(&source[begin..begin + length]);
    } else {
        interpolate(source, SHORTEST_DELAY + within - direct, vector);
    }
}

/// A vector of a delay shorter than itself: the last `delay` samples, and themselves again, faded over five samples
/// (section 3.6.3.3).
pub fn interpolate(memory: &[f32], delay: usize, vector: &mut [f32]) {
    const FADE: usize = 5;
    let recent = &memory[memory.len() - delay..];
    let (first, second) = vector.split_at_mut(delay);
    first.copy_from_slice(recent);
    second.copy_from_slice(&recent[..second.len()]);
    let earlier = &memory[memory.len() - delay - FADE..];
    for (step, (sample, before)) in first[delay - FADE..].iter_mut().zip(earlier).enumerate() {
        let share = 0.2 * step as f32;
        *sample = (1.0 - share) * *sample + share * before;
    }
}
