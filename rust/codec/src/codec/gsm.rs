//! GSM full rate (RFC 3551 section 4.5.8), by libgsm. It has no concealment of its own.

use sealtone_codec_protocol::CodecSpec;

use super::ffi::gsm::{Gsm as State, OCTETS, SAMPLES};
use super::{Codec, CodecError, frames_of};

/// The first four bits of every frame.
const SIGNATURE: u8 = 0xd;
/// Frames of 20 ms in a packet that is taken.
const MOST_FRAMES: usize = 6;

#[derive(Default)]
pub(super) struct Gsm {
    encoder: Option<State>,
    decoder: Option<State>,
}

impl Gsm {
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        if spec.sample_rate != 8_000 {
            return Err(CodecError::BadSpec("GSM speaks 8000 Hz"));
        }
        Ok(Self::default())
    }
}

/// The frames of a packet, or None where it is none of GSM.
fn split(payload: &[u8]) -> Option<&[[u8; OCTETS]]> {
    let (frames, rest) = payload.as_chunks::<OCTETS>();
    let fits = rest.is_empty()
        && (1..=MOST_FRAMES).contains(&frames.len())
        && frames.iter().all(|frame| frame[0] >> 4 == SIGNATURE);
    fits.then_some(frames)
}

impl Codec for Gsm {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        let frames = frames_of::<SAMPLES>(sound)?;
        if self.encoder.is_none() {
            self.encoder = State::new();
        }
        let encoder = self.encoder.as_mut().ok_or(CodecError::Failed)?;
        for samples in frames {
            let mut frame = [0; OCTETS];
            encoder.encode(samples, &mut frame);
            payload.extend_from_slice(&frame);
        }
        Ok(())
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        let frames = split(payload).ok_or(CodecError::BadPayload)?;
        if self.decoder.is_none() {
            self.decoder = State::new();
        }
        let decoder = self.decoder.as_mut().ok_or(CodecError::Failed)?;
        let before = sound.len();
        for frame in frames {
            let mut samples = [0; SAMPLES];
            if !decoder.decode(frame, &mut samples) {
                sound.truncate(before);
                return Err(CodecError::BadPayload);
            }
            sound.extend_from_slice(&samples);
        }
        Ok(())
    }

    fn conceal(&mut self, _samples: usize, _sound: &mut Vec<i16>) -> bool {
        false
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        split(payload).map(|frames| frames.len() * SAMPLES)
    }
}
