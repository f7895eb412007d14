//! G.722 at 64 kbit/s, the one mode that RTP has (RFC 3551 section 4.5.2).
//!
//! A pair of filters splits the sound of 16 kHz into two bands of 8 kHz; each is coded as the difference from what a
//! predictor of two poles and six zeros expects, with a step that follows the signal: six bits a sample below, two
//! above. Both sides predict from what the decoder will have, so they stay alike. The arithmetic is that of the
//! Recommendation's blocks, to the bit; names in capitals are its own.

mod filters;
#[cfg(target_arch = "x86_64")]
mod lanes;

use sealtone_codec_protocol::CodecSpec;

use super::{Codec, CodecError, MOST_MS};
use filters::{Joiner, Splitter};

/// The rate of narrow-band sound, Hz.
const NARROW: u32 = 8_000;
/// The rate of G.722's own, Hz.
const WIDE: u32 = 16_000;

/// One stream's G.722, which can be worked on together with others.
pub struct G722 {
    encoder: Encoder,
    decoder: Decoder,
}

impl G722 {
    pub(super) fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        let rate = spec.sample_rate;
        if rate != WIDE && rate != NARROW {
            return Err(CodecError::BadSpec("G.722 speaks 16000 Hz, or 8000"));
        }
        Ok(Self {
            encoder: Encoder::new(rate),
            decoder: Decoder::new(rate),
        })
    }

    /// Goes on with sound of another of its rates, Hz; what is sent and what is received goes on where it is.
    /// `before` is the sound at that rate before what is encoded next.
    pub fn set_rate(&mut self, rate: u32, before: &[i16]) {
        self.decoder.joiner.set_rate(rate);
        self.encoder.splitter = Splitter::new(rate);
        // More than any filter remembers, in whole pairs.
        let end = &before[before.len() - before.len().min(128) / 2 * 2..];
        self.encoder.splitter.split(end);
    }
}

/// Streams that are best worked on at once.
pub const TOGETHER: usize = 16;

/// By how much what is sent is later than sound of `rate` Hz, microseconds.
#[must_use]
pub fn delay_us(rate: u32) -> u64 {
    filters::delay_us(rate)
}

/// A stream's packet to be encoded: its codec, the sound, and where the payload is appended.
pub type Encoding<'a> = (&'a mut G722, &'a [i16], &'a mut Vec<u8>);
/// A stream's packet to be decoded: its codec, the payload, and where the sound is appended.
pub type Decoding<'a> = (&'a mut G722, &'a [u8], &'a mut Vec<i16>);

