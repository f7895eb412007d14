//! The cryptographic primitives of ZRTP (RFC 6189) that Python's `cryptography` lacks or is about to drop.
//!
//! - [`aes_cfb`]: the CFB mode of AES (AES1, AES2, AES3), which Python has, but takes longer to get to
//! - [`skein`]: Skein-512 as hash (SKN2, SKN3) and as MAC (SK32, SK64)
//! - [`twofish`]: the block cipher, and its CFB mode (2FS1, 2FS2, 2FS3)
//! - [`modp`]: Diffie-Hellman in the groups of RFC 3526 (DH2k, DH3k)
//! - [`curve3617`]: Diffie-Hellman on Curve3617 (E414)
//! - [`hmac`]: HMAC (S256, S384), which Python has, but takes longer to get to
//! - [`crc32c`]: the checksum of packets
//!
//! Diffie-Hellman and Skein take the same time whatever the secrets are. Twofish looks up tables by secret octets, as
//! every software Twofish does. Keys are wiped on drop; what the compiler spills to the stack meanwhile is not.

pub mod aes_cfb;
pub mod crc32c;
pub mod curve3617;
pub mod hmac;
pub mod modp;
pub mod skein;
pub mod twofish;

/// Why a Diffie-Hellman exchange was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAgreementError {
    /// The private key has the wrong length.
    BadPrivateKey,
    /// The peer's public value has the wrong length, is out of range, not on the curve, or of small order: the result
    /// would not be secret.
    BadPublicKey,
}

impl core::fmt::Display for KeyAgreementError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BadPrivateKey => "the private key has the wrong length",
            Self::BadPublicKey => "the peer's public value is not valid",
        })
    }
}

impl core::error::Error for KeyAgreementError {}
