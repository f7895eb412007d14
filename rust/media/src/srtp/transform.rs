//! What a suite does to one packet, given its index: encryption, tag, and their places in the buffer.

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use sealtone_crypto::skein::Skein512;
use sealtone_crypto::twofish::Twofish;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::cipher::BlockCipher;
use super::gcm::{self, Gcm};
use super::kdf::{Master, Stream};
use super::mac::{HmacSha1, Mac};
use super::suite::{Authentication, Cipher};
use super::{SrtpError, Suite};

/// Octets of an RTCP packet that stay readable: the first header and the sender's SSRC.
pub(super) const RTCP_CLEAR: usize = 8;

/// The 32-bit word behind an SRTCP packet: E flag and 31-bit index.
const RTCP_WORD: usize = 4;

/// The E flag of that word: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// The keyed protection of one packet stream (RTP or RTCP) in one direction.
pub(super) trait Transform: Send {
    /// Protects the RTP packet `buffer[..len]`; `buffer` has room for `tag_len` octets more. Returns the new length.
    fn seal_rtp(
        &self,
        at: Position,
        header_len: usize,
        buffer: &mut [u8],
        len: usize,
        tag_len: usize,
    ) -> usize;

    /// Checks the whole SRTP packet `packet` and decrypts it in place; a packet that is not authentic stays as it
    /// was. The caller has made sure that header and tag fit. Returns the new length.
    fn open_rtp(
        &self,
        at: Position,
        header_len: usize,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError>;

    /// Protects the RTCP packet `buffer[..len]`; `buffer` has room for the trailer. Returns the new length.
    fn seal_rtcp(&self, at: Position, buffer: &mut [u8], len: usize, tag_len: usize) -> usize;

    /// Checks the whole SRTCP packet `packet`, whose index [`rtcp_index`] read, and decrypts it in place; a
    /// packet that is not authentic stays as it was. Returns the new length.
    fn open_rtcp(
        &self,
        at: Position,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError>;
}

/// A state and the transform that goes with it, in one piece of memory that is as large as the suite asks for.
pub(super) struct Keyed<S, T: ?Sized = dyn Transform> {
    pub(super) state: S,
    pub(super) transform: T,
}

impl<S> Keyed<S> {
    /// With the session keys of `stream`.
    ///
    /// # Errors
    /// [`SrtpError::BadKey`].
    pub(super) fn new(master: &Master, stream: Stream, state: S) -> Result<Box<Self>, SrtpError> {
        match master.suite().cipher() {
            Cipher::Aes128 => Self::with_cipher::<Aes128Enc>(master, stream, state),
            Cipher::Aes192 => Self::with_cipher::<Aes192Enc>(master, stream, state),
            Cipher::Aes256 => Self::with_cipher::<Aes256Enc>(master, stream, state),
            Cipher::Twofish => Self::with_cipher::<Twofish>(master, stream, state),
        }
    }

    fn with_cipher<C: BlockCipher>(
        master: &Master,
        stream: Stream,
        state: S,
    ) -> Result<Box<Self>, SrtpError> {
        let suite = master.suite();
        let keys = master.session_keys::<C>(stream)?;
        let cipher = C::new(&keys.cipher_key[..suite.key_len()])?;
        let auth_key = &keys.auth_key[..suite.auth_key_len()];
        let mut block = Zeroizing::new([0; 16]);
        block[..14].copy_from_slice(&*keys.salt);
        let salt = u128::from_be_bytes(*block);
        Ok(match suite.authentication() {
            Authentication::HmacSha1 => Box::new(Keyed {
                state,
                transform: CounterMac {
                    cipher,
                    mac: HmacSha1::new(auth_key),
                    salt,
                },
            }),
            Authentication::Skein => Box::new(Keyed {
                state,
                transform: CounterMac {
                    cipher,
                    mac: Skein512::mac(auth_key, 8 * suite.rtp_tag_len() as u16),
                    salt,
                },
            }),
            Authentication::Gcm => Box::new(Keyed {
                state,
                transform: GcmTransform::new(cipher, salt),
            }),
        })
    }
}

/// Where a packet stands: what nonces are made of.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) ssrc: u32,
    /// 48-bit index of an RTP packet, 31-bit index of an RTCP packet.
    pub(super) index: u64,
}

/// Counter mode with a MAC after it (RFC 3711, RFC 6188, RFC 6189).
struct CounterMac<C, M> {
    cipher: C,
    mac: M,
    /// The 112-bit session salt where it is XORed into the counter block.
    salt: u128,
}

impl<C, M> CounterMac<C, M> {
    /// RFC 3711 section 4.1.1.
    #[inline]
    fn counter(&self, at: Position) -> u128 {
        self.salt ^ (u128::from(at.ssrc) << 64) ^ (u128::from(at.index) << 16)
    }
}

impl<C: BlockCipher, M: Mac> Transform for CounterMac<C, M> {
    fn seal_rtp(
        &self,
        at: Position,
        header_len: usize,
        buffer: &mut [u8],
        len: usize,
        tag_len: usize,
    ) -> usize {
        self.cipher
            .xor_keystream(self.counter(at), &mut buffer[header_len..len]);
        let mac = self
            .mac
            .compute(&buffer[..len], &roll_over_counter(at.index));
        buffer[len..len + tag_len].copy_from_slice(&mac[..tag_len]);
        len + tag_len
    }

