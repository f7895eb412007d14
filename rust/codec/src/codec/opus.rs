//! Opus (RFC 6716) over RTP (RFC 7587), by libopus.

use std::collections::VecDeque;

use sealtone_codec_protocol::CodecSpec;

use super::ffi::opus::{Decoder, Encoder, Framing, Setting, framing};
use super::{Codec, CodecError, MOST_MS};

/// How hard the encoder tries, 0 to 10, for sound at 8 kHz and for wider.
///
/// PESQ (narrow band, four voices of espeak-ng) of sound at each rate, and µs of CPU a 20 ms packet at 8 kHz, by
/// `examples/codec_cost`:
///
/// | complexity | 8 kHz | µs | 16 kHz | 48 kHz |
/// |---|---|---|---|---|
/// | 2 | 4.11 | | 3.15 | 3.01 |
/// | 5 | 4.28 | 44 | 3.98 | 3.87 |
/// | 6 | 4.34 | 60 | 4.15 | 4.07 |
/// | 8 to 10 | 4.35 | 85 | 4.23 | 4.15 |
///
/// Most calls that need an encoder are to G.711, at 8 kHz, where 8 costs two fifths more than 6 for what nobody hears.
const COMPLEXITY_NARROW: i32 = 6;
const COMPLEXITY_WIDE: i32 = 8;

/// The longest frame that an encoder makes (RFC 6716 section 3.2).
const MOST_OCTETS: usize = 1_275;

/// Packets after which a decoder of another rate is as if it had always been there. After 8 of 20 ms, twice what a player
/// decodes before the place it was sent to (RFC 7845 section 4.6), a voice can still be too quiet by half; after 12
/// nothing is left of it.
const RECENT: usize = 12;

pub(super) struct Opus {
    spec: CodecSpec,
    encoder: Option<Encoder>,
    decoder: Option<Decoder>,
    /// The last packets that were decoded.
    recent: VecDeque<Vec<u8>>,
    /// Whether packets of silence need not be sent.
    dtx: bool,
    loss_percent: u8,
}

impl Opus {
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        if !matches!(spec.sample_rate, 8_000 | 12_000 | 16_000 | 24_000 | 48_000) {
            return Err(CodecError::BadSpec(
                "Opus speaks 8000, 12000, 16000, 24000 or 48000 Hz",
            ));
        }
        Ok(Self {
            spec: *spec,
            encoder: None,
            decoder: None,
            recent: VecDeque::new(),
            dtx: spec.dtx,
            loss_percent: 0,
        })
    }

    fn make_encoder(&self) -> Option<Encoder> {
        let mut encoder = Encoder::new(self.spec.sample_rate)?;
        let complexity = if self.spec.sample_rate == 8_000 {
            COMPLEXITY_NARROW
        } else {
            COMPLEXITY_WIDE
        };
        let settings = [
            (Setting::Bitrate, self.bitrate()),
            (Setting::Complexity, complexity),
            (Setting::InbandFec, i32::from(self.spec.fec)),
            (Setting::PacketLossPercent, i32::from(self.loss_percent)),
            (Setting::Dtx, i32::from(self.dtx)),
        ];
        settings
            .into_iter()
            .all(|(setting, value)| encoder.set(setting, value))
            .then_some(encoder)
    }

    /// What was asked for, else what voice of that bandwidth needs (RFC 7587 section 3.1.1), narrow band with room for
    /// redundancy: with less the encoder makes none.
    fn bitrate(&self) -> i32 {
        match self.spec.bitrate {
            0 => match self.spec.sample_rate {
                8_000 => 20_000,
                12_000 | 16_000 => 24_000,
                _ => 32_000,
            },
            wished => wished.clamp(6_000, 510_000) as i32,
        }
    }

    fn remember(&mut self, payload: &[u8]) {
        let mut place = if self.recent.len() < RECENT {
            Vec::new()
        } else {
            self.recent.pop_front().unwrap_or_default()
        };
        place.clear();
        place.extend_from_slice(payload);
        self.recent.push_back(place);
    }

    /// Samples of `ms` milliseconds.
    fn samples(&self, ms: u32) -> usize {
        (self.spec.sample_rate * ms / 1_000) as usize
    }

    /// Appends `samples` that `make` fills, in steps of the 2.5 ms that the library counts in.
    fn append(
        &mut self,
        samples: usize,
        sound: &mut Vec<i16>,
        make: impl Fn(&mut Decoder, &mut [i16]) -> Option<usize>,
    ) -> bool {
        let step = (self.spec.sample_rate / 400) as usize;
        let before = sound.len();
        let whole = samples.div_ceil(step) * step;
        let Some(decoder) = self.decoder.as_mut() else {
            return false;
        };
        if samples == 0 || samples > (self.spec.sample_rate * MOST_MS / 1_000) as usize {
            return false;
        }
        sound.resize(before + whole, 0);
        let made = make(decoder, &mut sound[before..]) == Some(whole);
        sound.truncate(before + if made { samples } else { 0 });
        made
    }
}

