//! AES-GCM for SRTP (RFC 7714), on `aes` and `polyval` directly.
//!
//! The `aes-gcm` crate reverses the octets of each block for GHASH one by one and works out the key powers for every
//! call; here a packet is gathered into blocks in POLYVAL's order and hashed in one go, with the powers kept.

use aes::cipher::consts::U16;
use polyval::Polyval;
use polyval::hazmat::FieldElement;
use polyval::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;

use super::SrtpError;
use super::cipher::{BATCH, BLOCK, Block, BlockCipher, write_counters, xor_in_place};

pub(super) const TAG_LEN: usize = 16;

pub(super) struct Gcm<C> {
    cipher: C,
    hash: Polyval,
}

impl<C: BlockCipher> Gcm<C> {
    pub(super) fn new(cipher: C) -> Self {
        let mut h = [Block::default()];
        cipher.encrypt_blocks(&mut h);
        // GHASH by way of POLYVAL: RFC 8452 appendix A.
        let h = FieldElement::from(h[0].0).reverse().mulx();
        Self {
            cipher,
            hash: Polyval::new(&h.into()),
        }
    }

    /// Encrypts `text` in place and returns the tag over it and the associated data, given in two parts.
    /// `nonce` is the 96-bit nonce in the upper bits of the counter block.
    #[inline]
    pub(super) fn seal(&self, nonce: u128, aad: [&[u8]; 2], text: &mut [u8]) -> [u8; TAG_LEN] {
        let mask = self.xor_keystream(nonce, text);
        xor(self.ghash(aad, text), mask)
    }

    /// Checks `tag`, then decrypts `text` in place; a wrong tag leaves `text` as it was.
    #[inline]
    pub(super) fn open(
        &self,
        nonce: u128,
        aad: [&[u8]; 2],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), SrtpError> {
        // The mask of the tag and the first keystream blocks come out of one batch; nothing is XORed before the tag
        // has been found right.
        let mut keystream = [Block::default(); BATCH];
        let first_len = text.len().min((BATCH - 1) * BLOCK);
        let used = &mut keystream[..1 + first_len.div_ceil(BLOCK)];
        let next = write_counters(nonce | 1, used);
        self.cipher.encrypt_blocks(used);
        let expected = xor(self.ghash(aad, text), keystream[0].0);
        if !bool::from(expected.ct_eq(tag)) {
            return Err(SrtpError::NotAuthentic);
        }
        let (first, rest) = text.split_at_mut(first_len);
        xor_in_place(first, &keystream[1..]);
        self.cipher.xor_keystream(next, rest);
        Ok(())
    }

    /// Encrypts `text` and returns the mask of the tag.
    #[inline]
    fn xor_keystream(&self, nonce: u128, text: &mut [u8]) -> [u8; BLOCK] {
        let (first, rest) = text.split_at_mut(text.len().min((BATCH - 1) * BLOCK));
        let mut keystream = [Block::default(); BATCH];
        let used = &mut keystream[..1 + first.len().div_ceil(BLOCK)];
        let next = write_counters(nonce | 1, used);
        self.cipher.encrypt_blocks(used);
        xor_in_place(first, &used[1..]);
        self.cipher.xor_keystream(next, rest);
        keystream[0].0
    }

    /// GHASH over the associated data and the encrypted text, each padded to whole blocks, and their lengths.
    #[inline]
    fn ghash(&self, aad: [&[u8]; 2], text: &[u8]) -> [u8; BLOCK] {
        let mut hash = self.hash.clone();
        let aad_len = aad[0].len() + aad[1].len();
        let mut blocks = [polyval::Block::default(); BATCH];
        let mut used = 1;
        if aad_len <= BLOCK {
            let mut joined = [0; BLOCK];
            joined[..aad[0].len()].copy_from_slice(aad[0]);
            joined[aad[0].len()..aad_len].copy_from_slice(aad[1]);
            blocks[0] = reversed(joined);
        } else {
            // Long RTP headers only: those of RTCP have twelve octets in all.
            update_padded(&mut hash, aad[0]);
            used = 0;
        }
        // What fills one batch together with the last block is hashed in one go.
        let (early, late) = text.split_at(
            text.len()
                .saturating_sub((BATCH - 2) * BLOCK)
                .next_multiple_of(BLOCK),
        );
        if !early.is_empty() {
            hash.update(&blocks[..used]);
            update_padded(&mut hash, early);
            used = 0;
        }
        used = gather(&mut blocks, used, late);
        let lengths = (u128::from(8 * aad_len as u64) << 64) | u128::from(8 * text.len() as u64);
        blocks[used] = reversed(lengths.to_be_bytes());
        hash.update(&blocks[..=used]);
        u128::from_le_bytes(hash.finalize().0).to_be_bytes()
    }
}

/// Writes `data`, padded with zeros to whole blocks, from `blocks[used]` on; returns where it ends.
#[inline(always)]
fn gather(blocks: &mut [polyval::Block; BATCH], used: usize, data: &[u8]) -> usize {
    let (whole, rest) = aes::cipher::Array::<u8, U16>::slice_as_chunks(data);
    for (slot, block) in blocks[used..].iter_mut().zip(whole) {
        *slot = reversed(block.0);
    }
    let used = used + whole.len();
    if rest.is_empty() {
        return used;
    }
    let mut padded = [0; BLOCK];
    padded[..rest.len()].copy_from_slice(rest);
    blocks[used] = reversed(padded);
    used + 1
}

/// Hashes `data`, padded with zeros to whole blocks.
#[cold]
fn update_padded(hash: &mut Polyval, data: &[u8]) {
    let mut blocks = [polyval::Block::default(); BATCH];
    for chunk in data.chunks(BATCH * BLOCK) {
        let used = gather(&mut blocks, 0, chunk);
        hash.update(&blocks[..used]);
    }
}

#[inline(always)]
fn reversed(block: [u8; BLOCK]) -> polyval::Block {
    u128::from_be_bytes(block).to_le_bytes().into()
}

#[inline]
fn xor(a: [u8; BLOCK], b: [u8; BLOCK]) -> [u8; BLOCK] {
    (u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b)).to_ne_bytes()
}
