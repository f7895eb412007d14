//! The crypto suites: those of SDES by their SDP names, and what ZRTP agrees on.

use super::SrtpError;

/// What protects a stream.
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
    /// A cipher and an authentication tag of ZRTP, in counter mode with a MAC after it. SDES has no names for these.
    Zrtp(ZrtpCipher, ZrtpTag),
}

/// The ciphers of ZRTP (RFC 6189 section 5.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZrtpCipher {
    /// AES-128 (AES1).
    Aes128,
    /// AES-192 (AES2).
    Aes192,
    /// AES-256 (AES3).
    Aes256,
    /// Twofish with a key of 128 bits (2FS1).
    Twofish128,
    /// Twofish with a key of 192 bits (2FS2).
    Twofish192,
    /// Twofish with a key of 256 bits (2FS3).
    Twofish256,
}

/// The authentication tags of ZRTP (RFC 6189 section 5.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZrtpTag {
    /// HMAC-SHA1 with 80-bit tags.
    Hs80,
    /// HMAC-SHA1 with 32-bit tags on RTP.
    Hs32,
    /// The Skein MAC with 64 bits of output, on RTP and on RTCP.
    Sk64,
    /// The Skein MAC with 32 bits of output, on RTP and on RTCP.
    Sk32,
}

const ZRTP_CIPHERS: [ZrtpCipher; 6] = [
    ZrtpCipher::Aes256,
    ZrtpCipher::Twofish256,
    ZrtpCipher::Aes192,
    ZrtpCipher::Twofish192,
    ZrtpCipher::Aes128,
    ZrtpCipher::Twofish128,
];
const ZRTP_TAGS: [ZrtpTag; 4] = [ZrtpTag::Hs80, ZrtpTag::Hs32, ZrtpTag::Sk64, ZrtpTag::Sk32];

/// What makes the keystream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    Twofish,
}

/// What makes the tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentication {
    HmacSha1,
    /// Its output is as long as the tag, which makes it another function for each length.
    Skein,
    Gcm,
}

/// The names of a cipher with each tag.
macro_rules! tagged {
    ($cipher:literal) => {
        [
            concat!($cipher, "_HS80"),
            concat!($cipher, "_HS32"),
            concat!($cipher, "_SK64"),
            concat!($cipher, "_SK32"),
        ]
    };
}

impl Suite {
    /// Every suite of SDES, strongest first.
    pub const SDES: [Self; 6] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm128HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm128HmacSha1_32,
    ];

    /// Every suite: those of SDES, then those of ZRTP.
    pub const ALL: [Self; 30] = {
        let mut all = [Self::AeadAes256Gcm; 30];
        let mut i = 0;
        while i < all.len() {
            all[i] = if i < Self::SDES.len() {
                Self::SDES[i]
            } else {
                let place = i - Self::SDES.len();
                Self::Zrtp(
                    ZRTP_CIPHERS[place / ZRTP_TAGS.len()],
                    ZRTP_TAGS[place % ZRTP_TAGS.len()],
                )
            };
            i += 1;
        }
        all
    };

    /// The name in `a=crypto`, or "ZRTP", cipher and tag by the names of RFC 6189.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::Zrtp(cipher, tag) => {
                let [hs80, hs32, sk64, sk32] = match cipher {
                    ZrtpCipher::Aes128 => tagged!("ZRTP_AES1"),
                    ZrtpCipher::Aes192 => tagged!("ZRTP_AES2"),
                    ZrtpCipher::Aes256 => tagged!("ZRTP_AES3"),
                    ZrtpCipher::Twofish128 => tagged!("ZRTP_2FS1"),
                    ZrtpCipher::Twofish192 => tagged!("ZRTP_2FS2"),
                    ZrtpCipher::Twofish256 => tagged!("ZRTP_2FS3"),
                };
                match tag {
                    ZrtpTag::Hs80 => hs80,
                    ZrtpTag::Hs32 => hs32,
                    ZrtpTag::Sk64 => sk64,
                    ZrtpTag::Sk32 => sk32,
                }
            }
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
            Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32
            | Self::AeadAes128Gcm
            | Self::Zrtp(ZrtpCipher::Aes128 | ZrtpCipher::Twofish128, _) => 16,
            Self::Zrtp(ZrtpCipher::Aes192 | ZrtpCipher::Twofish192, _) => 24,
            Self::AesCm256HmacSha1_80
            | Self::AesCm256HmacSha1_32
            | Self::AeadAes256Gcm
            | Self::Zrtp(ZrtpCipher::Aes256 | ZrtpCipher::Twofish256, _) => 32,
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
            Self::AesCm128HmacSha1_80
            | Self::AesCm256HmacSha1_80
            | Self::Zrtp(_, ZrtpTag::Hs80) => 10,
            Self::AesCm128HmacSha1_32
            | Self::AesCm256HmacSha1_32
            | Self::Zrtp(_, ZrtpTag::Hs32 | ZrtpTag::Sk32) => 4,
            Self::Zrtp(_, ZrtpTag::Sk64) => 8,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Length of the tag on RTCP packets in octets. RFC 4568 section 6.2 and RFC 3711 section 5.2 keep it at 80 bits
    /// for the suites with 32-bit HMAC tags; no RFC says so of Skein, where GNU ZRTP, whose invention it is, sends what
    /// it sends on RTP.
    #[must_use]
    pub const fn rtcp_tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Zrtp(_, ZrtpTag::Sk64 | ZrtpTag::Sk32) => self.rtp_tag_len(),
            _ => 10,
        }
    }

    /// Whether peers are known to put 32-bit tags on SRTCP with this suite, against the RFC.
    pub(super) const fn may_shorten_rtcp_tag(self) -> bool {
        self.rtp_tag_len() < self.rtcp_tag_len()
    }

    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    pub(super) const fn cipher(self) -> Cipher {
        match (self, self.key_len()) {
            (
                Self::Zrtp(
                    ZrtpCipher::Twofish128 | ZrtpCipher::Twofish192 | ZrtpCipher::Twofish256,
                    _,
                ),
                _,
            ) => Cipher::Twofish,
            (_, 16) => Cipher::Aes128,
            (_, 24) => Cipher::Aes192,
            _ => Cipher::Aes256,
        }
    }

    pub(super) const fn authentication(self) -> Authentication {
        match self {
            Self::Zrtp(_, ZrtpTag::Sk32 | ZrtpTag::Sk64) => Authentication::Skein,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => Authentication::Gcm,
            _ => Authentication::HmacSha1,
        }
    }

    /// Length of the session authentication key in octets: 160 bits for HMAC-SHA1 (RFC 3711 section 5.2), 256 for the
    /// Skein MAC (RFC 6189 section 5.1.4).
    pub(super) const fn auth_key_len(self) -> usize {
        match self.authentication() {
            Authentication::HmacSha1 => 20,
            Authentication::Skein => 32,
            Authentication::Gcm => 0,
        }
    }

    pub(super) fn check(self, key: &[u8], salt: &[u8]) -> Result<(), SrtpError> {
        if key.len() == self.key_len() && salt.len() == self.salt_len() {
            Ok(())
        } else {
            Err(SrtpError::BadKey)
        }
    }
}
