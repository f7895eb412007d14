//! A leg in the codec process: an ear for what its phone sends, a mouth for what it is sent.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sealtone_codec::{Receiver, ReceiverConfig, Transmitter, TransmitterConfig};
use sealtone_codec_protocol::{CodecKind, CodecSpec, Format, LegId, Statistics};

use crate::playback::Playback;

/// The rate of sound that no other leg asks for, Hz.
pub(crate) const DEFAULT_RATE: u32 = 16_000;
/// The rates of Opus that are used, Hz. What is sampled at 12 kHz is worth 16.
const OPUS_RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];
/// The rates of G.722, Hz.
const G722_RATES: [u32; 2] = [8_000, 16_000];
/// Milliseconds of sound that an ear, or a mouth with longer packets, moves at a time.
const STEP_MS: u64 = 20;

/// Legs by their ids. The media core gives those, and no stranger can choose them.
pub(crate) type Legs = HashMap<LegId, Leg, BuildHasherDefault<IdHasher>>;

/// Spreads the bits of a leg's id, of which those in the middle are mostly zero.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.write_u64(u64::from(octet));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) struct Leg {
    pub(crate) formats: Vec<Format>,
    pub(crate) transmit: Vec<Format>,
    pub(crate) receiver: Receiver,
    /// Rate of the sound that the ear gives, Hz.
    pub(crate) ear_rate: u32,
    pub(crate) mouth: Option<Mouth>,
    /// The leg whose mouth pulls this one's ear.
    pub(crate) heard_by: Option<LegId>,
    /// Recordings of this leg, each with its channel.
    pub(crate) recordings: Vec<(u64, usize)>,
    /// The ear's own clock, where no mouth pulls it: told apart from those before it.
    pub(crate) ear_clock: Option<u32>,
    pub(crate) playback: Option<Playback>,
    /// What has been told of the ear already.
    pub(crate) told: Statistics,
}

/// What a leg is sent.
pub(crate) struct Mouth {
    pub(crate) transmitter: Transmitter,
    pub(crate) source: Option<LegId>,
    pub(crate) period_us: u64,
    /// Samples in a period.
    pub(crate) samples: usize,
    pub(crate) clock: u32,
    /// Timestamps belong together that have the same.
    pub(crate) stream: u32,
}

impl Leg {
    pub(crate) fn new(formats: Vec<Format>, transmit: Vec<Format>) -> Self {
        let ear_rate = voice_rate(&formats).unwrap_or(DEFAULT_RATE);
        Self {
            receiver: Receiver::new(receiver_config(&formats, ear_rate)),
            formats,
            transmit,
            ear_rate,
            mouth: None,
            heard_by: None,
            recordings: Vec::new(),
            ear_clock: None,
            playback: None,
            told: Statistics::default(),
        }
    }

    /// Sets what the payload types of the phone stand for, and the rate of the ear.
    pub(crate) fn tune(&mut self, formats: Vec<Format>, ear_rate: u32) {
        if self.formats != formats || self.ear_rate != ear_rate {
            self.receiver
                .reconfigure(receiver_config(&formats, ear_rate));
            self.formats = formats;
            self.ear_rate = ear_rate;
        }
    }

    /// Whether its sound is wanted though no mouth pulls it: it is recorded, or keys are to be found in it.
    pub(crate) fn needs_ear(&self) -> bool {
        !self.recordings.is_empty() || !sends_events(&self.formats)
    }

    /// The rate at which this leg's codec hears best, Hz.
    pub(crate) fn natural_rate(&self) -> u32 {
        voice_rate(&self.formats).unwrap_or(DEFAULT_RATE)
    }

    /// How this leg is sent sound that comes at `rate`.
    pub(crate) fn mouth_config(&self, rate: u32) -> Option<TransmitterConfig> {
        let is_fit = |format: &&Format| is_voice(format.spec.kind);
        let voice = self.transmit.iter().find(is_fit)?;
        let mut spec = voice.spec;
        fit(&mut spec, rate);
        let other = |kind| {
            let of_kind = |format: &&Format| format.spec.kind == kind;
            let mut others = self.transmit.iter().filter(of_kind);
            let same_clock = others
                .clone()
                .find(|format| format.spec.clock_rate == spec.clock_rate);
            same_clock.or_else(|| others.next())
        };
        Some(TransmitterConfig {
            payload_type: voice.payload_type,
            spec,
            telephone_event: other(CodecKind::TelephoneEvent)
                .map(|format| (format.payload_type, format.spec.clock_rate)),
            comfort_noise: other(CodecKind::ComfortNoise).map(|format| format.payload_type),
        })
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let stats = self.receiver.stats();
        Statistics {
            received: stats.received,
            lost: stats.lost,
            concealed_ms: stats.concealed_ms,
            fec_used: stats.fec_used,
            late: stats.late,
            discarded: stats.discarded,
            delay_ms: stats.delay_ms,
        }
    }
}

/// How long a mouth's clock takes from tick to tick, in microseconds: a packet, or a part of it.
pub(crate) fn period_us(spec: &CodecSpec) -> u64 {
    let packet_ms = u64::from(spec.packet_ms.max(10));
    let step_ms = if packet_ms.is_multiple_of(STEP_MS) {
        STEP_MS
    } else if packet_ms <= 30 {
        packet_ms
    } else {
        10
    };
    step_ms * 1_000
}

fn receiver_config(formats: &[Format], sample_rate: u32) -> ReceiverConfig {
    ReceiverConfig {
        formats: formats
            .iter()
            .map(|format| {
                let mut spec = format.spec;
                fit(&mut spec, sample_rate);
                (format.payload_type, spec)
            })
            .collect(),
        sample_rate,
        // Who can send events sends no tones.
        detect_tones: !sends_events(formats),
    }
}

fn sends_events(formats: &[Format]) -> bool {
    formats
        .iter()
        .any(|format| format.spec.kind == CodecKind::TelephoneEvent)
}

/// Opus and G.722 encode from, and decode to, the rate of the sound at their other side, where they have that: what is above
/// is not heard there, and a resampler would cost as much as the decoder.
fn fit(spec: &mut CodecSpec, rate: u32) {
    let rates: &[u32] = match spec.kind {
        CodecKind::Opus => &OPUS_RATES,
        CodecKind::G722 => &G722_RATES,
        _ => return,
    };
    let fit = rates.iter().find(|&&fit| fit >= rate);
    spec.sample_rate = fit.map_or(spec.sample_rate, |&fit| fit.min(spec.sample_rate));
}

fn voice_rate(formats: &[Format]) -> Option<u32> {
    let voice = formats.iter().find(|format| is_voice(format.spec.kind))?;
    Some(voice.spec.sample_rate.clamp(8_000, 48_000))
}

fn is_voice(kind: CodecKind) -> bool {
    !matches!(kind, CodecKind::ComfortNoise | CodecKind::TelephoneEvent)
}
