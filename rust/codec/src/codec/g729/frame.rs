//! What a frame says, and the bits it says it in (ITU-T G.729 clause 4, table 8).

use super::{OCTETS, SUBFRAMES};

/// A pitch lag in thirds of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// 19 to 143 samples.
    pub whole: usize,
    /// -1, 0 or 1 third more.
    pub third: i8,
}

/// Up to this many samples, a lag of a first sub-frame is told in thirds.
pub const LAST_IN_THIRDS: usize = 85;

impl Lag {
    /// The code of a first sub-frame's lag, P1 (clause 3.7.2).
    pub fn code(self) -> u8 {
        if self.whole <= LAST_IN_THIRDS {
            (3 * self.whole - 58).saturating_add_signed(self.third.into()) as u8
        } else {
            (self.whole + 112) as u8
        }
    }

    /// The code of a second sub-frame's lag, P2, where those that can be told begin at `first` samples.
    pub fn code_from(self, first: usize) -> u8 {
        (3 * (self.whole - first) + 2).saturating_add_signed(self.third.into()) as u8
    }
}

/// The first of the ten whole lags of a second sub-frame, by that of the first one.
pub fn second_lags_begin(whole: usize) -> usize {
    whole.saturating_sub(5).clamp(20, 134)
}

/// Whether an odd number of the six upper bits of P1 and the bit itself are set, as a frame's parity bit P0 has it.
pub fn parity(lag_code: u8) -> u8 {
    (((lag_code >> 2).count_ones() + 1) & 1) as u8
}

/// The line spectral frequencies of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LsfCodes {
    /// L0, which of the two predictors: 0 or 1.
    pub predictor: u8,
    /// L1, 7 bits.
    pub first: u8,
    /// L2 and L3, 5 bits each.
    pub second: [u8; 2],
}

/// The excitation of a sub-frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excitation {
    /// P1, 8 bits, or P2, 5 bits.
    pub lag: u8,
    /// C, 13 bits.
    pub positions: u16,
    /// S, 4 bits.
    pub signs: u8,
    /// GA, 3 bits, and GB, 4 bits.
    pub gains: [u8; 2],
}

/// A frame of voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub lsf: LsfCodes,
    /// P0.
    pub parity: u8,
    pub excitations: [Excitation; SUBFRAMES],
}

/// Bits of each code, in the order of [`Frame::codes`].
const BITS: [u32; 15] = [1, 7, 5, 5, 8, 1, 13, 4, 3, 4, 5, 13, 4, 3, 4];

impl Frame {
    fn codes(&self) -> [u16; 15] {
        let [one, two] = &self.excitations;
        [
            self.lsf.predictor.into(),
            self.lsf.first.into(),
            self.lsf.second[0].into(),
            self.lsf.second[1].into(),
            one.lag.into(),
            self.parity.into(),
            one.positions,
            one.signs.into(),
            one.gains[0].into(),
            one.gains[1].into(),
            two.lag.into(),
            two.positions,
            two.signs.into(),
            two.gains[0].into(),
            two.gains[1].into(),
        ]
    }

    /// The octets of the frame.
    pub fn pack(&self) -> [u8; OCTETS] {
        let packed = self
            .codes()
            .iter()
            .zip(BITS)
            .fold(0_u128, |packed, (&code, bits)| {
                packed << bits | u128::from(code)
            });
        let mut octets = [0; OCTETS];
        octets.copy_from_slice(&packed.to_be_bytes()[16 - OCTETS..]);
        octets
    }
}
