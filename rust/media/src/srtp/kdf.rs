//! Key derivation (RFC 3711 section 4.3, RFC 6188, RFC 7714 section 11) with a key derivation rate of zero. The
//! suites with Twofish derive with Twofish, as GNU ZRTP and Jitsi do.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::BlockCipher;
use super::{SrtpError, Suite};

/// Which of the two packet streams keys are for; the value is the first of its three labels.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Rtp = 0,
    Rtcp = 3,
}

/// Session keys of one stream. Of the keys only as many octets count as the suite asks for.
pub(super) struct SessionKeys {
    pub(super) cipher_key: Zeroizing<[u8; 32]>,
    pub(super) auth_key: Zeroizing<[u8; 32]>,
    /// The salt as RFC 3711 aligns it: 112 bits, an AEAD's 96 bits followed by zeros.
    pub(super) salt: Zeroizing<[u8; 14]>,
}

/// A master key and its salt.
#[derive(Clone)]
pub(super) struct Master {
    suite: Suite,
    /// As many octets count as the suite asks for; the rest are zero, of the salt too.
    key: Zeroizing<[u8; 32]>,
    salt: Zeroizing<[u8; 14]>,
}

impl Master {
    /// # Errors
    /// [`SrtpError::BadKey`] when key or salt is not as long as the suite asks for.
    pub(super) fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        suite.check(key, salt)?;
        let mut master = Self {
            suite,
            key: Zeroizing::new([0; 32]),
            salt: Zeroizing::new([0; 14]),
        };
        master.key[..key.len()].copy_from_slice(key);
        master.salt[..salt.len()].copy_from_slice(salt);
        Ok(master)
    }

    pub(super) fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) fn is(&self, suite: Suite, key: &[u8], salt: &[u8]) -> bool {
        Self::new(suite, key, salt).is_ok_and(|other| {
            let same = self.key.ct_eq(&*other.key) & self.salt.ct_eq(&*other.salt);
            self.suite == suite && same.into()
        })
    }

    /// Session keys by the pseudo-random function of RFC 3711 section 4.3.3: the suite's cipher, which `C` has to be,
    /// in counter mode under the master key.
    ///
    /// # Errors
    /// [`SrtpError::BadKey`] when `C` is none for keys of that length.
    pub(super) fn session_keys<C: BlockCipher>(
        &self,
        stream: Stream,
    ) -> Result<SessionKeys, SrtpError> {
        let cipher = C::new(&self.key[..self.suite.key_len()])?;
        let fill = |label: u8, out: &mut [u8]| {
            let mut block = Zeroizing::new([0; 16]);
            block[..14].copy_from_slice(&*self.salt);
            block[7] ^= label;
            cipher.xor_keystream(u128::from_be_bytes(*block), out);
        };
        let mut keys = SessionKeys {
            cipher_key: Zeroizing::new([0; 32]),
            auth_key: Zeroizing::new([0; 32]),
            salt: Zeroizing::new([0; 14]),
        };
        let label = stream as u8;
        fill(label, &mut keys.cipher_key[..self.suite.key_len()]);
        fill(label + 1, &mut keys.auth_key[..self.suite.auth_key_len()]);
        fill(label + 2, &mut keys.salt[..self.suite.salt_len()]);
        Ok(keys)
    }
}
