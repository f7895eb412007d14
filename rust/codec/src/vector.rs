//! What is worth vector instructions that not every processor has: AVX2, looked for while the program runs.

#![allow(
    unsafe_code,
    reason = "instructions that the processor may lack, and vectors in memory"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, _mm_add_epi64, _mm_cvtsi32_si128, _mm_cvtsi128_si64, _mm_extract_epi64,
    _mm256_add_epi32, _mm256_add_epi64, _mm256_castsi256_si128, _mm256_cvtepi32_epi64,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_packs_epi32,
    _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_sra_epi32,
    _mm256_storeu_si256,
};

/// What is worth the widest vectors, in loops that the compiler makes them out of by itself. Its `run`, and whatever of
/// weight that calls, is `#[inline(always)]`: else it is compiled for every processor alike.
pub(crate) trait Work {
    type Output;

    fn run(self) -> Self::Output;
}

/// Does the work with what the processor has. The outcome is the same: nothing is fused or put in another order.
pub(crate) fn widest<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function needs.
        return unsafe { run_avx2(work) };
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<W: Work>(work: W) -> W::Output {
    work.run()
}

/// Samples that a scalar product takes at once; filters are as long as some of them.
pub(crate) const STRIDE: usize = 16;

/// A filter cut into phases, of which each gives every `count`-th output sample.
pub(crate) struct Polyphase {
    /// Taps of each phase, a multiple of [`STRIDE`], and input samples that one output sample is made from.
    pub length: usize,
    /// Phases.
    pub count: usize,
    /// How far one output sample goes on, in phases.
    pub step: usize,
    /// `count * length` taps as fractions of `2^point`, those of a phase in the order of the samples.
    pub taps: Vec<i16>,
    /// See `taps`.
    pub point: u32,
}

impl Polyphase {
    /// Appends every output sample whose input is in `line`. `next` is the phase of the first one, counted from the
    /// first sample of `line`; it becomes that of the first one that is still to come.
    pub(crate) fn run(&self, line: &[i16], next: usize, out: &mut Vec<i16>) -> usize {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function needs.
            return unsafe { self.run_avx2(line, next, out) };
        }
        self.run_with(line, next, out, product)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_avx2(&self, line: &[i16], next: usize, out: &mut Vec<i16>) -> usize {
        self.run_with(line, next, out, |taps, samples| product_avx2(taps, samples))
    }

    #[inline(always)]
    fn run_with(
        &self,
        line: &[i16],
        next: usize,
        out: &mut Vec<i16>,
        product: impl Fn(&[i16], &[i16]) -> i64,
    ) -> usize {
        let (mut at, mut phase) = (next / self.count, next % self.count);
        let (samples, phases) = (self.step / self.count, self.step % self.count);
        while let Some(window) = line.get(at..at + self.length) {
            let taps = &self.taps[phase * self.length..][..self.length];
            let rounded = (product(taps, window) + (1 << (self.point - 1))) >> self.point;
            out.push(rounded.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
            at += samples;
            phase += phases;
            if phase >= self.count {
                (at, phase) = (at + 1, phase - self.count);
            }
        }
        at * self.count + phase
    }
}

fn product(taps: &[i16], samples: &[i16]) -> i64 {
    let products = taps.iter().zip(samples);
    products.fold(0, |sum, (&tap, &sample)| {
        sum + i64::from(i32::from(tap) * i32::from(sample))
    })
}

/// In eight sums, of two neighbours of each sixteen; their taps' absolute values are less than 2^16 in all, so that none
/// overflows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn product_avx2(taps: &[i16], samples: &[i16]) -> i64 {
    let (taps, _) = taps.as_chunks::<STRIDE>();
    let (samples, _) = samples.as_chunks::<STRIDE>();
    let mut sums = _mm256_setzero_si256();
    for (taps, samples) in taps.iter().zip(samples) {
        let products = _mm256_madd_epi16(load(taps), load(samples));
        sums = _mm256_add_epi32(sums, products);
    }
    let upper = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(sums));
    let four = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(sums)), upper);
    let two = _mm_add_epi64(
        _mm256_castsi256_si128(four),
        _mm256_extracti128_si256::<1>(four),
    );
    _mm_cvtsi128_si64(two) + _mm_extract_epi64::<1>(two)
}

/// A filter over pairs of numbers: each of `out` is the sum of `taps` times the pairs from its place on, `stride` places
/// apart, divided by `2^point` and rounded. The taps are such that no sum leaves 32 bits.
pub(crate) fn pair_filter(
    pairs: &[[i16; 2]],
    stride: usize,
    taps: &[[i16; 2]],
    point: u32,
    out: &mut [i16],
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function needs.
        return unsafe { pair_filter_avx2(pairs, stride, taps, point, out) };
    }
    pair_filter_from(0, pairs, stride, taps, point, out);
}

/// From the `from`-th of `out` on.
fn pair_filter_from(
    from: usize,
    pairs: &[[i16; 2]],
    stride: usize,
    taps: &[[i16; 2]],
    point: u32,
    out: &mut [i16],
) {
    for (at, out) in out.iter_mut().enumerate().skip(from) {
        let products = pairs[at..].iter().step_by(stride).zip(taps);
        let sum = products.fold(1 << (point - 1), |sum, (pair, taps)| {
            let product = |of: usize| i32::from(pair[of]) * i32::from(taps[of]);
            sum + product(0) + product(1)
        });
        *out = (sum >> point).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn pair_filter_avx2(
    pairs: &[[i16; 2]],
    stride: usize,
    taps: &[[i16; 2]],
    point: u32,
    out: &mut [i16],
) {
    let (blocks, _) = out.as_chunks_mut::<16>();
    let done = 16 * blocks.len();
    let half = _mm256_set1_epi32(1 << (point - 1));
    let point_in_vector = _mm_cvtsi32_si128(point.cast_signed());
    for (at, block) in blocks.iter_mut().enumerate() {
        let (mut lower, mut upper) = (half, half);
        let mut windows = pairs[16 * at..].windows(16).step_by(stride);
        for &[first, second] in taps {
            let Some(window) = windows.next() else { break };
            let (eights, _) = window.as_flattened().as_chunks();
            let [one, other] = eights else { break };
            let tap = i32::from(first) & 0xffff | i32::from(second) << 16;
            let tap = _mm256_set1_epi32(tap);
            lower = _mm256_add_epi32(lower, _mm256_madd_epi16(load(one), tap));
            upper = _mm256_add_epi32(upper, _mm256_madd_epi16(load(other), tap));
        }
        let lower = _mm256_sra_epi32(lower, point_in_vector);
        let upper = _mm256_sra_epi32(upper, point_in_vector);
        // The quarters are packed crosswise.
        let packed = _mm256_packs_epi32(lower, upper);
        store(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed), block);
    }
    pair_filter_from(done, pairs, stride, taps, point, out);
}

/// Sixteen numbers as a vector.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn load(numbers: &[i16; 16]) -> __m256i {
    // SAFETY: the array is as long as the vector, which may lie anywhere.
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

/// The opposite of [`load`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn store(vector: __m256i, numbers: &mut [i16; 16]) {
    // SAFETY: as there.
    unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), vector) };
}
