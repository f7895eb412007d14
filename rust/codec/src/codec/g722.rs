//! G.722 at 64 kbit/s, the one mode that RTP has (RFC 3551 section 4.5.2).
//!
//! A pair of filters splits the sound of 16 kHz into two bands of 8 kHz; each is coded as the difference from what a
//! predictor of two poles and six zeros expects, with a step that follows the signal: six bits a sample below, two
//! above. Both sides predict from what the decoder will have, so they stay alike. The arithmetic is that of the
//! Recommendation's blocks, to the bit; names in capitals are its own.

use sealtone_codec_protocol::CodecSpec;

use super::{Codec, CodecError, MOST_MS};

pub(super) struct G722 {
    encoder: Encoder,
    decoder: Decoder,
}

impl G722 {
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        if spec.sample_rate != 16_000 {
            return Err(CodecError::BadSpec("G.722 speaks 16000 Hz"));
        }
        Ok(Self {
            encoder: Encoder::new(),
            decoder: Decoder::new(),
        })
    }
}

/// Octets of the longest packet: eight a millisecond.
const MOST_OCTETS: usize = 8 * MOST_MS as usize;

impl Codec for G722 {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        let (pairs, []) = sound.as_chunks::<2>() else {
            return Err(CodecError::Failed);
        };
        self.encoder.encode(pairs, payload);
        Ok(())
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        if !(1..=MOST_OCTETS).contains(&payload.len()) {
            return Err(CodecError::BadPayload);
        }
        self.decoder.decode(payload, sound);
        Ok(())
    }

    fn conceal(&mut self, _samples: usize, _sound: &mut Vec<i16>) -> bool {
        false
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        (1..=MOST_OCTETS)
            .contains(&payload.len())
            .then_some(2 * payload.len())
    }
}

/// One half of the filters' impulse response (table 11); the other is its mirror image.
const QMF: [i16; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];
const TAPS: usize = 2 * QMF.len();

/// The response as the window meets it, oldest sample first: the sum of both phases is the lower band …
const LOW: [i16; TAPS] = interleave(1);
/// … and their difference the higher.
const HIGH: [i16; TAPS] = interleave(-1);

const fn interleave(sign: i16) -> [i16; TAPS] {
    let mut taps = [0; TAPS];
    let mut at = 0;
    while at < QMF.len() {
        taps[2 * at] = sign * QMF[at];
        taps[2 * at + 1] = QMF[QMF.len() - 1 - at];
        at += 1;
    }
    taps
}

fn dot<const N: usize>(samples: &[i16; N], taps: &[i16; N]) -> i32 {
    samples
        .iter()
        .zip(taps)
        .map(|(sample, tap)| i32::from(*sample) * i32::from(*tap))
        .sum()
}

/// Decision levels of the lower band's quantiser (Q6, table 14), in units of the step.
const LEVELS: [i16; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
    1_023, 1_121, 1_219, 1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];

/// The code of a difference above zero by its interval, and of one below (table 15).
const POSITIVE: [u8; 30] = {
    let mut codes = [0; 30];
    let mut at = 0;
    while at < 30 {
        codes[at] = 61 - at as u8;
        at += 1;
    }
    codes
};
const NEGATIVE: [u8; 30] = {
    let mut codes = [0; 30];
    codes[0] = 63;
    codes[1] = 62;
    let mut at = 2;
    while at < 30 {
        codes[at] = 33 - at as u8;
        at += 1;
    }
    codes
};

/// What a code stands for, in units of the step: six bits (QQ6), its upper four (QQ4), two of the higher band (QQ2).
const OUTPUT6: [i16; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192,
    -10_232, -9_360, -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008,
    -3_576, -3_168, -2_776, -2_400, -2_032, -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008,
    16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576, 7_856, 7_192, 6_576, 6_000,
    5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040, 728, 432,
    136, -432, -136,
];
const OUTPUT4: [i16; 16] = [
    0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288,
    4_240, 2_584, 1_200, 0,
];
const OUTPUT2: [i16; 4] = [-7_408, -1_616, 7_408, 1_616];

/// How much a code moves the logarithm of the step (WL and WH, by code).
const STEP4: [i16; 16] = [
    -60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60,
];
const STEP2: [i16; 4] = [798, -214, 798, -214];

/// Antilogarithm of the step's fraction (ILB, table 17).
const ANTILOG: [i16; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656,
    2_714, 2_774, 2_834, 2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520,
    3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];

/// What the two bands differ in.
struct Scale {
    /// The most that the logarithm of the step may be.
    most: i32,
    /// The exponent of the step where the logarithm is zero.
    exponent: i32,
}

