//! Message authentication of the counter-mode suites.

use sealtone_crypto::skein::Skein512;
use sha1::block_api::compress;
use sha1::digest::array::Array;
use sha1::digest::consts::U64;
use zeroize::{Zeroize, Zeroizing};

const SHA1_BLOCK: usize = 64;
const SHA1_INITIAL: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// Length in octets of the longest MAC value here.
pub(super) const MAC_LEN: usize = 20;

/// A keyed MAC.
pub(super) trait Mac: Send + 'static {
    /// MAC over `data` followed by `suffix`, which has at most four octets.
    fn compute(&self, data: &[u8], suffix: &[u8]) -> [u8; MAC_LEN];
}

impl Mac for Skein512 {
    #[inline]
    fn compute(&self, data: &[u8], suffix: &[u8]) -> [u8; MAC_LEN] {
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&self.digest(data, suffix)[..MAC_LEN]);
        mac
    }
}

/// HMAC-SHA1 (RFC 2104) whose two pad blocks were hashed when the key was set, so that a packet of n blocks costs
/// n + 1 compressions.
pub(super) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl HmacSha1 {
    pub(super) fn new(key: &[u8]) -> Self {
        Self {
            inner: pad_state(key, 0x36),
            outer: pad_state(key, 0x5c),
        }
    }
}

impl Mac for HmacSha1 {
    #[inline]
    fn compute(&self, data: &[u8], suffix: &[u8]) -> [u8; MAC_LEN] {
        let mut state = self.inner;
        let (whole, rest) = Array::<u8, U64>::slice_as_chunks(data);
        if !whole.is_empty() {
            compress(&mut state, Array::cast_slice_to_core(whole));
        }
        // What is left, the suffix, the end mark and the length fit two blocks: 63 + 4 + 1 + 8 = 76.
        let mut tail = [[0; SHA1_BLOCK]; 2];
        let used = rest.len() + suffix.len();
        let flat = tail.as_flattened_mut();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()..used].copy_from_slice(suffix);
        flat[used] = 0x80;
        let blocks = if used < SHA1_BLOCK - 8 { 1 } else { 2 };
        let bits = 8 * (SHA1_BLOCK + data.len() + suffix.len()) as u64;
        flat[blocks * SHA1_BLOCK - 8..blocks * SHA1_BLOCK].copy_from_slice(&bits.to_be_bytes());
        compress(&mut state, &tail[..blocks]);

        let mut last = [0; SHA1_BLOCK];
        last[..MAC_LEN].copy_from_slice(&digest(&state));
        last[MAC_LEN] = 0x80;
        last[SHA1_BLOCK - 8..].copy_from_slice(&(8 * (SHA1_BLOCK + MAC_LEN) as u64).to_be_bytes());
        state = self.outer;
        compress(&mut state, &[last]);
        digest(&state)
    }
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

fn pad_state(key: &[u8], pad: u8) -> [u32; 5] {
    let mut block = Zeroizing::new([pad; SHA1_BLOCK]);
    for (octet, key) in block.iter_mut().zip(key) {
        *octet ^= key;
    }
    let mut state = SHA1_INITIAL;
    compress(&mut state, core::slice::from_ref(&*block));
    state
}

#[inline]
fn digest(state: &[u32; 5]) -> [u8; MAC_LEN] {
    let mut out = [0; MAC_LEN];
    for (octets, word) in out.chunks_exact_mut(4).zip(state) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    out
}
