//! Block ciphers in counter mode.

use aes::cipher::consts::U16;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use sealtone_crypto::twofish::Twofish;

use super::SrtpError;

/// One block of every cipher here, in octets.
pub(super) const BLOCK: usize = 16;

/// Blocks made in one go: enough for a 20 ms G.711 packet, its GCM mask included, without a second round.
pub(super) const BATCH: usize = 16;

pub(super) type Block = Array<u8, U16>;

/// A keyed 128-bit block cipher.
pub(super) trait BlockCipher: Sized + Send + 'static {
    /// # Errors
    /// [`SrtpError::BadKey`] for a key of another length.
    fn new(key: &[u8]) -> Result<Self, SrtpError>;

    fn encrypt_blocks(&self, blocks: &mut [Block]);

    /// XORs the keystream whose first counter block is `counter` into `data`.
    #[inline]
    fn xor_keystream(&self, mut counter: u128, data: &mut [u8]) {
        for chunk in data.chunks_mut(BATCH * BLOCK) {
            let mut keystream = [Block::default(); BATCH];
            let used = &mut keystream[..chunk.len().div_ceil(BLOCK)];
            counter = write_counters(counter, used);
            self.encrypt_blocks(used);
            xor_in_place(chunk, used);
        }
    }
}

macro_rules! aes {
    ($($cipher:ty),*) => {$(
        impl BlockCipher for $cipher {
            fn new(key: &[u8]) -> Result<Self, SrtpError> {
                Self::new_from_slice(key).map_err(|_| SrtpError::BadKey)
            }

            #[inline]
            fn encrypt_blocks(&self, blocks: &mut [Block]) {
                BlockCipherEncrypt::encrypt_blocks(self, blocks);
            }
        }
    )*};
}

aes!(Aes128Enc, Aes192Enc, Aes256Enc);

impl BlockCipher for Twofish {
    fn new(key: &[u8]) -> Result<Self, SrtpError> {
        Self::new(key).map_err(|_| SrtpError::BadKey)
    }

    #[inline]
    fn encrypt_blocks(&self, blocks: &mut [Block]) {
        self.encrypt_blocks(Array::cast_slice_to_core_mut(blocks));
    }
}

/// Fills `blocks` with successive counter blocks and returns the counter after the last one.
#[inline]
pub(super) fn write_counters(mut counter: u128, blocks: &mut [Block]) -> u128 {
    for block in blocks {
        block.0 = counter.to_be_bytes();
        counter = counter.wrapping_add(1);
    }
    counter
}

/// XORs `keystream` into `data`, which is at most as long.
#[inline]
pub(super) fn xor_in_place(data: &mut [u8], keystream: &[Block]) {
    let mut whole = data.chunks_exact_mut(BLOCK);
    let mut mask = keystream.iter();
    for (chunk, block) in whole.by_ref().zip(mask.by_ref()) {
        for (octet, key) in chunk.iter_mut().zip(block) {
            *octet ^= key;
        }
    }
    let rest = whole.into_remainder();
    if let Some(block) = mask.next() {
        for (octet, key) in rest.iter_mut().zip(block) {
            *octet ^= key;
        }
    }
}