const LOW_SCALE: Scale = Scale {
    most: 18_432,
    exponent: 8,
};
const HIGH_SCALE: Scale = Scale {
    most: 22_528,
    exponent: 10,
};

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// One band's predictor and step: the state that both sides share.
struct Band {
    /// S: what is expected next.
    expected: i32,
    /// SZ: the zeros' part of it.
    from_zeros: i32,
    /// R of one and two samples ago: what was rebuilt.
    rebuilt: [i32; 2],
    /// P of one and two samples ago: what was rebuilt without the poles' part.
    partial: [i32; 2],
    /// A: the poles.
    poles: [i32; 2],
    /// B: the zeros. The last two of both arrays are always zero, so that eight can be worked on at once.
    zeros: [i16; 8],
    /// D of one to six samples ago: quantised differences.
    differences: [i16; 8],
    /// NB: logarithm of the step.
    log_step: i32,
    /// DET: the step.
    step: i32,
}

impl Band {
    const fn new(step: i32) -> Self {
        Self {
            expected: 0,
            from_zeros: 0,
            rebuilt: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            zeros: [0; 8],
            differences: [0; 8],
            log_step: 0,
            step,
        }
    }

    /// LOGSC and SCALE: the step follows the code's size.
    #[inline]
    fn adapt_step(&mut self, change: i16, scale: &Scale) {
        let decayed = (self.log_step * 127) >> 7;
        self.log_step = (decayed + i32::from(change)).clamp(0, scale.most);
        let mantissa = i32::from(ANTILOG[((self.log_step >> 6) & 31) as usize]);
        // The exponent is 8 or 10 less at most 9 or 11, so that only one is ever shifted the other way.
        let shift = scale.exponent - (self.log_step >> 11);
        self.step = if shift < 0 {
            mantissa << -shift
        } else {
            mantissa >> shift
        } << 2;
    }

    /// RECONS to PREDIC: learns from one quantised difference what to expect next.
    #[inline]
    fn learn(&mut self, difference: i32) {
        let rebuilt = saturate(self.expected + difference);
        let partial = saturate(self.from_zeros + difference);

        // UPPOL2, UPPOL1: the poles move by the signs of the partial signal, and stay stable.
        let same1 = (partial ^ self.partial[0]) >= 0;
        let same2 = (partial ^ self.partial[1]) >= 0;
        let first = saturate(self.poles[0] << 2);
        let turned = saturate(if same1 { -first } else { first });
        let second =
            ((if same2 { 128 } else { -128 }) + (turned >> 7) + ((self.poles[1] * 32_512) >> 15))
                .clamp(-12_288, 12_288);
        let limit = 15_360 - second;
        let first = ((if same1 { 192 } else { -192 }) + ((self.poles[0] * 32_640) >> 15))
            .clamp(-limit, limit);
        self.poles = [first, second];

        // UPZERO: the zeros move by the signs of the differences.
        let difference = saturate(difference) as i16;
        let gain: i16 = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(&self.differences) {
            let sign = (difference ^ past) >> 15; // 0 where alike, else -1
            let decayed = ((i32::from(*zero) * 32_640) >> 15) as i16;
            *zero = decayed.saturating_add((gain ^ sign) - sign);
        }
        self.zeros[6] = 0;
        self.zeros[7] = 0;

        // DELAYA, FILTEP, FILTEZ, PREDIC.
        self.differences.copy_within(0..5, 1);
        self.differences[0] = difference;
        self.rebuilt = [rebuilt, self.rebuilt[0]];
        self.partial = [partial, self.partial[0]];
        let sum: i32 = self
            .zeros
            .iter()
            .zip(&self.differences)
            .map(|(zero, past)| (i32::from(*zero) * i32::from(past.saturating_add(*past))) >> 15)
            .sum();
        self.from_zeros = saturate(sum);
        let from_poles = saturate(
            ((first * saturate(2 * self.rebuilt[0])) >> 15)
                + ((second * saturate(2 * self.rebuilt[1])) >> 15),
        );
        self.expected = saturate(from_poles + self.from_zeros);
    }
}

fn bands() -> (Band, Band) {
    (Band::new(32), Band::new(8))
}

struct Encoder {
    low: Band,
    high: Band,
    /// The last samples of the packet before, which the filters still need.
    past: [i16; TAPS - 2],
}

impl Encoder {
    fn new() -> Self {
        let (low, high) = bands();
        Self {
            low,
            high,
            past: [0; TAPS - 2],
        }
    }

