//! The codecs behind one trait.

mod g711;
mod ilbc;

use std::fmt;

use sealtone_codec_protocol::{CodecKind, CodecSpec};

/// Why a codec could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The codec is not on this machine; the text says what is missing and how to get it.
    Missing(String),
    /// The parameters are none this codec has.
    BadSpec(&'static str),
    /// The payload is not one of this codec; nothing was decoded, and the decoder goes on.
    BadPayload,
    /// The library refused; nothing was encoded or decoded.
    Failed,
}

impl fmt::Display for CodecError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(out, "{what}"),
            Self::BadSpec(why) => write!(out, "{why}"),
            Self::BadPayload => write!(out, "the payload is not one of this codec"),
            Self::Failed => write!(out, "the codec's library refused"),
        }
    }
}

impl std::error::Error for CodecError {}

/// One stream's codec: an encoder and a decoder, each made when it is first needed.
///
/// Sound is mono, 16 bits, at the spec's `sample_rate`. Nothing panics on any payload.
pub trait Codec: Send {
    /// Encodes one packet's sound (`packet_samples`) and appends the payload. Nothing is appended where nothing need
    /// be sent (DTX).
    ///
    /// # Errors
    /// The library refused.
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Decodes one packet and appends its sound, as much as the packet holds.
    ///
    /// # Errors
    /// The payload is not one of this codec; nothing was appended.
    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError>;

    /// Appends `samples` of sound in place of what was lost, as the codec's own concealment has it, or none of its own
    /// where it has none (the receiver then conceals).
    ///
    /// Returns whether it did.
    fn conceal(&mut self, samples: usize, sound: &mut Vec<i16>) -> bool;

    /// Appends `samples` of sound of the packet before `next`, out of the redundancy that `next` carries.
    ///
    /// Returns false, and appends nothing, where `next` carries none.
    fn decode_fec(&mut self, next: &[u8], samples: usize, sound: &mut Vec<i16>) -> bool {
        let _ = (next, samples, sound);
        false
    }

    /// Samples that decoding `payload` would give, as its header says; None where it is not one of this codec.
    fn samples_in(&self, payload: &[u8]) -> Option<usize>;

    /// How much of what we send gets lost, percent: encoders with FEC adapt to it.
    fn expect_loss(&mut self, percent: u8) {
        let _ = percent;
    }
}

/// Makes the codec of a spec.
///
/// # Errors
/// The codec is missing here, or the spec is none of its.
pub fn open(spec: &CodecSpec) -> Result<Box<dyn Codec>, CodecError> {
    match spec.kind {
        CodecKind::Pcmu => Ok(Box::new(g711::G711::mu_law())),
        CodecKind::Pcma => Ok(Box::new(g711::G711::a_law())),
        CodecKind::Ilbc => Ok(Box::new(ilbc::Ilbc::new(spec)?)),
        CodecKind::ComfortNoise | CodecKind::TelephoneEvent => {
            Err(CodecError::BadSpec("not a voice codec"))
        }
        kind => Err(CodecError::Missing(format!(
            "{} is not built in",
            kind.encoding()
        ))),
    }
}
