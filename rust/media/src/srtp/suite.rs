//! The crypto suites, by their SDP names.

use super::SrtpError;

/// A crypto suite of SDES (RFC 4568, RFC 6188, RFC 7714).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 with 80-bit tags.
    AesCm128HmacSha1_80,
    /// AES-128 in counter mode, HMAC-SHA1 with 32-bit tags on RTP.
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode, HMAC-SHA1 with 80-bit tags.
    AesCm256HmacSha1_80,
    /// AES-256 in counter mode, HMAC-SHA1 with 32-bit tags on RTP.
    AesCm256HmacSha1_32,
    /// AES-128-GCM with 128-bit tags.
    AeadAes128Gcm,
    /// AES-256-GCM with 128-bit tags.
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite, strongest first.
    pub const ALL: [Self; 6] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm128HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm128HmacSha1_32,
    ];

    /// The name in `a=crypto`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of that name, in the spelling of [`Suite::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Length of the master key, and of the cipher's session key, in octets.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt in octets.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Length of the tag on RTP packets in octets.
    #[must_use]
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm256HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 | Self::AesCm256HmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Length of the tag on RTCP packets in octets: RFC 4568 section 6.2 keeps it at 80 bits for the `_32` suites.
    #[must_use]
    pub const fn rtcp_tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }

    /// Whether peers are known to put 32-bit tags on SRTCP with this suite, against the RFC.
    pub(super) const fn may_shorten_rtcp_tag(self) -> bool {
        self.rtp_tag_len() == 4
    }

    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    pub(super) fn check(self, key: &[u8], salt: &[u8]) -> Result<(), SrtpError> {
        if key.len() == self.key_len() && salt.len() == self.salt_len() {
            Ok(())
        } else {
            Err(SrtpError::BadKey)
        }
    }
}
