//! A call through the codecs, faster than it is spoken: a phone's encoder, a network, the server's receiver and
//! transmitter, another network, the other phone's receiver. For `tests/codec`.
//!
//!     chain < jobs
//!
//! Each line of `jobs` is `IN.wav OUT.wav FIRST SECOND LOSS JITTER SEED`: a mono file of 16-bit samples at 16 kHz, where
//! the sound that is heard goes (at 8 kHz), the codec of each leg (`opus`, `silk/16000`, `ilbc/20`, `speex/8000`, …;
//! `-` for the second: the first phone is heard as the server hears it), packets lost in a hundred, jitter in
//! milliseconds (0 to that, evenly), and what makes the chance repeatable. A JITTER of `ideal` means no network and
//! nothing that stands against it: encoded, decoded, encoded, decoded. A `+fec` behind a codec turns redundancy on. What
//! is printed for a job is what the first receiver made of it: `lost concealed_ms fec_used delay_ms stretched`, or
//! `missing` where a codec is not there.

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use sealtone_codec::{
    Arrival, CodecKind, CodecSpec, Receiver, ReceiverConfig, Resampler, Transmitter,
    TransmitterConfig, load, open,
};

#[path = "../tests/network/mod.rs"]
mod network;
use network::Chance;

const RATE_IN: u32 = 16_000;
const RATE_OUT: u32 = 8_000;
const NETWORK_US: u64 = 20_000;

