//! HMAC with SHA-256 and SHA-384 (RFC 2104), which `hmac` and `sha2` compute.
//!
//! Python has it too; but a handshake takes some forty of them, of short messages, where getting there costs most.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384};

/// With SHA-256.
#[must_use]
pub fn sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length of key will do");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// With SHA-384.
#[must_use]
pub fn sha384(key: &[u8], data: &[u8]) -> [u8; 48] {
    let mut mac = Hmac::<Sha384>::new_from_slice(key).expect("any length of key will do");
    mac.update(data);
    mac.finalize().into_bytes().into()
}