impl Codec for Opus {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.encoder.is_none() {
            self.encoder = self.make_encoder();
        }
        let encoder = self.encoder.as_mut().ok_or(CodecError::Failed)?;
        let mut packet = [0; MOST_OCTETS];
        let octets = encoder
            .encode(sound, &mut packet)
            .ok_or(CodecError::Failed)?;
        // A packet of one or two octets need not be sent (RFC 6716 section 2.1.9): that is how the library says DTX.
        if !(self.dtx && octets <= 2) {
            payload.extend_from_slice(&packet[..octets]);
        }
        Ok(())
    }

    fn leave_out_silence(&mut self, may: bool) {
        let dtx = self.spec.dtx && may;
        if self.dtx != dtx {
            self.dtx = dtx;
            if let Some(encoder) = self.encoder.as_mut() {
                encoder.set(Setting::Dtx, i32::from(dtx));
            }
        }
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        if self.decoder.is_none() {
            self.decoder = Decoder::new(self.spec.sample_rate);
        }
        let room = self.samples(MOST_MS);
        let decoder = self.decoder.as_mut().ok_or(CodecError::Failed)?;
        let before = sound.len();
        sound.resize(before + room, 0);
        let samples = decoder.decode(payload, &mut sound[before..]);
        sound.truncate(before + samples.unwrap_or(0));
        samples.ok_or(CodecError::BadPayload)?;
        self.remember(payload);
        Ok(())
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<i16>) -> bool {
        self.append(samples, sound, Decoder::conceal)
    }

    fn decode_fec(&mut self, next: &[u8], samples: usize, sound: &mut Vec<i16>) -> bool {
        if !carries_fec(next) {
            return false;
        }
        if self.decoder.is_none() {
            self.decoder = Decoder::new(self.spec.sample_rate);
        }
        self.append(samples, sound, |decoder, sound| {
            decoder.decode_fec(next, sound)
        })
    }

    /// The library's decoder keeps its rate for life. A new one gets its bearings from the last packets: each tells the
    /// level of its bands by how they differ from those before it (RFC 6716 section 4.3.2.1).
    fn decode_at(&mut self, sample_rate: u32) -> bool {
        let spec = CodecSpec {
            sample_rate,
            ..self.spec
        };
        let Ok(mut other) = Self::new(&spec) else {
            return false;
        };
        let mut unheard = Vec::new();
        for payload in self.recent.drain(..) {
            unheard.clear();
            let _ = other.decode(&payload, &mut unheard);
        }
        *self = other;
        true
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        let Framing {
            frames,
            samples_per_frame,
            ..
        } = framing(payload, self.spec.sample_rate)?;
        Some(frames * samples_per_frame).filter(|samples| *samples <= self.samples(MOST_MS))
    }

    fn expect_loss(&mut self, percent: u8) {
        self.loss_percent = percent.min(100);
        if let Some(encoder) = self.encoder.as_mut() {
            encoder.set(Setting::PacketLossPercent, i32::from(self.loss_percent));
        }
    }
}

/// Whether a packet repeats the one before it. RFC 6716 section 4.2.4: the SILK part begins with one bit a 20 ms frame
/// for voice activity and one for redundancy, for each channel, and evenly likely bits lie in the octet as they are.
fn carries_fec(packet: &[u8]) -> bool {
    let Some(&toc) = packet.first() else {
        return false;
    };
    // Table 2: configurations 0 to 11 are SILK, up to 15 both; of SILK's every third and fourth are 40 and 60 ms.
    let configuration = toc >> 3;
    let silk_frames = match configuration {
        0..=11 => match configuration & 3 {
            0 | 1 => 1,
            longer => u32::from(longer),
        },
        12..=15 => 1,
        _ => return false,
    };
    let Some(first) =
        framing(packet, 48_000).and_then(|framing| packet[framing.first].first().copied())
    else {
        return false;
    };
    let stereo = toc & 4 != 0;
    first >> (7 - silk_frames) & 1 == 1 || (stereo && first >> (6 - 2 * silk_frames) & 1 == 1)
}
