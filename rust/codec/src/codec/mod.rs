//! The codecs behind one trait.

mod ffi;
mod g711;
pub mod g722;
mod g729;
mod gsm;
mod ilbc;
mod linear_prediction;
mod opus;
mod silk;
mod speex;

use std::fmt;

use sealtone_codec_protocol::{CodecKind, CodecSpec};

use g722::G722;

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

    /// Whether silence in what is encoded next may be left out, where the spec has that at all (`dtx`); at first it may.
    fn leave_out_silence(&mut self, may: bool) {
        let _ = may;
    }

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

    /// Decodes to sound of `sample_rate` Hz from the next packet on, which goes on from those before it.
    ///
    /// Returns false, and changes nothing, where the codec cannot.
    fn decode_at(&mut self, sample_rate: u32) -> bool {
        let _ = sample_rate;
        false
    }

    /// Itself, where it is a codec that can be worked on together with other streams'.
    fn as_g722(&mut self) -> Option<&mut G722> {
        None
    }

    /// Samples that decoding `payload` would give, as its header says; None where it is not one of this codec.
    fn samples_in(&self, payload: &[u8]) -> Option<usize>;

    /// How much of what we send gets lost, percent: encoders with FEC adapt to it.
    fn expect_loss(&mut self, percent: u8) {
        let _ = percent;
    }
}

/// The longest packet that is decoded, milliseconds.
const MOST_MS: u32 = 120;

/// Opens the codec libraries of the system. Afterwards nothing here opens a file, so that a sandbox may close.
pub fn load() {
    ffi::gsm::load();
    ffi::speex::load();
}

/// What can be encoded and decoded here, of everything there is: where not, a sentence says what is missing and how to
/// get it. `load` comes first.
#[must_use]
pub fn available() -> Vec<(CodecKind, Result<(), String>)> {
    CodecKind::ALL
        .into_iter()
        .map(|kind| (kind, find(kind)))
        .collect()
}

fn find(kind: CodecKind) -> Result<(), String> {
    match kind {
        CodecKind::Gsm => ffi::gsm::found(),
        CodecKind::Speex => ffi::speex::found(),
        CodecKind::Pcmu
        | CodecKind::Pcma
        | CodecKind::G722
        | CodecKind::G729
        | CodecKind::Opus
        | CodecKind::Silk
        | CodecKind::Ilbc
        | CodecKind::ComfortNoise
        | CodecKind::TelephoneEvent => Ok(()),
    }
}

/// Makes the codec of a spec.
///
/// # Errors
/// The codec is missing here, or the spec is none of its.
pub fn open(spec: &CodecSpec) -> Result<Box<dyn Codec>, CodecError> {
    find(spec.kind).map_err(CodecError::Missing)?;
    // G.711 has any, and a packet's memory follows from it.
    if !(8_000..=48_000).contains(&spec.sample_rate) {
        return Err(CodecError::BadSpec(
            "sound has 8000 to 48000 samples a second",
        ));
    }
    if packet_ms(spec.kind, spec.frame_ms, spec.packet_ms) != spec.packet_ms {
        return Err(CodecError::BadSpec(
            "the codec has no packets of that length",
        ));
    }
    Ok(match spec.kind {
        CodecKind::Pcmu => Box::new(g711::G711::mu_law()),
        CodecKind::Pcma => Box::new(g711::G711::a_law()),
        CodecKind::G722 => Box::new(G722::new(spec)?),
        CodecKind::Opus => Box::new(opus::Opus::new(spec)?),
        CodecKind::Silk => Box::new(silk::Silk::new(spec)?),
        CodecKind::G729 => Box::new(g729::G729::new(spec)?),
        CodecKind::Gsm => Box::new(gsm::Gsm::new(spec)?),
        CodecKind::Speex => Box::new(speex::Speex::new(spec)?),
        CodecKind::Ilbc => Box::new(ilbc::Ilbc::new(spec)?),
        CodecKind::ComfortNoise | CodecKind::TelephoneEvent => {
            return Err(CodecError::BadSpec("not a voice codec"));
        }
    })
}

/// The length of packet that is nearest to `wished` milliseconds among those the codec has, the shorter of two.
///
/// `frame_ms` is iLBC's: 20 or 30.
#[must_use]
pub fn packet_ms(kind: CodecKind, frame_ms: u8, wished: u8) -> u8 {
    let frames: &[u8] = match kind {
        CodecKind::Opus => &[10, 20, 40, 60, 80, 100, 120],
        CodecKind::Silk => &[20, 40, 60, 80, 100],
        CodecKind::Gsm | CodecKind::Speex => &[20, 40, 60, 80, 100, 120],
        CodecKind::Ilbc if frame_ms == 20 => &[20, 40, 60, 80, 100, 120],
        CodecKind::Ilbc => &[30, 60, 90, 120],
        _ => &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120],
    };
    frames
        .iter()
        .copied()
        .min_by_key(|length| length.abs_diff(wished))
        .unwrap_or(wished)
}

/// The frames of one packet's sound, for codecs whose frames have one length.
fn frames_of<const SAMPLES: usize>(sound: &[i16]) -> Result<&[[i16; SAMPLES]], CodecError> {
    match sound.as_chunks::<SAMPLES>() {
        (frames, []) if !frames.is_empty() && sound.len() <= 8 * MOST_MS as usize => Ok(frames),
        _ => Err(CodecError::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_codec_is_opened_for_sound_at_a_rate_that_none_has() {
        for rate in [0, 1, 7_999, 48_001, u32::MAX] {
            let opened = open(&CodecSpec::new(CodecKind::Pcmu, rate)).err();
            assert!(matches!(opened, Some(CodecError::BadSpec(_))), "{rate}");
        }
        assert!(open(&CodecSpec::new(CodecKind::Pcmu, 16_000)).is_ok());
    }
}
