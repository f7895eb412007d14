//! What a frame says, and the bits it says it in (ITU-T G.729 clause 4, table 8).

use super::{OCTETS, SID_OCTETS, SUBFRAMES};

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

/// Of the codes of a first sub-frame, those that stand for thirds.
const CODES_IN_THIRDS: u8 = 197;

impl Lag {
    /// The lag of a first sub-frame's code (clause 4.1.3).
    pub fn of_code(code: u8) -> Self {
        let steps = usize::from(code);
        if code < CODES_IN_THIRDS {
            Self::of_thirds(steps + 58)
        } else {
            Self {
                whole: steps - 112,
                third: 0,
            }
        }
    }

    /// The lag of a second sub-frame's code, after a first one of so many whole samples.
    pub fn of_code_after(whole: usize, code: u8) -> Self {
        Self::of_thirds(3 * second_lags_begin(whole) + usize::from(code & 31) - 2)
    }

    fn of_thirds(thirds: usize) -> Self {
        Self {
            whole: (thirds + 1) / 3,
            third: [0, 1, -1][thirds % 3],
        }
    }

    /// The code of a first sub-frame's lag, P1 (clause 3.7.2).
    pub fn code(self) -> u8 {
        if self.whole <= LAST_IN_THIRDS {
            (self.thirds() - 58) as u8
        } else {
            (self.whole + 112) as u8
        }
    }

    /// The code of a second sub-frame's lag, P2, where the whole ones that can be told begin at `first` samples.
    pub fn code_from(self, first: usize) -> u8 {
        (self.thirds() + 2 - 3 * first) as u8
    }

    fn thirds(self) -> usize {
        (3 * self.whole).saturating_add_signed(self.third.into())
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

    /// The frame of any octets.
    pub fn unpack(octets: &[u8; OCTETS]) -> Self {
        let mut bits = Bits::new(octets);
        let mut octet = |count| bits.take(count) as u8;
        let lsf = LsfCodes {
            predictor: octet(1),
            first: octet(7),
            second: [octet(5), octet(5)],
        };
        let mut frame = Self {
            lsf,
            ..Self::default()
        };
        for (at, excitation) in frame.excitations.iter_mut().enumerate() {
            excitation.lag = bits.take(if at == 0 { 8 } else { 5 }) as u8;
            if at == 0 {
                frame.parity = bits.take(1) as u8;
            }
            excitation.positions = bits.take(13);
            excitation.signs = bits.take(4) as u8;
            excitation.gains = [bits.take(3) as u8, bits.take(4) as u8];
        }
        frame
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

/// The line spectral frequencies of a frame of silence (clause B.4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilenceLsfCodes {
    /// Which of the two predictors: 0 or 1.
    pub predictor: u8,
    /// The first stage, 5 bits.
    pub first: u8,
    /// The second stage, 4 bits.
    pub second: u8,
}

/// A frame of silence (clause B.4.3, table B.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilenceFrame {
    pub lsf: SilenceLsfCodes,
    /// 5 bits.
    pub level: u8,
}

impl SilenceFrame {
    /// The frame of any octets; the last bit says nothing.
    pub fn unpack(octets: &[u8; SID_OCTETS]) -> Self {
        let mut bits = Bits::new(octets);
        let mut octet = |count| bits.take(count) as u8;
        Self {
            lsf: SilenceLsfCodes {
                predictor: octet(1),
                first: octet(5),
                second: octet(4),
            },
            level: octet(5),
        }
    }

    /// The octets of the frame.
    pub fn pack(&self) -> [u8; SID_OCTETS] {
        let SilenceLsfCodes {
            predictor,
            first,
            second,
        } = self.lsf;
        let codes = [predictor, first, second, self.level].map(u16::from);
        let [predictor, first, second, level] = codes;
        ((predictor << 15) | (first << 10) | (second << 6) | (level << 1)).to_be_bytes()
    }
}

/// The bits of a frame, the highest first.
struct Bits(u128);

impl Bits {
    fn new<const N: usize>(octets: &[u8; N]) -> Self {
        let mut all = [0; 16];
        all[..N].copy_from_slice(octets);
        Self(u128::from_be_bytes(all))
    }

    /// The next bits, at most 16.
    fn take(&mut self, count: u32) -> u16 {
        let taken = (self.0 >> (128 - count)) as u16;
        self.0 <<= count;
        taken
    }
}