    fn encode(&mut self, pairs: &[[i16; 2]], payload: &mut Vec<u8>) {
        let mut window = Vec::with_capacity(self.past.len() + 2 * pairs.len());
        window.extend_from_slice(&self.past);
        window.extend_from_slice(pairs.as_flattened());
        payload.reserve(pairs.len());
        for start in 0..pairs.len() {
            let Some(samples) = window[2 * start..].first_chunk::<TAPS>() else {
                break;
            };
            let low = self.encode_low(dot(samples, &LOW) >> 14);
            let high = self.encode_high(dot(samples, &HIGH) >> 14);
            payload.push(high << 6 | low);
        }
        if let Some(last) = window.last_chunk() {
            self.past = *last;
        }
    }

    /// BLOCK1L to BLOCK4L.
    #[inline]
    fn encode_low(&mut self, sample: i32) -> u8 {
        let band = &mut self.low;
        let error = saturate(sample - band.expected);
        let magnitude = if error < 0 { !error } else { error };
        // The interval is the last whose level is not above; levels rise, so halves of them are ruled out.
        let mut interval = 0;
        for half in [16, 8, 4, 2, 1] {
            if let Some(level) = LEVELS.get(interval + half)
                && magnitude >= (i32::from(*level) * band.step) >> 12
            {
                interval += half;
            }
        }
        let code = if error < 0 { NEGATIVE } else { POSITIVE }[interval];
        let upper = usize::from(code >> 2);
        let difference = (band.step * i32::from(OUTPUT4[upper])) >> 15;
        band.adapt_step(STEP4[upper], &LOW_SCALE);
        band.learn(difference);
        code
    }

    /// BLOCK1H to BLOCK4H.
    #[inline]
    fn encode_high(&mut self, sample: i32) -> u8 {
        let band = &mut self.high;
        let error = saturate(sample - band.expected);
        let magnitude = if error < 0 { !error } else { error };
        let far = magnitude >= (564 * band.step) >> 12;
        let code: u8 = match (error < 0, far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        let difference = (band.step * i32::from(OUTPUT2[usize::from(code)])) >> 15;
        band.adapt_step(STEP2[usize::from(code)], &HIGH_SCALE);
        band.learn(difference);
        code
    }
}

struct Decoder {
    low: Band,
    high: Band,
    /// Sums and differences of the two bands' last samples, which the filters still need.
    past: [[i16; QMF.len() - 1]; 2],
}

impl Decoder {
    fn new() -> Self {
        let (low, high) = bands();
        Self {
            low,
            high,
            past: [[0; QMF.len() - 1]; 2],
        }
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) {
        const MIRRORED: [i16; QMF.len()] = {
            let mut taps = QMF;
            let mut at = 0;
            while at < QMF.len() {
                taps[at] = QMF[QMF.len() - 1 - at];
                at += 1;
            }
            taps
        };
        let room = QMF.len() - 1 + payload.len();
        let mut sums = Vec::with_capacity(room);
        let mut differences = Vec::with_capacity(room);
        sums.extend_from_slice(&self.past[0]);
        differences.extend_from_slice(&self.past[1]);
        for &code in payload {
            let low = self.decode_low(code & 63);
            let high = self.decode_high(code >> 6);
            // Both are within 15 bits, so that neither overflows.
            sums.push((low + high) as i16);
            differences.push((low - high) as i16);
        }
        sound.reserve(2 * payload.len());
        for start in 0..payload.len() {
            let (Some(sums), Some(differences)) = (
                sums[start..].first_chunk(),
                differences[start..].first_chunk(),
            ) else {
                break;
            };
            sound.push(saturate(dot(differences, &MIRRORED) >> 11) as i16);
            sound.push(saturate(dot(sums, &QMF) >> 11) as i16);
        }
        if let (Some(sums), Some(differences)) = (sums.last_chunk(), differences.last_chunk()) {
            self.past = [*sums, *differences];
        }
    }

    /// BLOCK2L to BLOCK6L.
    #[inline]
    fn decode_low(&mut self, code: u8) -> i32 {
        let band = &mut self.low;
        let heard = band.expected + ((band.step * i32::from(OUTPUT6[usize::from(code)])) >> 15);
        let upper = usize::from(code >> 2);
        let difference = (band.step * i32::from(OUTPUT4[upper])) >> 15;
        band.adapt_step(STEP4[upper], &LOW_SCALE);
        band.learn(difference);
        heard.clamp(-16_384, 16_383)
    }

    /// BLOCK2H to BLOCK5H.
    #[inline]
    fn decode_high(&mut self, code: u8) -> i32 {
        let band = &mut self.high;
        let difference = (band.step * i32::from(OUTPUT2[usize::from(code)])) >> 15;
        let heard = band.expected + difference;
        band.adapt_step(STEP2[usize::from(code)], &HIGH_SCALE);
        band.learn(difference);
        heard.clamp(-16_384, 16_383)
    }
}
