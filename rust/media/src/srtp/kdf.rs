//! Key derivation (RFC 3711 section 4.3, RFC 6188, RFC 7714 section 11) with a key derivation rate of zero. The
//! suites with Twofish derive with Twofish, as GNU ZRTP and Jitsi do.

use zeroize::Zeroizing;

use super::cipher::BlockCipher;
use super::{SrtpError, Suite};

/// Which of the two packet streams keys are for; the value is the first of its three labels.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Rtp = 0,
    Rtcp = 3,
}

/// Label of a check value that tells whether two masters are equal; no stream uses it.
const FINGERPRINT_LABEL: u8 = 0xf0;

/// Session keys of one stream. Of the keys only as many octets count as the suite asks for.
pub(super) struct SessionKeys {
    pub(super) cipher_key: Zeroizing<[u8; 32]>,
    pub(super) auth_key: Zeroizing<[u8; 32]>,
    /// The salt as RFC 3711 aligns it: 112 bits, an AEAD's 96 bits followed by zeros.
    pub(super) salt: Zeroizing<[u8; 14]>,
}

/// The pseudo-random function of RFC 3711 section 4.3.3: the suite's cipher in counter mode under the master key.
pub(super) struct Master {
    suite: Suite,
    cipher: BlockCipher,
    salt: Zeroizing<[u8; 14]>,
}

impl Master {
    pub(super) fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        suite.check(key, salt)?;
        let mut padded = Zeroizing::new([0; 14]);
        padded[..salt.len()].copy_from_slice(salt);
        Ok(Self {
            suite,
            cipher: BlockCipher::new(suite.cipher(), key)?,
            salt: padded,
        })
    }

    fn fill(&self, label: u8, out: &mut [u8]) {
        out.fill(0);
        let mut block = Zeroizing::new([0; 16]);
        block[..14].copy_from_slice(&*self.salt);
        block[7] ^= label;
        self.cipher.xor_keystream(u128::from_be_bytes(*block), out);
    }

    pub(super) fn session_keys(&self, stream: Stream) -> SessionKeys {
        let mut keys = SessionKeys {
            cipher_key: Zeroizing::new([0; 32]),
            auth_key: Zeroizing::new([0; 32]),
            salt: Zeroizing::new([0; 14]),
        };
        let label = stream as u8;
        self.fill(label, &mut keys.cipher_key[..self.suite.key_len()]);
        self.fill(label + 1, &mut keys.auth_key[..self.suite.auth_key_len()]);
        self.fill(label + 2, &mut keys.salt[..self.suite.salt_len()]);
        keys
    }

    /// A one-way check value of suite, key and salt.
    pub(super) fn fingerprint(&self) -> Zeroizing<[u8; 16]> {
        let mut value = Zeroizing::new([0; 16]);
        self.fill(FINGERPRINT_LABEL, &mut *value);
        value
    }
}