/// Encodes a packet of each of several streams, with the same result as [`Codec::encode`] for each. Of sound that is no
/// packet nothing is made.
pub fn encode_together(packets: &mut [Encoding<'_>]) {
    #[cfg(target_arch = "x86_64")]
    for packets in packets.chunks_mut(TOGETHER) {
        let mut streams: Vec<lanes::Encoding<'_>> = packets
            .iter_mut()
            .map(|(codec, sound, payload)| (&mut codec.encoder, *sound, &mut **payload))
            .collect();
        if !lanes::encode(&mut streams) {
            for (encoder, sound, payload) in streams {
                encoder.encode(sound, payload);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for (codec, sound, payload) in packets {
        codec.encoder.encode(sound, payload);
    }
}

/// Decodes a packet of each of several streams, with the same result as [`Codec::decode`] for each.
pub fn decode_together(packets: &mut [Decoding<'_>]) {
    #[cfg(target_arch = "x86_64")]
    for packets in packets.chunks_mut(TOGETHER) {
        let mut streams: Vec<lanes::Decoding<'_>> = packets
            .iter_mut()
            .map(|(codec, payload, sound)| (&mut codec.decoder, *payload, &mut **sound))
            .collect();
        if !lanes::decode(&mut streams) {
            for (decoder, payload, sound) in streams {
                decoder.decode(payload, sound);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for (codec, payload, sound) in packets {
        codec.decoder.decode(payload, sound);
    }
}

/// Octets of the longest packet: eight a millisecond.
const MOST_OCTETS: usize = 8 * MOST_MS as usize;

impl Codec for G722 {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        if !sound.len().is_multiple_of(self.encoder.splitter.samples()) {
            return Err(CodecError::Failed);
        }
        self.encoder.encode(sound, payload);
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

    fn decode_at(&mut self, sample_rate: u32) -> bool {
        let is_known = matches!(sample_rate, 8_000 | 16_000);
        if is_known {
            self.set_rate(sample_rate, &[]);
        }
        is_known
    }

    fn as_g722(&mut self) -> Option<&mut G722> {
        Some(self)
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        (1..=MOST_OCTETS)
            .contains(&payload.len())
            .then_some(self.decoder.samples() * payload.len())
    }
}

/// Decision levels of the lower band's quantiser (Q6, table 14), in units of the step; 29, and three that are higher
/// than any, so that they are compared eight at a time.
const LEVELS: [u16; 32] = {
    let mut levels = [
        35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
        1_023, 1_121, 1_219, 1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919, 4_095, 4_095,
        4_095,
    ];
    let mut at = 0;
    while at < levels.len() {
        levels[at] <<= 4; // the Recommendation divides by 2^12, we by 2^16
        at += 1;
    }
    levels
};

/// In which interval a magnitude lies: how many of the levels are not above it.
#[inline]
fn interval(magnitude: i16, step: i16) -> usize {
    let levels = LEVELS.iter().fold(0_i16, |count, level| {
        let level = ((u32::from(*level) * u32::from(step.cast_unsigned())) >> 16) as u16;
        count.wrapping_add(i16::from(level.cast_signed() <= magnitude))
    });
    (levels as usize).min(POSITIVE.len() - 1)
}

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
    most: i16,
    /// The exponent of the step where the logarithm is zero.
    exponent: i16,
}

const LOW_SCALE: Scale = Scale {
    most: 18_432,
    exponent: 8,
};
const HIGH_SCALE: Scale = Scale {
    most: 22_528,
    exponent: 10,
};

fn saturate(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// The product of two numbers of which one is a fraction of 2^15.
#[inline]
fn scaled(one: i16, other: i16) -> i32 {
    (i32::from(one) * i32::from(other)) >> 15
}

/// One band's predictor and step: the state that both sides share.
struct Band {
    /// S: what is expected next.
    expected: i16,
    /// SZ: the zeros' part of it.
    from_zeros: i16,
    /// R of one sample ago, doubled: what was rebuilt.
    rebuilt: i16,
    /// P of one and two samples ago: what was rebuilt without the poles' part.
    partial: [i16; 2],
    /// A: the poles.
    poles: [i16; 2],
    /// B: the zeros, six of them; two idle ones make eight, which are worked on at once.
    zeros: [i16; 8],
    /// D of one to six samples ago: quantised differences, doubled. The last two lanes stay zero.
    differences: [i16; 8],
    /// NB: logarithm of the step.
    log_step: i16,
    /// DET: the step.
    step: i16,
}

impl Band {
    const fn new(step: i16) -> Self {
        Self {
            expected: 0,
            from_zeros: 0,
            rebuilt: 0,
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
        let decayed = (i32::from(self.log_step) * 127) >> 7;
        self.log_step = (decayed + i32::from(change)).clamp(0, scale.most.into()) as i16;
        let mantissa = i32::from(ANTILOG[((self.log_step >> 6) & 31) as usize]);
        // With four bits more below the point nothing has to be shifted the other way: the logarithm's whole part is at
        // most one above the exponent.
        let shift = scale.exponent + 4 - (self.log_step >> 11);
        self.step = (((mantissa << 4) >> shift) << 2) as i16;
    }

    /// RECONS to PREDIC: learns from one quantised difference what to expect next.
    #[inline]
    fn learn(&mut self, difference: i16) {
        let rebuilt = self.expected.saturating_add(difference);
        let partial = self.from_zeros.saturating_add(difference);

        // UPPOL2, UPPOL1: the poles move by the signs of the partial signal, and stay stable.
        let same1 = (partial ^ self.partial[0]) >= 0;
        let same2 = (partial ^ self.partial[1]) >= 0;
        let first = saturate(i32::from(self.poles[0]) * 4);
        let turned = if same1 { first.saturating_neg() } else { first };
        let second = ((if same2 { 128 } else { -128 })
            + i32::from(turned >> 7)
            + scaled(self.poles[1], 32_512))
        .clamp(-12_288, 12_288);
        let limit = 15_360 - second;
        let first =
            ((if same1 { 192 } else { -192 }) + scaled(self.poles[0], 32_640)).clamp(-limit, limit);
        self.poles = [first as i16, second as i16];

        // UPZERO: the zeros move by the signs of the differences.
        let doubled = difference.saturating_add(difference);
        let gain: i16 = if difference == 0 { 0 } else { 128 };
        let past = self.differences;
        let zeros: [i16; 8] = std::array::from_fn(|at| {
            let sign = (doubled ^ past[at]) >> 15; // 0 where alike, else -1
            decayed(self.zeros[at]).saturating_add((gain ^ sign).wrapping_sub(sign))
        });
        self.zeros = zeros;

        // DELAYA, FILTEP, FILTEZ, PREDIC.
        let past = [doubled, past[0], past[1], past[2], past[3], past[4], 0, 0];
        self.differences = past;
        self.partial = [partial, self.partial[0]];
        let products: [i32; 8] = std::array::from_fn(|at| scaled(zeros[at], past[at]));
        let sum = products.into_iter().fold(0, i32::wrapping_add);
        self.from_zeros = saturate(sum);
        let rebuilt = rebuilt.saturating_add(rebuilt);
        let from_poles =
            saturate(scaled(first as i16, rebuilt) + scaled(second as i16, self.rebuilt));
        self.rebuilt = rebuilt;
        self.expected = from_poles.saturating_add(self.from_zeros);
    }
}

/// 255/256 of a zero, rounded down: what `scaled(zero, 32_640)` gives, in half as many bits.
#[inline]
fn decayed(zero: i16) -> i16 {
    zero.wrapping_sub(zero >> 8)
        .wrapping_sub(i16::from(zero & 255 != 0))
}

fn bands() -> (Band, Band) {
    (Band::new(32), Band::new(8))
}

struct Encoder {
    low: Band,
    high: Band,
    splitter: Splitter,
}

impl Encoder {
    fn new(rate: u32) -> Self {
        let (low, high) = bands();
        Self {
            low,
            high,
            splitter: Splitter::new(rate),
        }
    }

    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) {
        let bands = self.splitter.split(sound).into_iter();
        payload.extend(bands.map(|[low, high]| {
            let low = self.low.encode_low(low);
            let high = self.high.encode_high(high);
            high << 6 | low
        }));
    }

    /// Octets that a packet's sound makes.
    fn octets_of(&self, sound: &[i16]) -> usize {
        sound.len() / self.splitter.samples()
    }
}

struct Decoder {
    low: Band,
    high: Band,
    joiner: Joiner,
}

impl Decoder {
    fn new(rate: u32) -> Self {
        let (low, high) = bands();
        Self {
            low,
            high,
            joiner: Joiner::new(rate),
        }
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) {
        let (low, high) = (&mut self.low, &mut self.high);
        let bands = payload
            .iter()
            .map(|code| [low.decode_low(code & 63), high.decode_high(code >> 6)]);
        self.joiner.join(bands, sound);
    }

    /// Samples of sound in an octet.
    fn samples(&self) -> usize {
        (self.joiner.sample_rate() / NARROW) as usize
    }
}

impl Band {
    /// BLOCK1L to BLOCK4L.
    #[inline]
    fn encode_low(&mut self, sample: i16) -> u8 {
        let error = sample.saturating_sub(self.expected);
        let interval = interval(magnitude(error), self.step);
        let code = if error < 0 { NEGATIVE } else { POSITIVE }[interval];
        self.learn_low(code);
        code
    }

    /// BLOCK1H to BLOCK4H.
    #[inline]
    fn encode_high(&mut self, sample: i16) -> u8 {
        let error = sample.saturating_sub(self.expected);
        let far = i32::from(magnitude(error)) >= (564 * i32::from(self.step)) >> 12;
        let code = match (error < 0, far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.learn_high(code);
        code
    }

    /// BLOCK2L to BLOCK6L.
    #[inline]
    fn decode_low(&mut self, code: u8) -> i16 {
        let heard = i32::from(self.expected) + scaled(self.step, OUTPUT6[usize::from(code)]);
        self.learn_low(code);
        heard.clamp(-16_384, 16_383) as i16
    }

    /// BLOCK2H to BLOCK5H.
    #[inline]
    fn decode_high(&mut self, code: u8) -> i16 {
        let heard = i32::from(self.expected) + scaled(self.step, OUTPUT2[usize::from(code)]);
        self.learn_high(code);
        heard.clamp(-16_384, 16_383) as i16
    }

    /// BLOCK2L to BLOCK4L: the lower two bits are not learnt from, so that a network may take them.
    #[inline]
    fn learn_low(&mut self, code: u8) {
        let upper = usize::from(code >> 2);
        let difference = scaled(self.step, OUTPUT4[upper]) as i16;
        self.adapt_step(STEP4[upper], &LOW_SCALE);
        self.learn(difference);
    }

    #[inline]
    fn learn_high(&mut self, code: u8) {
        let difference = scaled(self.step, OUTPUT2[usize::from(code)]) as i16;
        self.adapt_step(STEP2[usize::from(code)], &HIGH_SCALE);
        self.learn(difference);
    }
}

/// How far from zero, counted as the quantisers do: -1 is as near as 0.
#[inline]
fn magnitude(error: i16) -> i16 {
    if error < 0 { !error } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loud enough to leave every table and sum at its end now and then.
    fn noise(seed: &mut u32, count: usize) -> Vec<i16> {
        let mut next = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*seed >> 16) as i16
        };
        let quiet = next() & 15;
        (0..count).map(|_| next() >> quiet).collect()
    }

    #[test]
    fn many_streams_at_once_are_coded_as_each_by_itself() {
        let codec = |stream| {
            let rate = if stream % 3 == 0 { WIDE } else { NARROW };
            spoken_at(rate)
        };
        let codecs = || -> Vec<G722> { (0..37).map(codec).collect() };
        let (mut together, mut alone) = (codecs(), codecs());
        let mut seed = 1;
        for round in 0..200 {
            let count = 1 + round % together.len();
            let length = 160 + round % 3;
            if round % 20 == 19 {
                let rate = if round % 40 == 19 { WIDE } else { NARROW };
                let before = noise(&mut seed, 99);
                together[round % 7].set_rate(rate, &before);
                alone[round % 7].set_rate(rate, &before);
            }
            let sounds: Vec<_> = together[..count]
                .iter()
                .map(|codec| noise(&mut seed, length * codec.decoder.samples()))
                .collect();
            let codes: Vec<Vec<u8>> = (0..count)
                .map(|_| {
                    noise(&mut seed, length)
                        .into_iter()
                        .map(|code| code as u8)
                        .collect()
                })
                .collect();
            let mut payloads = vec![Vec::new(); count];
            let mut packets: Vec<Encoding<'_>> = together
                .iter_mut()
                .zip(&sounds)
                .zip(&mut payloads)
                .map(|((codec, sound), payload)| (codec, &sound[..], payload))
                .collect();
            encode_together(&mut packets);
            let mut heard = vec![Vec::new(); count];
            let mut packets: Vec<Decoding<'_>> = together
                .iter_mut()
                .zip(&codes)
                .zip(&mut heard)
                .map(|((codec, codes), sound)| (codec, &codes[..], sound))
                .collect();
            decode_together(&mut packets);
            for stream in 0..count {
                let (mut payload, mut sound) = (Vec::new(), Vec::new());
                alone[stream].encode(&sounds[stream], &mut payload).unwrap();
                alone[stream].decode(&codes[stream], &mut sound).unwrap();
                assert_eq!(payload.len(), length);
                assert_eq!(payloads[stream], payload, "round {round}, stream {stream}");
                assert_eq!(heard[stream], sound, "round {round}, stream {stream}");
            }
        }
    }

    fn spoken_at(rate: u32) -> G722 {
        let spec = CodecSpec {
            sample_rate: rate,
            ..CodecSpec::new(sealtone_codec_protocol::CodecKind::G722, 8_000)
        };
        G722::new(&spec).unwrap()
    }

    #[test]
    fn every_zero_decays_as_the_recommendation_has_it() {
        for zero in i16::MIN..=i16::MAX {
            assert_eq!(i32::from(decayed(zero)), scaled(zero, 32_640), "{zero}");
        }
    }
}