    fn open_rtp(
        &self,
        at: Position,
        header_len: usize,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError> {
        let len = packet.len() - tag_len;
        let (body, tag) = packet.split_at_mut(len);
        let mac = self.mac.compute(body, &roll_over_counter(at.index));
        check_tag(&mac[..tag_len], tag)?;
        self.cipher
            .xor_keystream(self.counter(at), &mut body[header_len..]);
        Ok(len)
    }

    fn seal_rtcp(&self, at: Position, buffer: &mut [u8], len: usize, tag_len: usize) -> usize {
        self.cipher
            .xor_keystream(self.counter(at), &mut buffer[RTCP_CLEAR..len]);
        let tag_at = len + RTCP_WORD;
        buffer[len..tag_at].copy_from_slice(&rtcp_word(at.index));
        let mac = self.mac.compute(&buffer[..tag_at], &[]);
        buffer[tag_at..tag_at + tag_len].copy_from_slice(&mac[..tag_len]);
        tag_at + tag_len
    }

    fn open_rtcp(
        &self,
        at: Position,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError> {
        let len = packet.len() - RTCP_WORD - tag_len;
        let (body, tag) = packet.split_at_mut(len + RTCP_WORD);
        let mac = self.mac.compute(body, &[]);
        check_tag(&mac[..tag_len], tag)?;
        self.cipher
            .xor_keystream(self.counter(at), &mut body[RTCP_CLEAR..len]);
        Ok(len)
    }
}

impl<C, M> Drop for CounterMac<C, M> {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

/// AES-GCM (RFC 7714).
pub(super) struct GcmTransform<C> {
    gcm: Gcm<C>,
    /// The 96-bit session salt in the upper bits of the counter block.
    salt: u128,
}

impl<C: BlockCipher> GcmTransform<C> {
    pub(super) fn new(cipher: C, salt: u128) -> Self {
        let gcm = Gcm::new(cipher);
        Self { gcm, salt }
    }

    /// RFC 7714 sections 8.1 and 9.1; the counter's 32 bits are zero.
    #[inline]
    fn nonce(&self, at: Position) -> u128 {
        self.salt ^ (u128::from(at.ssrc) << 80) ^ (u128::from(at.index) << 32)
    }
}

impl<C: BlockCipher> Transform for GcmTransform<C> {
    fn seal_rtp(
        &self,
        at: Position,
        header_len: usize,
        buffer: &mut [u8],
        len: usize,
        _: usize,
    ) -> usize {
        let (header, text) = buffer[..len].split_at_mut(header_len);
        let tag = self.gcm.seal(self.nonce(at), [header, &[]], text);
        buffer[len..len + gcm::TAG_LEN].copy_from_slice(&tag);
        len + gcm::TAG_LEN
    }

    fn open_rtp(
        &self,
        at: Position,
        header_len: usize,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError> {
        let len = packet.len() - tag_len;
        let (body, tag) = packet.split_at_mut(len);
        let (header, text) = body.split_at_mut(header_len);
        self.gcm
            .open(self.nonce(at), [header, &[]], text, gcm_tag(tag)?)?;
        Ok(len)
    }

    fn seal_rtcp(&self, at: Position, buffer: &mut [u8], len: usize, _: usize) -> usize {
        let word = rtcp_word(at.index);
        let (header, text) = buffer[..len].split_at_mut(RTCP_CLEAR);
        let tag = self.gcm.seal(self.nonce(at), [header, &word], text);
        let word_at = len + gcm::TAG_LEN;
        buffer[len..word_at].copy_from_slice(&tag);
        buffer[word_at..word_at + RTCP_WORD].copy_from_slice(&word);
        word_at + RTCP_WORD
    }

    fn open_rtcp(
        &self,
        at: Position,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError> {
        let len = packet.len() - RTCP_WORD - tag_len;
        let (body, trailer) = packet.split_at_mut(len);
        let (tag, word) = trailer.split_at(gcm::TAG_LEN);
        let (header, text) = body.split_at_mut(RTCP_CLEAR);
        self.gcm
            .open(self.nonce(at), [header, word], text, gcm_tag(tag)?)?;
        Ok(len)
    }
}

impl<C> Drop for GcmTransform<C> {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

#[inline]
fn rtcp_word(index: u64) -> [u8; RTCP_WORD] {
    (index as u32 | ENCRYPTED).to_be_bytes()
}

/// Reads the index of an SRTCP packet with tags of `tag_len` octets.
pub(super) fn rtcp_index(suite: Suite, packet: &[u8], tag_len: usize) -> Result<u64, SrtpError> {
    let trailer = RTCP_WORD + tag_len;
    if packet.len() < RTCP_CLEAR + trailer {
        return Err(SrtpError::Malformed);
    }
    let at = packet.len() - if suite.is_aead() { RTCP_WORD } else { trailer };
    let word = u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    if word & ENCRYPTED == 0 {
        return Err(SrtpError::Unencrypted);
    }
    Ok(u64::from(word & !ENCRYPTED))
}

#[inline]
fn roll_over_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[inline]
fn check_tag(expected: &[u8], tag: &[u8]) -> Result<(), SrtpError> {
    if expected.ct_eq(tag).into() {
        Ok(())
    } else {
        Err(SrtpError::NotAuthentic)
    }
}

#[inline]
fn gcm_tag(tag: &[u8]) -> Result<&[u8; gcm::TAG_LEN], SrtpError> {
    tag.try_into().map_err(|_| SrtpError::Malformed)
}
