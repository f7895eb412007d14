//! Skein-512, sequential, as hash and as MAC ("The Skein Hash Function Family", version 1.3).
//!
//! Skein's output length is part of what is hashed: a shorter output is not the start of a longer one.

use zeroize::Zeroize;

/// One block in octets.
const BLOCK: usize = 64;
const WORDS: usize = 8;

/// Section 3.3.2, the constant C240 that makes the ninth key word.
const PARITY: u64 = 0x1bd1_1bda_a9fc_1a22;

/// Table 4 (Threefish-512): rotations of each of eight rounds.
const ROTATIONS: [[u32; 4]; 8] = [
    [46, 36, 19, 37],
    [33, 27, 14, 42],
    [17, 49, 36, 39],
    [44, 9, 54, 56],
    [39, 30, 34, 24],
    [13, 50, 10, 17],
    [25, 29, 39, 43],
    [8, 35, 56, 22],
];

/// Table 6: values of the type field, moved to where the tweak's upper word has it.
#[derive(Clone, Copy)]
enum Kind {
    Key = 0,
    Configuration = 4,
    Message = 48,
    Output = 63,
}

const FIRST: u64 = 1 << 62;
const FINAL: u64 = 1 << 63;

/// The chaining value of a Skein-512 that has read its key and its configuration: ready for messages.
#[derive(Clone)]
pub struct Skein512 {
    start: [u64; WORDS],
}

impl Skein512 {
    /// The hash with `output_bits` bits of output, one to 512.
    #[must_use]
    pub fn hash(output_bits: u16) -> Self {
        Self::mac(&[], output_bits)
    }

    /// The MAC (section 2.6) under `key`, with `output_bits` bits of output, one to 512.
    #[must_use]
    pub fn mac(key: &[u8], output_bits: u16) -> Self {
        debug_assert!(
            (1..=512).contains(&output_bits),
            "Skein output of {output_bits} bits"
        );
        let mut state = [0; WORDS];
        if !key.is_empty() {
            chain(&mut state, Kind::Key, [key, &[]]);
        }
        let mut configuration = [0; 32];
        configuration[..4].copy_from_slice(b"SHA3");
        configuration[4] = 1;
        configuration[8..10].copy_from_slice(&output_bits.to_le_bytes());
        chain(&mut state, Kind::Configuration, [&configuration, &[]]);
        Self { start: state }
    }

    /// The first 512 bits of output for `data` followed by `suffix`; as many of them count as the output has.
    #[must_use]
    pub fn digest(&self, data: &[u8], suffix: &[u8]) -> [u8; BLOCK] {
        let mut state = self.start;
        chain(&mut state, Kind::Message, [data, suffix]);
        chain(&mut state, Kind::Output, [&[0; 8], &[]]);
        let mut out = [0; BLOCK];
        for (octets, word) in out.chunks_exact_mut(8).zip(state) {
            octets.copy_from_slice(&word.to_le_bytes());
        }
        out
    }
}

impl Drop for Skein512 {
    fn drop(&mut self) {
        self.start.zeroize();
    }
}

/// Unique Block Iteration (section 3.4) over the two parts of a message.
#[inline]
fn chain(state: &mut [u64; WORDS], kind: Kind, [data, suffix]: [&[u8]; 2]) {
    let kind = (kind as u64) << 56;
    let mut flags = kind | FIRST;
    let mut position = 0;
    // The last block is never taken here, even when it is whole, since it has a flag of its own.
    let whole = if suffix.is_empty() {
        data.len().saturating_sub(1) / BLOCK
    } else {
        data.len() / BLOCK
    };
    let (early, rest) = data.split_at(whole * BLOCK);
    for block in early.as_chunks::<BLOCK>().0 {
        position += BLOCK as u64;
        compress(state, block, [position, flags]);
        flags = kind;
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let mut used = rest.len();
    let mut suffix = suffix;
    if used + suffix.len() > BLOCK {
        let (fits, left) = suffix.split_at(BLOCK - used);
        last[used..].copy_from_slice(fits);
        position += BLOCK as u64;
        compress(state, &last, [position, flags]);
        flags = kind;
        last = [0; BLOCK];
        used = 0;
        suffix = left;
    }
    debug_assert!(suffix.len() <= BLOCK, "a suffix fits one block");
    last[used..used + suffix.len()].copy_from_slice(suffix);
    position += (used + suffix.len()) as u64;
    compress(state, &last, [position, flags | FINAL]);
    last.zeroize();
}

/// Threefish-512 (section 3.3) under `state` and the tweak, with the block fed forward.
#[inline(never)]
fn compress(state: &mut [u64; WORDS], block: &[u8; BLOCK], tweak: [u64; 2]) {
    let mut message = [0; WORDS];
    for (word, octets) in message.iter_mut().zip(block.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*octets);
    }
    let mut key = [0; WORDS + 1];
    key[..WORDS].copy_from_slice(state);
    key[WORDS] = state.iter().fold(PARITY, |parity, word| parity ^ word);
    let tweak = [tweak[0], tweak[1], tweak[0] ^ tweak[1]];

    let mut x = message;
    eight_rounds::<0>(&mut x, &key, &tweak);
    eight_rounds::<1>(&mut x, &key, &tweak);
    eight_rounds::<2>(&mut x, &key, &tweak);
    eight_rounds::<3>(&mut x, &key, &tweak);
    eight_rounds::<4>(&mut x, &key, &tweak);
    eight_rounds::<5>(&mut x, &key, &tweak);
    eight_rounds::<6>(&mut x, &key, &tweak);
    eight_rounds::<7>(&mut x, &key, &tweak);
    eight_rounds::<8>(&mut x, &key, &tweak);
    add_subkey(18, &mut x, &key, &tweak);
    for ((word, x), message) in state.iter_mut().zip(x).zip(message) {
        *word = x ^ message;
    }
}

/// The number of the rounds is a constant so that no index is left to work out.
#[inline(always)]
fn eight_rounds<const GROUP: usize>(
    x: &mut [u64; WORDS],
    key: &[u64; WORDS + 1],
    tweak: &[u64; 3],
) {
    add_subkey(2 * GROUP, x, key, tweak);
    for rotations in &ROTATIONS[..4] {
        round(x, rotations);
    }
    add_subkey(2 * GROUP + 1, x, key, tweak);
    for rotations in &ROTATIONS[4..] {
        round(x, rotations);
    }
}

#[inline(always)]
fn add_subkey(number: usize, x: &mut [u64; WORDS], key: &[u64; WORDS + 1], tweak: &[u64; 3]) {
    for (i, word) in x.iter_mut().enumerate() {
        *word = word.wrapping_add(key[(number + i) % (WORDS + 1)]);
    }
    x[5] = x[5].wrapping_add(tweak[number % 3]);
    x[6] = x[6].wrapping_add(tweak[(number + 1) % 3]);
    x[7] = x[7].wrapping_add(number as u64);
}

/// One round: MIX on each pair, then the permutation 2 1 4 7 6 5 0 3.
#[inline(always)]
fn round(x: &mut [u64; WORDS], rotations: &[u32; 4]) {
    for (pair, rotation) in rotations.iter().enumerate() {
        let sum = x[2 * pair].wrapping_add(x[2 * pair + 1]);
        x[2 * pair + 1] = x[2 * pair + 1].rotate_left(*rotation) ^ sum;
        x[2 * pair] = sum;
    }
    *x = [x[2], x[1], x[4], x[7], x[6], x[5], x[0], x[3]];
}
