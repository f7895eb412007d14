//! A simulated network under simulated time: one that sends, what becomes of each packet, one that receives.

#![allow(dead_code)]

use sealtone_codec::{
    Arrival, CodecKind, CodecSpec, Outgoing, Receiver, ReceiverConfig, Transmitter,
    TransmitterConfig,
};

/// Reproducible chance.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// From 0 to 1.
    pub fn part(&mut self) -> f64 {
        f64::from(self.next()) / 4_294_967_296.0
    }
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
    pub marker: bool,
    pub ssrc: u32,
    pub sent_us: u64,
    pub payload: Vec<u8>,
}

pub fn spec(kind: CodecKind) -> CodecSpec {
    CodecSpec::new(kind, 8_000)
}

/// Something like a voice: a pitch that glides, overtones, syllables and pauses; smooth everywhere.
pub fn voice(rate: u32, ms: usize) -> Vec<i16> {
    let mut phase = 0.0_f32;
    (0..rate as usize * ms / 1_000)
        .map(|index| {
            let at = index as f32 / rate as f32;
            let hz = 130.0 + 25.0 * (at * 1.7).sin() + 8.0 * (at * 5.0).sin();
            phase = (phase + hz / rate as f32).fract();
            let angle = phase * std::f32::consts::TAU;
            let syllable = (at * 2.3 * std::f32::consts::TAU).sin().max(-0.25) + 0.25;
            let sound = angle.sin() + 0.6 * (2.0 * angle).sin() + 0.4 * (3.0 * angle).cos();
            (sound * syllable * 4_000.0) as i16
        })
        .collect()
}

/// The packets of some sound, sent as it is spoken.
pub fn packets(config: TransmitterConfig, sound: &[i16], clock_ppm: f64) -> Vec<Sent> {
    let length = config.spec.packet_samples();
    let packet_us = f64::from(config.spec.packet_ms) * 1_000.0 / (1.0 + clock_ppm / 1e6);
    let mut transmitter = Transmitter::new(config).unwrap();
    let mut all = Vec::new();
    for (index, block) in sound.chunks_exact(length).enumerate() {
        transmitter.push(block);
        let sent_us = 1_000_000 + ((index + 1) as f64 * packet_us) as u64;
        while let Some(outgoing) = transmitter.take() {
            let sequence = all.len() as u16;
            all.push(sent(&outgoing, sequence, sent_us));
        }
    }
    all
}

pub fn sent(outgoing: &Outgoing, sequence: u16, sent_us: u64) -> Sent {
    Sent {
        sequence: sequence.wrapping_add(65_000),
        timestamp: outgoing.timestamp.wrapping_add(0xffff_0000),
        payload_type: outgoing.payload_type,
        marker: outgoing.marker,
        ssrc: 77,
        sent_us,
        payload: outgoing.payload.clone(),
    }
}

pub fn voice_config(spec: CodecSpec) -> TransmitterConfig {
    TransmitterConfig {
        payload_type: 0,
        spec,
        telephone_event: Some((101, 8_000)),
        comfort_noise: Some(13),
    }
}

pub fn receiver_config(spec: CodecSpec, sample_rate: u32) -> ReceiverConfig {
    ReceiverConfig {
        formats: vec![
            (0, spec),
            (101, CodecSpec::new(CodecKind::TelephoneEvent, 8_000)),
            (13, CodecSpec::new(CodecKind::ComfortNoise, 8_000)),
        ],
        sample_rate,
        detect_tones: false,
    }
}

pub fn arrival(packet: &Sent, at_us: u64) -> Arrival<'_> {
    Arrival {
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        payload_type: packet.payload_type,
        marker: packet.marker,
        ssrc: packet.ssrc,
        at_us,
        payload: &packet.payload,
    }
}

/// What was heard: a block each 20 ms, from the first packet's time on.
pub struct Heard {
    pub sound: Vec<i16>,
    /// Concealed so far, milliseconds, after each block.
    pub concealed_ms: Vec<u64>,
    pub receiver: Receiver,
}

/// Lets packets arrive (`fate` says when: microseconds after they were sent, or never) and takes blocks of 20 ms,
/// `phase_us` after full ones.
pub fn hear(
    mut receiver: Receiver,
    rate: u32,
    packets: &[Sent],
    phase_us: u64,
    mut fate: impl FnMut(&Sent, &mut dyn FnMut(u64)),
) -> Heard {
    let mut arrivals = Vec::new();
    for packet in packets {
        fate(packet, &mut |delay_us| {
            arrivals.push((packet.sent_us + delay_us, packet));
        });
    }
    arrivals.sort_by_key(|&(at_us, _)| at_us);
    let end_us = packets.last().map_or(0, |last| last.sent_us) + 500_000;
    let (mut sound, mut concealed_ms) = (Vec::new(), Vec::new());
    let block = rate as usize / 50;
    let mut next = 0;
    let mut now_us = 1_000_000 + phase_us;
    while now_us < end_us {
        while next < arrivals.len() && arrivals[next].0 <= now_us {
            receiver.push(&arrival(arrivals[next].1, arrivals[next].0));
            next += 1;
        }
        let before = sound.len();
        receiver.pull(block, &mut sound, now_us);
        assert_eq!(sound.len() - before, block);
        concealed_ms.push(receiver.stats().concealed_ms);
        now_us += 20_000;
    }
    Heard {
        sound,
        concealed_ms,
        receiver,
    }
}

/// The sharpest bend (second difference) in some sound: a click is one.
pub fn sharpest_bend(sound: &[i16]) -> f32 {
    sound
        .windows(3)
        .map(|w| (f32::from(w[0]) - 2.0 * f32::from(w[1]) + f32::from(w[2])).abs())
        .fold(0.0, f32::max)
}
