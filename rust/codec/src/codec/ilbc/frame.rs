//! A frame's parameters and their bits (RFC 3951 section 3.8).

use super::codebook::Stages;
use super::{MOST_SUBBLOCKS, Mode};

/// Bits of a parameter in each of the three classes, the most sensitive first.
type Widths = [u8; 3];

/// Scalar samples of the longest start state.
pub const LONGEST_STATE: usize = 58;
/// Sub-blocks coded from the codebook, besides the rest of the start state's.
pub const MOST_BLOCKS: usize = MOST_SUBBLOCKS - 2;

/// Everything that one frame says.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Indices into the three codebooks of line spectral frequencies, for each set.
    pub lsf: [[u8; 3]; 2],
    /// The first sub-block of the start state's two, from 1.
    pub start: u8,
    /// 1 if the scalar samples come first in those two sub-blocks, 0 if they come last.
    pub scalar_first: u8,
    /// Index of the scalar samples' scale.
    pub scale: u8,
    /// Indices of the scalar samples.
    pub state: [u8; LONGEST_STATE],
    /// What codes the rest of the two sub-blocks, 23 or 22 samples.
    pub boundary: Stages,
    /// What codes the other sub-blocks, in the order of coding.
    pub blocks: [Stages; MOST_BLOCKS],
}

/// Widths that differ between the modes: of `start`, and of the codebook's indices and gains, the boundary's first.
struct Layout {
    start: Widths,
    indices: [[Widths; 3]; MOST_BLOCKS + 1],
    gains: [[Widths; 3]; MOST_BLOCKS + 1],
}

const LSF: [Widths; 3] = [[6, 0, 0], [7, 0, 0], [7, 0, 0]];
const SCALAR_FIRST: Widths = [1, 0, 0];
const SCALE: Widths = [6, 0, 0];
const SAMPLE: Widths = [0, 1, 2];

const NONE: [Widths; 3] = [[0; 3]; 3];

static LAYOUT_20: Layout = Layout {
    start: [2, 0, 0],
    indices: [
        [[6, 0, 1], [0, 0, 7], [0, 0, 7]],
        [[7, 0, 1], [0, 0, 7], [0, 0, 7]],
        [[0, 0, 8], [0, 0, 8], [0, 0, 8]],
        NONE,
        NONE,
    ],
    gains: [
        [[2, 0, 3], [1, 1, 2], [0, 0, 3]],
        [[1, 2, 2], [1, 1, 2], [0, 0, 3]],
        [[1, 1, 3], [0, 2, 2], [0, 0, 3]],
        NONE,
        NONE,
    ],
};

static LAYOUT_30: Layout = Layout {
    start: [3, 0, 0],
    indices: [
        [[4, 2, 1], [0, 0, 7], [0, 0, 7]],
        [[6, 1, 1], [0, 0, 7], [0, 0, 7]],
        [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
        [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
        [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
    ],
    gains: [
        [[1, 1, 3], [1, 1, 2], [0, 0, 3]],
        [[1, 2, 2], [1, 2, 1], [0, 0, 3]],
        [[0, 2, 3], [0, 2, 2], [0, 0, 3]],
        [[0, 1, 4], [0, 1, 3], [0, 0, 3]],
        [[0, 1, 4], [0, 1, 3], [0, 0, 3]],
    ],
};

impl Frame {
    /// A frame of zeros.
    pub fn empty() -> Self {
        Self {
            lsf: [[0; 3]; 2],
            start: 0,
            scalar_first: 0,
            scale: 0,
            state: [0; LONGEST_STATE],
            boundary: Stages::default(),
            blocks: [Stages::default(); MOST_BLOCKS],
        }
    }

    /// Reads one frame's `octets`, as many as the mode has.
    ///
    /// None for a frame that says it is none (its last bit), or whose start state lies outside it.
    pub fn unpack(mode: Mode, octets: &[u8]) -> Option<Self> {
        let mut bits = BitReader { octets, at: 0 };
        let mut frame = Self::empty();
        for class in 0..3 {
            frame.each_parameter(mode, |value, widths| {
                let width = widths[class];
                *value = (u16::from(*value) << width) as u8 | bits.take(width);
            });
        }
        let absent = bits.take(1) == 1;
        let starts = 1..mode.subblocks();
        (!absent && starts.contains(&usize::from(frame.start))).then_some(frame)
    }

    /// Appends the frame's octets.
    pub fn pack(mut self, mode: Mode, payload: &mut Vec<u8>) {
        let mut bits = BitWriter { payload, free: 0 };
        for class in 0..3 {
            self.each_parameter(mode, |value, widths| {
                let below: u8 = widths[class + 1..].iter().sum();
                let part = u16::from(*value) >> below & ((1 << widths[class]) - 1);
                bits.put(part as u8, widths[class]);
            });
        }
        bits.put(0, 1);
    }

    /// Visits the parameters in the order of table 3.2, with their widths.
    fn each_parameter(&mut self, mode: Mode, mut visit: impl FnMut(&mut u8, Widths)) {
        let layout = match mode {
            Mode::Ms20 => &LAYOUT_20,
            Mode::Ms30 => &LAYOUT_30,
        };
        for set in &mut self.lsf[..mode.lsf_sets()] {
            for (index, widths) in set.iter_mut().zip(LSF) {
                visit(index, widths);
            }
        }
        visit(&mut self.start, layout.start);
        visit(&mut self.scalar_first, SCALAR_FIRST);
        visit(&mut self.scale, SCALE);
        for sample in &mut self.state[..mode.state_samples()] {
            visit(sample, SAMPLE);
        }
        let (boundary, blocks) = (&mut self.boundary, &mut self.blocks);
        for (index, widths) in boundary.indices.iter_mut().zip(layout.indices[0]) {
            visit(index, widths);
        }
        for (gain, widths) in boundary.gains.iter_mut().zip(layout.gains[0]) {
            visit(gain, widths);
        }
        let blocks = &mut blocks[..mode.subblocks() - 2];
        for (block, all_widths) in blocks.iter_mut().zip(&layout.indices[1..]) {
            for (index, widths) in block.indices.iter_mut().zip(all_widths) {
                visit(index, *widths);
            }
        }
        for (block, all_widths) in blocks.iter_mut().zip(&layout.gains[1..]) {
            for (gain, widths) in block.gains.iter_mut().zip(all_widths) {
                visit(gain, *widths);
            }
        }
    }
}

struct BitReader<'a> {
    octets: &'a [u8],
    /// Bits taken.
    at: usize,
}

impl BitReader<'_> {
    /// The next `width` bits, at most 8; zeros after the end.
    fn take(&mut self, width: u8) -> u8 {
        let octet = |index: usize| u16::from(self.octets.get(index).copied().unwrap_or(0));
        let pair = octet(self.at / 8) << 8 | octet(self.at / 8 + 1);
        let value = pair << (self.at % 8) >> 8;
        self.at += usize::from(width);
        ((value & 0xff) >> (8 - width)) as u8
    }
}

struct BitWriter<'a> {
    payload: &'a mut Vec<u8>,
    /// Bits free in the last octet.
    free: u8,
}

impl BitWriter<'_> {
    /// Appends the `width` lowest bits, at most 8.
    fn put(&mut self, value: u8, width: u8) {
        for bit in (0..width).rev() {
            if self.free == 0 {
                self.payload.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.payload.last_mut() {
                *last |= (value >> bit & 1) << self.free;
            }
        }
    }
}
