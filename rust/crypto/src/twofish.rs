//! Twofish ("Twofish: A 128-Bit Block Cipher", 1998) with keys of 128, 192 or 256 bits.
//!
//! The key-dependent S-boxes are worked out when the key is set and kept as octets (one KiB); the MDS matrix is one
//! table for all keys. Keeping their product for each key would take four lookups fewer a word but four KiB a key,
//! which a server with many calls would read from far away.

use zeroize::{Zeroize, Zeroizing};

/// One block in octets.
pub const BLOCK: usize = 16;

/// Section 4.3.5: the nibble tables of the permutations q0 and q1.
const NIBBLES: [[[u8; 16]; 4]; 2] = [
    [
        [8, 1, 7, 13, 6, 15, 3, 2, 0, 11, 5, 9, 14, 12, 10, 4],
        [14, 12, 11, 8, 1, 2, 3, 5, 15, 4, 10, 6, 7, 0, 9, 13],
        [11, 10, 5, 14, 6, 13, 9, 0, 12, 8, 15, 3, 2, 4, 7, 1],
        [13, 7, 15, 4, 1, 2, 6, 14, 9, 11, 3, 0, 8, 5, 12, 10],
    ],
    [
        [2, 8, 11, 13, 15, 7, 6, 14, 3, 1, 9, 4, 0, 10, 12, 5],
        [1, 14, 2, 11, 4, 12, 3, 7, 6, 13, 10, 5, 15, 9, 0, 8],
        [4, 12, 7, 5, 1, 6, 9, 10, 0, 14, 13, 8, 2, 11, 3, 15],
        [11, 9, 5, 1, 12, 3, 13, 14, 6, 4, 7, 15, 2, 0, 8, 10],
    ],
];

/// Section 4.3.2: which permutation stands at each step of h for each octet, the last step first.
const STEPS: [[usize; 4]; 5] = [
    [1, 0, 1, 0],
    [0, 0, 1, 1],
    [0, 1, 0, 1],
    [1, 1, 0, 0],
    [1, 0, 0, 1],
];

/// Section 4.2: the matrix, over GF(2^8) with x^8 + x^6 + x^5 + x^3 + 1.
const MDS: [[u8; 4]; 4] = [
    [0x01, 0xef, 0x5b, 0x5b],
    [0x5b, 0xef, 0xef, 0x01],
    [0xef, 0x5b, 0x01, 0xef],
    [0xef, 0x01, 0xef, 0x5b],
];
const MDS_POLYNOMIAL: u16 = 0x169;

/// Section 4.3: the Reed-Solomon matrix, over GF(2^8) with x^8 + x^6 + x^3 + x^2 + 1.
const RS: [[u8; 8]; 4] = [
    [0x01, 0xa4, 0x55, 0x87, 0x5a, 0x58, 0xdb, 0x9e],
    [0xa4, 0x56, 0x82, 0xf3, 0x1e, 0xc6, 0x68, 0xe5],
    [0x02, 0xa1, 0xfc, 0xc1, 0x47, 0xae, 0x3d, 0x19],
    [0xa4, 0x55, 0x87, 0x5a, 0x58, 0xdb, 0x9e, 0x03],
];
const RS_POLYNOMIAL: u16 = 0x14d;

static PERMUTATIONS: [[u8; 256]; 2] = [permutation(&NIBBLES[0]), permutation(&NIBBLES[1])];
static MDS_COLUMNS: [[u32; 256]; 4] = mds_columns();

const fn permutation(nibbles: &[[u8; 16]; 4]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        let (mut a, mut b) = (x as u8 >> 4, x as u8 & 15);
        let mut step = 0;
        while step < 4 {
            let mixed = a ^ (b >> 1 | b << 3 & 8) ^ (a << 3 & 8);
            a = nibbles[step][(a ^ b) as usize];
            b = nibbles[step + 1][mixed as usize];
            step += 2;
        }
        table[x] = b << 4 | a;
        x += 1;
    }
    table
}

