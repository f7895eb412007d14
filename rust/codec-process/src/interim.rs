//! Interim: G.711 without a jitter buffer.
#![allow(missing_docs)]

use std::collections::VecDeque;

use sealtone_codec::{Codec, open};
use sealtone_codec_protocol::{CodecKind, CodecSpec};

pub struct Arrival<'a> {
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
    pub marker: bool,
    pub ssrc: u32,
    pub at_us: u64,
    pub payload: &'a [u8],
}

pub struct ReceiverConfig {
    pub formats: Vec<(u8, CodecSpec)>,
    pub sample_rate: u32,
}

pub struct Digit {
    pub event: u8,
    pub duration_ms: u16,
}

#[derive(Default)]
pub struct ReceiverStats {
    pub received: u64,
    pub lost: u64,
    pub concealed_ms: u64,
    pub fec_used: u64,
    pub late: u64,
    pub discarded: u64,
    pub delay_ms: f64,
}

pub struct Receiver {
    config: ReceiverConfig,
    codec: Option<(u8, Box<dyn Codec>)>,
    sound: VecDeque<i16>,
    received: u64,
}

impl Receiver {
    pub fn new(config: ReceiverConfig) -> Self {
        Self {
            config,
            codec: None,
            sound: VecDeque::new(),
            received: 0,
        }
    }

    pub fn reconfigure(&mut self, config: ReceiverConfig) {
        self.config = config;
        self.codec = None;
    }

    pub fn push(&mut self, arrival: &Arrival<'_>) {
        let Some((_, spec)) = self
            .config
            .formats
            .iter()
            .find(|(number, _)| *number == arrival.payload_type)
        else {
            return;
        };
        if self
            .codec
            .as_ref()
            .is_none_or(|(number, _)| *number != arrival.payload_type)
        {
            self.codec = open(spec).ok().map(|codec| (arrival.payload_type, codec));
        }
        let mut sound = Vec::new();
        if let Some((_, codec)) = &mut self.codec
            && codec.decode(arrival.payload, &mut sound).is_ok()
        {
            self.received += 1;
            self.sound.extend(sound);
            while self.sound.len() > 1_600 {
                self.sound.pop_front();
            }
        }
    }

    pub fn pull(&mut self, samples: usize, sound: &mut Vec<i16>, _now_us: u64) {
        sound.extend((0..samples).map(|_| self.sound.pop_front().unwrap_or(0)));
    }

    pub fn digits(&mut self) -> Vec<Digit> {
        Vec::new()
    }

    pub fn stats(&self) -> ReceiverStats {
        ReceiverStats {
            received: self.received,
            ..ReceiverStats::default()
        }
    }
}

pub struct TransmitterConfig {
    pub payload_type: u8,
    pub spec: CodecSpec,
    pub telephone_event: Option<u8>,
    pub comfort_noise: Option<u8>,
}

pub struct Outgoing {
    pub payload_type: u8,
    pub marker: bool,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

pub struct Transmitter {
    config: TransmitterConfig,
    codec: Box<dyn Codec>,
    sound: VecDeque<i16>,
    timestamp: u32,
    digit: Option<u8>,
}

impl Transmitter {
    pub fn new(config: TransmitterConfig) -> Result<Self, sealtone_codec::CodecError> {
        Ok(Self {
            codec: open(&config.spec)?,
            config,
            sound: VecDeque::new(),
            timestamp: 0,
            digit: None,
        })
    }

    pub fn push(&mut self, sound: &[i16]) {
        self.sound.extend(sound);
    }

    pub fn send_digit(&mut self, digit: u8, _duration_ms: u16) {
        self.digit = Some(digit);
    }

    pub fn take(&mut self) -> Option<Outgoing> {
        let samples = self.config.spec.packet_samples();
        if self.sound.len() < samples {
            return None;
        }
        let sound: Vec<i16> = self.sound.drain(..samples).collect();
        let timestamp = self.timestamp;
        self.timestamp = self.timestamp.wrapping_add(samples as u32);
        let mut payload = Vec::new();
        self.codec.encode(&sound, &mut payload).ok()?;
        Some(Outgoing {
            payload_type: self.config.payload_type,
            marker: false,
            timestamp,
            payload,
        })
    }
}

pub struct Resampler;

impl Resampler {
    pub fn new(_from: u32, _to: u32) -> Self {
        Self
    }

    pub fn process(&mut self, sound: &[i16], out: &mut Vec<i16>) {
        out.extend_from_slice(sound);
    }
}

pub fn is_voice(kind: CodecKind) -> bool {
    !matches!(kind, CodecKind::ComfortNoise | CodecKind::TelephoneEvent)
}