fn main() -> ExitCode {
    load();
    for line in io::stdin().lock().lines() {
        let job = line.map_err(|error| error.to_string());
        match job.and_then(|line| run(&line)) {
            Ok(told) => println!("{told}"),
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn run(line: &str) -> Result<String, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let &[from, to, first, second, loss, jitter, seed] = fields.as_slice() else {
        return Err(format!("not a job: {line}"));
    };
    let sound = read_wav(from).map_err(|error| format!("{from}: {error}"))?;
    let mut legs = vec![codec(first)?];
    if second != "-" {
        legs.push(codec(second)?);
    }
    if legs.iter().any(|spec| open(spec).is_err()) {
        return Ok("missing".to_owned());
    }
    let number = |text: &str| -> Result<f64, String> {
        text.parse().map_err(|_| format!("not a number: {text}"))
    };
    let (heard, told) = if jitter == "ideal" {
        (ideal(&sound, &legs)?, String::new())
    } else {
        let mut weather = Weather {
            loss: number(loss)? / 100.0,
            jitter_us: number(jitter)? * 1_000.0,
            chance: Chance::new(number(seed)? as u64),
        };
        call(&sound, &legs, &mut weather)?
    };
    write_wav(to, &heard).map_err(|error| format!("{to}: {error}"))?;
    Ok(told)
}

fn codec(text: &str) -> Result<CodecSpec, String> {
    let (text, fec) = text
        .strip_suffix("+fec")
        .map_or((text, false), |text| (text, true));
    let (text, bitrate) = text.split_once('@').unwrap_or((text, "0"));
    let (name, detail) = text.split_once('/').unwrap_or((text, ""));
    let kind = CodecKind::from_encoding(name).ok_or_else(|| format!("no codec: {name}"))?;
    let detail = detail.parse().unwrap_or(0);
    let mut spec = CodecSpec::new(
        kind,
        match kind {
            CodecKind::Opus => 48_000,
            CodecKind::Silk | CodecKind::Speex => detail,
            _ => 8_000,
        },
    );
    if kind == CodecKind::Ilbc {
        (spec.frame_ms, spec.packet_ms) = (detail as u8, detail as u8);
    }
    if kind == CodecKind::Opus && detail != 0 {
        spec.sample_rate = detail;
    }
    spec.fec = fec;
    spec.bitrate = bitrate.parse().map_err(|_| format!("no bitrate: {text}"))?;
    Ok(spec)
}

/// The spec of what comes to the server: libopus gives out narrow band by a filter that codecs after it suffer from (0.15
/// less with G.729), so that it is asked for wide band and the receiver resamples.
fn from_phone(spec: CodecSpec, other: &CodecSpec) -> CodecSpec {
    let mut spec = towards(spec, other);
    if spec.kind == CodecKind::Opus {
        spec.sample_rate = spec.sample_rate.max(16_000);
    }
    spec
}

/// The spec of what the server sends: Opus and G.722 take sound at the other leg's rate.
fn towards(spec: CodecSpec, other: &CodecSpec) -> CodecSpec {
    let sample_rate = match (spec.kind, other.sample_rate) {
        (CodecKind::Opus, rate @ (8_000 | 12_000 | 16_000 | 24_000 | 48_000)) => rate,
        (CodecKind::Opus, _) => 48_000,
        (CodecKind::G722, 8_000) => 8_000,
        _ => spec.sample_rate,
    };
    CodecSpec {
        sample_rate,
        ..spec
    }
}

/// The spec of what the server hears of a phone by itself.
fn alone(spec: CodecSpec) -> CodecSpec {
    match spec.kind {
        CodecKind::G722 => CodecSpec {
            sample_rate: RATE_OUT,
            ..spec
        },
        _ => spec,
    }
}

struct Weather {
    loss: f64,
    jitter_us: f64,
    chance: Chance,
}

/// One leg's way over the network.
struct Way {
    sequence: u16,
    packets: VecDeque<(u64, network::Sent)>,
}

impl Way {
    fn send(&mut self, transmitter: &mut Transmitter, now_us: u64, weather: &mut Weather) {
        while let Some(outgoing) = transmitter.take() {
            let sent = network::sent(&outgoing, self.sequence, now_us);
            self.sequence = self.sequence.wrapping_add(1);
            let lost = weather.chance.part() < weather.loss;
            let jitter_us = weather.chance.part() * weather.jitter_us;
            if !lost {
                self.packets
                    .push_back((now_us + NETWORK_US + jitter_us as u64, sent));
            }
        }
        self.packets
            .make_contiguous()
            .sort_by_key(|&(at_us, _)| at_us);
    }

    fn deliver(&mut self, receiver: &mut Receiver, now_us: u64) {
        while self
            .packets
            .front()
            .is_some_and(|&(at_us, _)| at_us <= now_us)
        {
            if let Some((at_us, packet)) = self.packets.pop_front() {
                let arrival: Arrival = network::arrival(&packet, at_us);
                receiver.push(&arrival);
            }
        }
    }
}

fn transmitter(spec: CodecSpec, loss: f64) -> Result<Transmitter, String> {
    let config = TransmitterConfig {
        payload_type: 0,
        spec,
        telephone_event: None,
        comfort_noise: None,
    };
    let mut transmitter = Transmitter::new(config).map_err(|error| error.to_string())?;
    transmitter.expect_loss((loss * 100.0) as u8);
    Ok(transmitter)
}

fn receiver(spec: CodecSpec, sample_rate: u32) -> Receiver {
    Receiver::new(ReceiverConfig {
        formats: vec![(0, spec)],
        sample_rate,
        detect_tones: false,
    })
}

fn call(
    sound: &[i16],
    legs: &[CodecSpec],
    weather: &mut Weather,
) -> Result<(Vec<i16>, String), String> {
    let phone = legs[0];
    let mut spoken = Vec::new();
    Resampler::new(RATE_IN, phone.sample_rate).process(sound, &mut spoken);
    let mut speaking = transmitter(phone, weather.loss)?;
    let server_in = legs
        .get(1)
        .map_or_else(|| alone(phone), |second| from_phone(phone, second));
    let server_out = legs.get(1).map(|&second| towards(second, &phone));
    let rate = server_out.map_or(RATE_OUT, |spec| spec.sample_rate);
    let mut server = receiver(server_in, rate);
    let mut relaying = server_out
        .map(|spec| transmitter(spec, weather.loss))
        .transpose()?;
    let mut listening = legs.get(1).map(|&spec| receiver(spec, RATE_OUT));
    let (mut there, mut here) = (way(), way());
    let block_ms = server_out.map_or(20, |spec| u64::from(spec.packet_ms));
    let (mut at_server, mut heard) = (Vec::new(), Vec::new());
    let mut blocks = spoken.chunks_exact(phone.packet_samples());
    let spoken_ms = u64::from(phone.packet_ms) * blocks.len() as u64;
    for now_ms in 1..=spoken_ms + 200 {
        let now_us = now_ms * 1_000;
        if now_ms.is_multiple_of(u64::from(phone.packet_ms))
            && let Some(block) = blocks.next()
        {
            speaking.push(block);
            there.send(&mut speaking, now_us, weather);
        }
        // Nobody's clock beats with anybody else's.
        if now_ms % block_ms == 7 {
            there.deliver(&mut server, now_us);
            at_server.clear();
            server.pull(
                rate as usize * block_ms as usize / 1_000,
                &mut at_server,
                now_us,
            );
            if let Some(relaying) = &mut relaying {
                relaying.push(&at_server);
                here.send(relaying, now_us, weather);
            } else {
                heard.extend_from_slice(&at_server);
            }
        }
        if now_ms % 20 == 13
            && let Some(listening) = &mut listening
        {
            here.deliver(listening, now_us);
            listening.pull(RATE_OUT as usize / 50, &mut heard, now_us);
        }
    }
    let stats = server.stats();
    let told = format!(
        "{} {} {} {} {}",
        stats.lost, stats.concealed_ms, stats.fec_used, stats.delay_ms, stats.stretched
    );
    Ok((heard, told))
}

fn way() -> Way {
    Way {
        sequence: 0,
        packets: VecDeque::new(),
    }
}

/// Encoded and decoded, and that again: what two codecs leave of the sound whatever is done around them.
fn ideal(sound: &[i16], legs: &[CodecSpec]) -> Result<Vec<i16>, String> {
    let (mut sound, mut rate) = (sound.to_vec(), RATE_IN);
    for &spec in legs {
        let mut spoken = Vec::new();
        Resampler::new(rate, spec.sample_rate).process(&sound, &mut spoken);
        let mut codec = open(&spec).map_err(|error| error.to_string())?;
        sound.clear();
        for block in spoken.chunks_exact(spec.packet_samples()) {
            let mut payload = Vec::new();
            let coded = codec.encode(block, &mut payload);
            coded
                .and_then(|()| codec.decode(&payload, &mut sound))
                .map_err(|error| error.to_string())?;
        }
        rate = spec.sample_rate;
    }
    let mut heard = Vec::new();
    Resampler::new(rate, RATE_OUT).process(&sound, &mut heard);
    Ok(heard)
}

fn read_wav(path: &str) -> io::Result<Vec<i16>> {
    let data = std::fs::read(path)?;
    let at = data
        .windows(4)
        .position(|four| four == b"data")
        .ok_or_else(|| io::Error::other("no sound in it"))?;
    Ok(data[at + 8..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&pair| i16::from_le_bytes(pair))
        .collect())
}

fn write_wav(path: &str, sound: &[i16]) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    let length = 2 * sound.len() as u32;
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + length).to_le_bytes())?;
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0")?;
    file.write_all(&RATE_OUT.to_le_bytes())?;
    file.write_all(&(2 * RATE_OUT).to_le_bytes())?;
    file.write_all(b"\x02\0\x10\0data")?;
    file.write_all(&length.to_le_bytes())?;
    for sample in sound {
        file.write_all(&sample.to_le_bytes())?;
    }
    file.flush()
}