const fn multiply(a: u8, b: u8, polynomial: u16) -> u8 {
    let mut product = 0;
    let mut bit = 8;
    while bit > 0 {
        bit -= 1;
        product <<= 1;
        if product & 0x100 != 0 {
            product ^= polynomial;
        }
        // No branch on `b`, which may be of the key.
        product ^= a as u16 * (b >> bit & 1) as u16;
    }
    product as u8
}

const fn mds_columns() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut column = 0;
    while column < 4 {
        let mut x = 0;
        while x < 256 {
            tables[column][x] = u32::from_le_bytes([
                multiply(MDS[0][column], x as u8, MDS_POLYNOMIAL),
                multiply(MDS[1][column], x as u8, MDS_POLYNOMIAL),
                multiply(MDS[2][column], x as u8, MDS_POLYNOMIAL),
                multiply(MDS[3][column], x as u8, MDS_POLYNOMIAL),
            ]);
            x += 1;
        }
        column += 1;
    }
    tables
}

/// The key has none of the three lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeyLength;

/// A keyed Twofish. Encryption only: counter mode and CFB need no more.
#[derive(Clone)]
pub struct Twofish {
    whitening: [u32; 8],
    rounds: [[u32; 4]; 8],
    boxes: [[u8; 256]; 4],
}

impl Twofish {
    /// # Errors
    /// [`BadKeyLength`] when `key` has not 16, 24 or 32 octets.
    pub fn new(key: &[u8]) -> Result<Self, BadKeyLength> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(BadKeyLength);
        }
        let (words, _) = key.as_chunks::<4>();
        let (doubles, _) = key.as_chunks::<8>();
        let mut cipher = Self {
            whitening: [0; 8],
            rounds: [[0; 4]; 8],
            boxes: [[0; 256]; 4],
        };
        // The even and the odd words of the key, and the vector S: two to four words each.
        let count = doubles.len();
        let mut lists = Zeroizing::new([[[0; 4]; 4]; 3]);
        let [even, odd, vector] = &mut *lists;
        for (i, double) in doubles.iter().enumerate() {
            even[i] = words[2 * i];
            odd[i] = words[2 * i + 1];
            vector[count - 1 - i] = reed_solomon(double);
        }
        let mut subkeys = Zeroizing::new([0; 40]);
        for (i, pair) in (0..).zip(subkeys.as_chunks_mut::<2>().0) {
            let a = mds(substitute([2 * i; 4], &even[..count]));
            let b = mds(substitute([2 * i + 1; 4], &odd[..count])).rotate_left(8);
            pair[0] = a.wrapping_add(b);
            pair[1] = a.wrapping_add(b).wrapping_add(b).rotate_left(9);
        }
        cipher.whitening.copy_from_slice(&subkeys[..8]);
        cipher
            .rounds
            .as_flattened_mut()
            .copy_from_slice(&subkeys[8..]);
        for x in 0..=255 {
            let y = substitute([x; 4], &vector[..count]);
            for (table, y) in cipher.boxes.iter_mut().zip(y) {
                table[usize::from(x)] = y;
            }
        }
        Ok(cipher)
    }

    /// Encrypts one block in place.
    #[inline]
    pub fn encrypt_block(&self, block: &mut [u8; BLOCK]) {
        self.encrypt(core::array::from_mut(block));
    }

    /// Encrypts blocks in place, each by itself.
    #[inline(never)]
    pub fn encrypt_blocks(&self, blocks: &mut [[u8; BLOCK]]) {
        // Several at a time: while one waits for its tables, the others go on. A G.711 packet has two fives.
        let (fives, rest) = blocks.as_chunks_mut::<5>();
        for five in fives {
            self.encrypt(five);
        }
        let (pairs, rest) = rest.as_chunks_mut::<2>();
        for pair in pairs {
            self.encrypt(pair);
        }
        for block in rest {
            self.encrypt_block(block);
        }
    }

    #[inline(always)]
    fn encrypt<const N: usize>(&self, blocks: &mut [[u8; BLOCK]; N]) {
        let mut x = [[0; 4]; N];
        for (x, block) in x.iter_mut().zip(blocks.iter()) {
            let words = block.as_chunks::<4>().0;
            for ((x, word), key) in x.iter_mut().zip(words).zip(&self.whitening[..4]) {
                *x = u32::from_le_bytes(*word) ^ key;
            }
        }
        for keys in &self.rounds {
            for [a, b, c, d] in &mut x {
                (*c, *d) = self.round([*a, *b], [*c, *d], [keys[0], keys[1]]);
            }
            for [a, b, c, d] in &mut x {
                (*a, *b) = self.round([*c, *d], [*a, *b], [keys[2], keys[3]]);
            }
        }
        for ([a, b, c, d], block) in x.into_iter().zip(blocks) {
            let out = block.as_chunks_mut::<4>().0.iter_mut();
            for ((octets, word), key) in out.zip([c, d, a, b]).zip(&self.whitening[4..]) {
                *octets = (word ^ key).to_le_bytes();
            }
        }
    }

    #[inline(always)]
    fn round(&self, [a, b]: [u32; 2], [c, d]: [u32; 2], keys: [u32; 2]) -> (u32, u32) {
        let t0 = self.g(a.to_le_bytes());
        let t1 = self.g(b.rotate_left(8).to_le_bytes());
        let sum = t0.wrapping_add(t1);
        let c = (c ^ sum.wrapping_add(keys[0])).rotate_right(1);
        let d = d.rotate_left(1) ^ sum.wrapping_add(t1).wrapping_add(keys[1]);
        (c, d)
    }

    #[inline(always)]
    fn g(&self, x: [u8; 4]) -> u32 {
        mds([
            self.boxes[0][usize::from(x[0])],
            self.boxes[1][usize::from(x[1])],
            self.boxes[2][usize::from(x[2])],
            self.boxes[3][usize::from(x[3])],
        ])
    }

    /// Encrypts `data` of any length in place in CFB mode with feedback of whole blocks (RFC 6189 section 5.1.3).
    pub fn encrypt_cfb(&self, iv: &[u8; BLOCK], data: &mut [u8]) {
        let mut feedback = *iv;
        for chunk in data.chunks_mut(BLOCK) {
            self.encrypt_block(&mut feedback);
            for (octet, mask) in chunk.iter_mut().zip(&feedback) {
                *octet ^= mask;
            }
            feedback[..chunk.len()].copy_from_slice(chunk);
        }
    }

    /// Undoes [`Self::encrypt_cfb`].
    pub fn decrypt_cfb(&self, iv: &[u8; BLOCK], data: &mut [u8]) {
        let mut feedback = *iv;
        for chunk in data.chunks_mut(BLOCK) {
            self.encrypt_block(&mut feedback);
            for (octet, mask) in chunk.iter_mut().zip(&mut feedback) {
                (*octet, *mask) = (*octet ^ *mask, *octet);
            }
        }
    }
}

