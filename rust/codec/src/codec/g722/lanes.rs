//! G.722 of sixteen streams at once.
//!
//! Each sample is coded as the difference from what those before it let expect, so that one stream gives a processor
//! little to do side by side. Streams have nothing to do with each other: here every number of the coder is a vector with
//! a lane for each of sixteen streams, and every block of the Recommendation one pass over all of them. To the bit it is
//! what [`super::Band`] does, one stream after the other.

#![allow(
    unsafe_code,
    reason = "functions for a processor that has been looked at"
)]

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_adds_epi16, _mm256_and_si256,
    _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi16, _mm256_cmpgt_epi16,
    _mm256_max_epi16, _mm256_min_epi16, _mm256_mulhi_epi16, _mm256_mulhi_epu16, _mm256_mullo_epi16,
    _mm256_or_si256, _mm256_packs_epi32, _mm256_set1_epi16, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_sign_epi16, _mm256_slli_epi16, _mm256_srai_epi16,
    _mm256_srai_epi32, _mm256_srli_epi16, _mm256_sub_epi16, _mm256_subs_epi16,
    _mm256_unpackhi_epi16, _mm256_unpacklo_epi16, _mm256_xor_si256,
};

use super::{
    ANTILOG, Band, Decoder, Encoder, HIGH_SCALE, LEVELS, LOW_SCALE, OUTPUT2, OUTPUT4, OUTPUT6,
    STEP2, STEP4, Scale,
};
use crate::vector::{load, store};

/// Streams in a vector.
const LANES: usize = super::TOGETHER;
/// Fewer are done sooner one after the other.
const WORTH: usize = 2;

/// A stream's part in encoding: the coder, the sound, and where its octets go.
pub(super) type Encoding<'a> = (&'a mut Encoder, &'a [i16], &'a mut Vec<u8>);
/// A stream's part in decoding: the coder, the octets, and where the sound goes.
pub(super) type Decoding<'a> = (&'a mut Decoder, &'a [u8], &'a mut Vec<i16>);

