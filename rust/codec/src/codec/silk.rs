//! SILK as Skype's SDK speaks it, at 8, 12, 16 and 24 kHz: an RTP payload is one packet of the SDK, without a header.
//! The SILK within Opus is another one.

use std::cell::RefCell;

use sealtone_codec_protocol::CodecSpec;

use super::ffi::silk::{self, Decoder, Encoder, MOST_FRAMES, MOST_OCTETS};
use super::{Codec, CodecError};

/// How hard the encoder tries, 0 to 2: PESQ at 8 and 16 kHz is 3.71 and 3.14 with 0, 4.17 and 3.95 with 1, 4.32 and
/// 4.19 with 2.
const COMPLEXITY: u8 = 2;

pub(super) struct Silk {
    spec: CodecSpec,
    encoder: Option<Encoder>,
    decoder: Option<Decoder>,
    /// Counts the frames of packets that are not to be heard yet.
    probe: RefCell<Option<Decoder>>,
    /// Whether packets of silence need not be sent.
    dtx: bool,
    loss_percent: u8,
}

impl Silk {
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        if !matches!(spec.sample_rate, 8_000 | 12_000 | 16_000 | 24_000) {
            return Err(CodecError::BadSpec(
                "SILK speaks 8000, 12000, 16000 or 24000 Hz",
            ));
        }
        Ok(Self {
            spec: *spec,
            encoder: None,
            decoder: None,
            probe: RefCell::new(None),
            dtx: spec.dtx,
            loss_percent: 0,
        })
    }

    fn frame_samples(&self) -> usize {
        self.spec.sample_rate as usize / 50
    }

    fn make_encoder(&self) -> Option<Encoder> {
        let mut encoder = Encoder::new(
            self.spec.sample_rate,
            u32::from(self.spec.packet_ms),
            self.bitrate(),
            COMPLEXITY,
            self.spec.fec,
            self.dtx,
        )?;
        encoder.expect_loss(self.loss_percent);
        Some(encoder)
    }

    /// What was asked for, else the upper end of what the SDK recommends for that bandwidth.
    fn bitrate(&self) -> u32 {
        match (self.spec.bitrate, self.spec.sample_rate) {
            (0, 8_000) => 20_000,
            (0, 12_000) => 25_000,
            (0, 16_000) => 30_000,
            (0, _) => 40_000,
            (wished, _) => wished.clamp(5_000, 100_000),
        }
    }
}

impl Codec for Silk {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.encoder.is_none() {
            self.encoder = self.make_encoder();
        }
        let encoder = self.encoder.as_mut().ok_or(CodecError::Failed)?;
        let mut packet = [0; MOST_OCTETS];
        let octets = encoder
            .encode(sound, &mut packet)
            .ok_or(CodecError::Failed)?;
        payload.extend_from_slice(&packet[..octets]);
        Ok(())
    }

    fn leave_out_silence(&mut self, may: bool) {
        self.dtx = self.spec.dtx && may;
        if let Some(encoder) = self.encoder.as_mut() {
            encoder.set_dtx(self.dtx);
        }
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        if self.decoder.is_none() {
            self.decoder = Decoder::new(self.spec.sample_rate);
        }
        let decoder = self.decoder.as_mut().ok_or(CodecError::Failed)?;
        if decoder.decode(payload, sound) {
            Ok(())
        } else {
            Err(CodecError::BadPayload)
        }
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<i16>) -> bool {
        let most = MOST_FRAMES * self.frame_samples();
        let Some(decoder) = self.decoder.as_mut() else {
            return false;
        };
        let (before, end) = (sound.len(), sound.len() + samples);
        let mut made = samples <= most;
        while made && sound.len() < end {
            made = decoder.conceal(sound);
        }
        sound.truncate(if made { end } else { before });
        made
    }

    fn decode_fec(&mut self, next: &[u8], samples: usize, sound: &mut Vec<i16>) -> bool {
        let mut packet = [0; MOST_OCTETS];
        let Some(octets) = silk::redundancy(next, &mut packet) else {
            return false;
        };
        let before = sound.len();
        if self.decode(&packet[..octets], sound).is_err() {
            return false;
        }
        // What is repeated is as long as the packet was; should the caller have lost more or less, its end is what
        // meets `next`.
        let made = sound.len() - before;
        if made > samples {
            sound.drain(before..before + made - samples);
        } else {
            sound.splice(before..before, std::iter::repeat_n(0, samples - made));
        }
        true
    }

    /// SILK says in no header how many frames there are: only decoding counts them.
    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        let mut probe = self.probe.borrow_mut();
        if probe.is_none() {
            *probe = Decoder::new(self.spec.sample_rate);
        }
        let mut sound = Vec::with_capacity(MOST_FRAMES * self.frame_samples());
        probe
            .as_mut()?
            .decode(payload, &mut sound)
            .then_some(sound.len())
    }

    fn expect_loss(&mut self, percent: u8) {
        self.loss_percent = percent.min(100);
        if let Some(encoder) = self.encoder.as_mut() {
            encoder.expect_loss(self.loss_percent);
        }
    }
}