impl Drop for Twofish {
    fn drop(&mut self) {
        self.whitening.zeroize();
        self.rounds.zeroize();
        self.boxes.zeroize();
    }
}

/// The part of the function h before the matrix: `list` is its key material, least significant word first.
fn substitute(mut y: [u8; 4], list: &[[u8; 4]]) -> [u8; 4] {
    for (step, word) in list.iter().enumerate().rev() {
        for (i, y) in y.iter_mut().enumerate() {
            *y = PERMUTATIONS[STEPS[step + 1][i]][usize::from(*y)] ^ word[i];
        }
    }
    for (i, y) in y.iter_mut().enumerate() {
        *y = PERMUTATIONS[STEPS[0][i]][usize::from(*y)];
    }
    y
}

#[inline(always)]
fn mds(y: [u8; 4]) -> u32 {
    MDS_COLUMNS[0][usize::from(y[0])]
        ^ MDS_COLUMNS[1][usize::from(y[1])]
        ^ MDS_COLUMNS[2][usize::from(y[2])]
        ^ MDS_COLUMNS[3][usize::from(y[3])]
}

fn reed_solomon(key: &[u8; 8]) -> [u8; 4] {
    let mut word = [0; 4];
    for (octet, row) in word.iter_mut().zip(&RS) {
        for (factor, key) in row.iter().zip(key) {
            *octet ^= multiply(*factor, *key, RS_POLYNOMIAL);
        }
    }
    word
}