/// Encodes at most [`LANES`] streams of one length; false, and nothing done, where it cannot or is not worth it.
pub(super) fn encode(streams: &mut [Encoding<'_>]) -> bool {
    let fit = fit(streams.iter().map(|(one, sound, _)| one.octets_of(sound)));
    if fit {
        // SAFETY: the processor has what the function needs.
        unsafe { encode_avx2(streams) };
    }
    fit
}

/// Decodes at most [`LANES`] streams of one length; false, and nothing done, where it cannot or is not worth it.
pub(super) fn decode(streams: &mut [Decoding<'_>]) -> bool {
    let fit = fit(streams.iter().map(|(_, payload, _)| payload.len()));
    if fit {
        // SAFETY: the processor has what the function needs.
        unsafe { decode_avx2(streams) };
    }
    fit
}

fn fit(mut lengths: impl ExactSizeIterator<Item = usize>) -> bool {
    let enough = (WORTH..=LANES).contains(&lengths.len());
    let Some(first) = lengths.next() else {
        return false;
    };
    enough && lengths.all(|length| length == first) && is_x86_feature_detected!("avx2")
}

#[target_feature(enable = "avx2")]
fn encode_avx2(streams: &mut [Encoding<'_>]) {
    let first = streams.first();
    let length = first.map_or(0, |(one, sound, _)| one.octets_of(sound));
    let (mut low, mut high) = (vec![[0; LANES]; length], vec![[0; LANES]; length]);
    for (lane, (encoder, sound, _)) in streams.iter_mut().enumerate() {
        let rows = low.iter_mut().zip(&mut high);
        for ([lower, higher], (low, high)) in encoder.splitter.split(sound).into_iter().zip(rows) {
            (low[lane], high[lane]) = (lower, higher);
        }
    }
    let mut coders = Coders::gather(streams.iter().map(|(one, ..)| (&one.low, &one.high)));
    for (low, high) in low.iter_mut().zip(&high) {
        let upper = coders.high.encode_high(load(high));
        let lower = coders.low.encode_low(load(low));
        store(_mm256_or_si256(_mm256_slli_epi16(upper, 6), lower), low);
    }
    let bands = streams
        .iter_mut()
        .map(|(one, ..)| (&mut one.low, &mut one.high));
    coders.scatter(bands);
    for (lane, (_, _, payload)) in streams.iter_mut().enumerate() {
        payload.extend(low.iter().map(|codes| codes[lane] as u8));
    }
}

#[target_feature(enable = "avx2")]
fn decode_avx2(streams: &mut [Decoding<'_>]) {
    let length = streams.first().map_or(0, |(_, payload, _)| payload.len());
    let (mut codes, mut outputs) = (vec![[0; LANES]; length], vec![[0; LANES]; length]);
    for (lane, (_, payload, _)) in streams.iter().enumerate() {
        let rows = codes.iter_mut().zip(&mut outputs);
        for (&code, (codes, outputs)) in payload.iter().zip(rows) {
            codes[lane] = i16::from(code);
            outputs[lane] = OUTPUT6[usize::from(code & 63)];
        }
    }
    let mut coders = Coders::gather(streams.iter().map(|(one, ..)| (&one.low, &one.high)));
    for (codes, outputs) in codes.iter_mut().zip(&mut outputs) {
        let code = load(codes);
        let upper = _mm256_and_si256(_mm256_srli_epi16(code, 2), all(15));
        let low = coders.low.decode_low(upper, load(outputs));
        let high = coders.high.decode_high(_mm256_srli_epi16(code, 6));
        store(low, codes);
        store(high, outputs);
    }
    let bands = streams
        .iter_mut()
        .map(|(one, ..)| (&mut one.low, &mut one.high));
    coders.scatter(bands);
    for (lane, (decoder, _, sound)) in streams.iter_mut().enumerate() {
        let bands = codes.iter().zip(&outputs);
        let of_lane = bands.map(|(low, high)| [low[lane], high[lane]]);
        decoder.joiner.join(of_lane, sound);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn all(number: i16) -> __m256i {
    _mm256_set1_epi16(number)
}

/// As [`super::scaled`], for products that fit.
#[target_feature(enable = "avx2")]
#[inline]
fn scaled(one: __m256i, other: __m256i) -> __m256i {
    let upper = _mm256_slli_epi16(_mm256_mulhi_epi16(one, other), 1);
    let lower = _mm256_srli_epi16(_mm256_mullo_epi16(one, other), 15);
    _mm256_or_si256(upper, lower)
}

/// What is left of a number without its `PART`-th, rounded down.
#[target_feature(enable = "avx2")]
#[inline]
fn decayed<const PART: i32>(number: __m256i) -> __m256i {
    // The upper half of a product with -2^16 / PART.
    let gone = _mm256_mulhi_epi16(number, all((-65_536 / PART) as i16));
    _mm256_add_epi16(number, gone)
}

#[target_feature(enable = "avx2")]
#[inline]
fn clamp(number: __m256i, least: __m256i, most: __m256i) -> __m256i {
    _mm256_max_epi16(_mm256_min_epi16(number, most), least)
}

/// -1 where it is below zero, else 0.
#[target_feature(enable = "avx2")]
#[inline]
fn sign(number: __m256i) -> __m256i {
    _mm256_srai_epi16(number, 15)
}

/// `number` where `sign` is 0, its negative where that is -1.
#[target_feature(enable = "avx2")]
#[inline]
fn signed(number: __m256i, sign: __m256i) -> __m256i {
    _mm256_sub_epi16(_mm256_xor_si256(number, sign), sign)
}

/// A table of sixteen numbers: their lower and their upper octets, each twice.
#[derive(Clone, Copy)]
struct Table([__m256i; 2]);

impl Table {
    #[target_feature(enable = "avx2")]
    fn new(numbers: &[i16]) -> Self {
        let mut halves = [[0_u8; 32]; 2];
        for (at, number) in numbers.iter().enumerate().take(16) {
            for (half, octet) in halves.iter_mut().zip(number.to_le_bytes()) {
                (half[at], half[at + 16]) = (octet, octet);
            }
        }
        let vector = |octets: [u8; 32]| {
            let (pairs, _) = octets.as_chunks::<2>();
            load(&std::array::from_fn(|at| i16::from_le_bytes(pairs[at])))
        };
        Self(halves.map(vector))
    }

    /// By indices below 16.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn at(&self, index: __m256i) -> __m256i {
        // An octet's index with its highest bit set gives zero.
        let index = _mm256_or_si256(index, all(i16::MIN));
        let lower = _mm256_shuffle_epi8(self.0[0], index);
        let upper = _mm256_shuffle_epi8(self.0[1], index);
        _mm256_or_si256(lower, _mm256_slli_epi16(upper, 8))
    }
}

/// What the two bands differ in.
struct Tables {
    most: __m256i,
    /// By the whole part of the step's logarithm, what its mantissa is multiplied by, in units of 2^-16.
    power: Table,
    /// The antilogarithm's lower and upper half.
    antilog: [Table; 2],
    output: Table,
    change: Table,
}

impl Tables {
    #[target_feature(enable = "avx2")]
    fn new(scale: &Scale, output: &[i16], change: &[i16]) -> Self {
        // Sixteen less the shift of `Band::adapt_step`.
        let power = |whole: i16| 1_i16 << (12 - scale.exponent + whole).min(14);
        let (below, above) = ANTILOG.split_at(16);
        Self {
            most: all(scale.most),
            power: Table::new(&std::array::from_fn::<_, 12, _>(|at| power(at as i16))),
            antilog: [Table::new(below), Table::new(above)],
            output: Table::new(output),
            change: Table::new(change),
        }
    }
}

/// One band of all streams; see [`Band`].
struct Lanes {
    tables: Tables,
    expected: __m256i,
    from_zeros: __m256i,
    rebuilt: __m256i,
    partial: [__m256i; 2],
    poles: [__m256i; 2],
    zeros: [__m256i; 6],
    differences: [__m256i; 6],
    log_step: __m256i,
    step: __m256i,
}

/// Both bands of all streams.
struct Coders {
    low: Lanes,
    high: Lanes,
}

impl Coders {
    #[target_feature(enable = "avx2")]
    fn gather<'a>(bands: impl Iterator<Item = (&'a Band, &'a Band)>) -> Self {
        let (mut low, mut high) = ([[0; LANES]; WORDS], [[0; LANES]; WORDS]);
        for (lane, bands) in bands.enumerate() {
            for (rows, band) in [(&mut low, bands.0), (&mut high, bands.1)] {
                for (row, word) in rows.iter_mut().zip(words(band)) {
                    row[lane] = word;
                }
            }
        }
        Self {
            low: Lanes::new(Tables::new(&LOW_SCALE, &OUTPUT4, &STEP4), &low),
            high: Lanes::new(Tables::new(&HIGH_SCALE, &OUTPUT2, &STEP2), &high),
        }
    }

    #[target_feature(enable = "avx2")]
    fn scatter<'a>(&self, bands: impl Iterator<Item = (&'a mut Band, &'a mut Band)>) {
        let (low, high) = (self.low.rows(), self.high.rows());
        for (lane, bands) in bands.enumerate() {
            *bands.0 = band(&low.map(|row| row[lane]));
            *bands.1 = band(&high.map(|row| row[lane]));
        }
    }
}

/// Numbers that a band is made of.
const WORDS: usize = 21;

fn words(band: &Band) -> [i16; WORDS] {
    let [b0, b1, b2, b3, b4, b5, ..] = band.zeros;
    let [d0, d1, d2, d3, d4, d5, ..] = band.differences;
    [
        band.expected,
        band.from_zeros,
        band.rebuilt,
        band.partial[0],
        band.partial[1],
        band.poles[0],
        band.poles[1],
        band.log_step,
        band.step,
        b0,
        b1,
        b2,
        b3,
        b4,
        b5,
        d0,
        d1,
        d2,
        d3,
        d4,
        d5,
    ]
}

fn band(words: &[i16; WORDS]) -> Band {
    let eight = |from: usize| std::array::from_fn(|at| if at < 6 { words[from + at] } else { 0 });
    Band {
        expected: words[0],
        from_zeros: words[1],
        rebuilt: words[2],
        partial: [words[3], words[4]],
        poles: [words[5], words[6]],
        log_step: words[7],
        step: words[8],
        zeros: eight(9),
        differences: eight(15),
    }
}

impl Lanes {
    #[target_feature(enable = "avx2")]
    fn new(tables: Tables, rows: &[[i16; LANES]; WORDS]) -> Self {
        let six = |from: usize| std::array::from_fn(|at| load(&rows[from + at]));
        Self {
            tables,
            expected: load(&rows[0]),
            from_zeros: load(&rows[1]),
            rebuilt: load(&rows[2]),
            partial: [load(&rows[3]), load(&rows[4])],
            poles: [load(&rows[5]), load(&rows[6])],
            log_step: load(&rows[7]),
            step: load(&rows[8]),
            zeros: six(9),
            differences: six(15),
        }
    }

    /// The opposite of `new`.
    #[target_feature(enable = "avx2")]
    fn rows(&self) -> [[i16; LANES]; WORDS] {
        let ([p0, p1], [a0, a1]) = (self.partial, self.poles);
        let ([b0, b1, b2, b3, b4, b5], [d0, d1, d2, d3, d4, d5]) = (self.zeros, self.differences);
        let vectors = [
            self.expected,
            self.from_zeros,
            self.rebuilt,
            p0,
            p1,
            a0,
            a1,
            self.log_step,
            self.step,
            b0,
            b1,
            b2,
            b3,
            b4,
            b5,
            d0,
            d1,
            d2,
            d3,
            d4,
            d5,
        ];
        vectors.map(|vector| {
            let mut row = [0; LANES];
            store(vector, &mut row);
            row
        })
    }

    /// BLOCK1L to BLOCK4L.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn encode_low(&mut self, sample: __m256i) -> __m256i {
        let error = _mm256_subs_epi16(sample, self.expected);
        let below = sign(error);
        let magnitude = _mm256_xor_si256(error, below);
        let mut interval = all(29);
        for &level in &LEVELS[..29] {
            let level = _mm256_mulhi_epu16(all(level.cast_signed()), self.step);
            interval = _mm256_add_epi16(interval, _mm256_cmpgt_epi16(level, magnitude));
        }
        let first_two = _mm256_cmpgt_epi16(all(2), interval);
        let negative = _mm256_blendv_epi8(all(33), all(63), first_two);
        let from = _mm256_blendv_epi8(all(61), negative, below);
        let code = _mm256_sub_epi16(from, interval);
        self.learn_from(_mm256_srli_epi16(code, 2));
        code
    }

    /// BLOCK1H to BLOCK4H.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn encode_high(&mut self, sample: __m256i) -> __m256i {
        let error = _mm256_subs_epi16(sample, self.expected);
        let below = sign(error);
        let magnitude = _mm256_xor_si256(error, below);
        let level = _mm256_mulhi_epu16(all(564 << 4), self.step);
        let near = _mm256_cmpgt_epi16(level, magnitude);
        let code = _mm256_or_si256(
            _mm256_andnot_si256(below, all(2)),
            _mm256_and_si256(near, all(1)),
        );
        self.learn_from(code);
        code
    }

    /// BLOCK2L to BLOCK6L: the upper four bits of the codes, and what all six stand for.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn decode_low(&mut self, upper: __m256i, output: __m256i) -> __m256i {
        let heard = _mm256_adds_epi16(self.expected, scaled(self.step, output));
        self.learn_from(upper);
        clamp(heard, all(-16_384), all(16_383))
    }

    /// BLOCK2H to BLOCK5H.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn decode_high(&mut self, code: __m256i) -> __m256i {
        let output = self.tables.output.at(code);
        let heard = _mm256_adds_epi16(self.expected, scaled(self.step, output));
        self.learn_from(code);
        clamp(heard, all(-16_384), all(16_383))
    }

    /// BLOCK2 to BLOCK4, by what is learnt from of the codes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn learn_from(&mut self, code: __m256i) {
        let difference = scaled(self.step, self.tables.output.at(code));
        self.adapt_step(self.tables.change.at(code));
        self.learn(difference);
    }

    /// LOGSC and SCALE.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn adapt_step(&mut self, change: __m256i) {
        let decayed = decayed::<128>(self.log_step);
        let moved = _mm256_add_epi16(decayed, change);
        self.log_step = clamp(moved, _mm256_setzero_si256(), self.tables.most);
        let fraction = _mm256_and_si256(_mm256_srli_epi16(self.log_step, 6), all(31));
        let place = _mm256_and_si256(fraction, all(15));
        let [below, above] = &self.tables.antilog;
        let in_above = _mm256_cmpgt_epi16(fraction, all(15));
        let mantissa = _mm256_blendv_epi8(below.at(place), above.at(place), in_above);
        let power = self.tables.power.at(_mm256_srli_epi16(self.log_step, 11));
        let step = _mm256_mulhi_epu16(_mm256_slli_epi16(mantissa, 4), power);
        self.step = _mm256_slli_epi16(step, 2);
    }

    /// RECONS to PREDIC.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn learn(&mut self, difference: __m256i) {
        let rebuilt = _mm256_adds_epi16(self.expected, difference);
        let partial = _mm256_adds_epi16(self.from_zeros, difference);

        // UPPOL2, UPPOL1.
        let differs0 = sign(_mm256_xor_si256(partial, self.partial[0]));
        let differs1 = sign(_mm256_xor_si256(partial, self.partial[1]));
        let [first, second] = self.poles;
        let twice = _mm256_adds_epi16(first, first);
        let four_times = _mm256_adds_epi16(twice, twice);
        let negative = _mm256_subs_epi16(_mm256_setzero_si256(), four_times);
        let turned = _mm256_blendv_epi8(negative, four_times, differs0);
        let second = _mm256_add_epi16(
            _mm256_add_epi16(signed(all(128), differs1), _mm256_srai_epi16(turned, 7)),
            decayed::<128>(second),
        );
        let second = clamp(second, all(-12_288), all(12_288));
        let limit = _mm256_sub_epi16(all(15_360), second);
        let first = _mm256_add_epi16(signed(all(192), differs0), decayed::<256>(first));
        let first = clamp(
            first,
            _mm256_sub_epi16(_mm256_setzero_si256(), limit),
            limit,
        );
        self.poles = [first, second];

        // UPZERO, then DELAYA and FILTEZ. The whole products are summed up, the two halves of each eight apart.
        let doubled = _mm256_adds_epi16(difference, difference);
        let idle = _mm256_cmpeq_epi16(difference, _mm256_setzero_si256());
        let gain = _mm256_andnot_si256(idle, all(128));
        let (mut sum0, mut sum1) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        let mut newer = doubled;
        for (zero, past) in self.zeros.iter_mut().zip(&mut self.differences) {
            let alike = _mm256_or_si256(_mm256_xor_si256(doubled, *past), all(1));
            let moved = _mm256_sign_epi16(gain, alike);
            *zero = _mm256_adds_epi16(decayed::<256>(*zero), moved);
            std::mem::swap(past, &mut newer);
            let lower = _mm256_mullo_epi16(*zero, *past);
            let upper = _mm256_mulhi_epi16(*zero, *past);
            let product0 = _mm256_srai_epi32(_mm256_unpacklo_epi16(lower, upper), 15);
            let product1 = _mm256_srai_epi32(_mm256_unpackhi_epi16(lower, upper), 15);
            sum0 = _mm256_add_epi32(sum0, product0);
            sum1 = _mm256_add_epi32(sum1, product1);
        }
        self.from_zeros = _mm256_packs_epi32(sum0, sum1);

        // FILTEP, PREDIC.
        self.partial = [partial, self.partial[0]];
        let rebuilt = _mm256_adds_epi16(rebuilt, rebuilt);
        let from_poles = _mm256_adds_epi16(scaled(first, rebuilt), scaled(second, self.rebuilt));
        self.rebuilt = rebuilt;
        self.expected = _mm256_adds_epi16(from_poles, self.from_zeros);
    }
}
