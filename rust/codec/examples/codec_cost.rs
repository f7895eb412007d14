//! What codecs cost, and what sound becomes of them.
//!
//!     cargo run --release --example codec_cost                    µs of CPU a 20 ms packet
//!     cargo run --release --example codec_cost -- through opus 16000 [loss%] < in.s16 > out.s16

use std::io::{self, Read, Write};
use std::process::ExitCode;

use sealtone_codec::{Codec, CodecKind, CodecSpec, available, load, open};

#[path = "../tests/voice/mod.rs"]
mod voice;
use voice::voice;

fn main() -> ExitCode {
    load();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => costs(),
        ["through", kind, rate, rest @ ..] => {
            let spec = CodecKind::from_encoding(kind)
                .zip(rate.parse().ok())
                .map(|(kind, rate)| spec(kind, rate));
            let loss = rest.first().and_then(|loss| loss.parse().ok()).unwrap_or(0);
            match spec.map(|spec| through(spec, loss)) {
                Some(Ok(())) => {}
                Some(Err(why)) => {
                    eprintln!("{why}");
                    return ExitCode::FAILURE;
                }
                None => {
                    eprintln!("through CODEC SAMPLE_RATE [LOSS_PERCENT]");
                    return ExitCode::FAILURE;
                }
            }
        }
        _ => {
            eprintln!("without arguments, or: through CODEC SAMPLE_RATE [LOSS_PERCENT]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The usual spec of a codec that gives sound at `rate`.
fn spec(kind: CodecKind, rate: u32) -> CodecSpec {
    let clock_rate = match kind {
        CodecKind::Opus => 48_000,
        CodecKind::G722 => 8_000,
        _ => rate,
    };
    CodecSpec {
        sample_rate: rate,
        ..CodecSpec::new(kind, clock_rate)
    }
}

fn costs() {
    for (kind, missing) in available() {
        if let Err(why) = missing {
            println!("{:<10} {why}", kind.encoding());
        }
    }
    println!("codec      rate    FEC  encode µs  decode µs  samples_in µs  octets");
    let rates: [(CodecKind, &[u32]); 9] = [
        (CodecKind::Pcmu, &[8_000]),
        (CodecKind::Pcma, &[8_000]),
        (CodecKind::G722, &[8_000, 16_000]),
        (CodecKind::Opus, &[8_000, 16_000, 48_000]),
        (CodecKind::Silk, &[8_000, 12_000, 16_000, 24_000]),
        (CodecKind::G729, &[8_000]),
        (CodecKind::Ilbc, &[8_000]),
        (CodecKind::Gsm, &[8_000]),
        (CodecKind::Speex, &[8_000, 16_000, 32_000]),
    ];
    for (kind, rates) in rates {
        for &rate in rates {
            for fec in [false, true] {
                if fec && !matches!(kind, CodecKind::Opus | CodecKind::Silk) {
                    continue;
                }
                let spec = CodecSpec {
                    fec,
                    ..spec(kind, rate)
                };
                if let Ok(codec) = open(&spec) {
                    cost(&spec, codec);
                }
            }
        }
    }
}

/// Seconds that this thread has been on a CPU: what else the machine does does not count.
fn cpu_seconds() -> f64 {
    let status = std::fs::read_to_string("/proc/thread-self/schedstat").expect("is Linux");
    let nanoseconds = status
        .split(' ')
        .next()
        .and_then(|count| count.parse().ok());
    nanoseconds.map_or(0.0, |count: f64| count / 1e9)
}

fn cost(spec: &CodecSpec, mut codec: Box<dyn Codec>) {
    const SECONDS: usize = 60;
    if spec.fec {
        codec.expect_loss(10);
    }
    let sound = voice(spec.sample_rate, SECONDS);
    let packets = sound.chunks_exact(spec.packet_samples());
    let per_20_ms = 1e6 * 20.0 / (1_000.0 * SECONDS as f64);
    let mut payloads = Vec::new();
    let start = cpu_seconds();
    for packet in packets {
        let mut payload = Vec::new();
        codec.encode(packet, &mut payload).expect("encodes");
        payloads.push(payload);
    }
    let encode = (cpu_seconds() - start) * per_20_ms;
    payloads.retain(|payload| !payload.is_empty());
    let start = cpu_seconds();
    let counted: usize = payloads
        .iter()
        .filter_map(|payload| codec.samples_in(payload))
        .sum();
    let count = (cpu_seconds() - start) * per_20_ms;
    let mut heard = Vec::with_capacity(sound.len());
    let start = cpu_seconds();
    for payload in &payloads {
        codec.decode(payload, &mut heard).expect("decodes");
    }
    let decode = (cpu_seconds() - start) * per_20_ms;
    assert_eq!(counted, heard.len());
    let octets: usize = payloads.iter().map(Vec::len).sum();
    println!(
        "{:<10} {:<7} {:<4} {encode:>9.1} {decode:>10.1} {count:>14.2} {:>7.1}",
        spec.kind.encoding(),
        spec.sample_rate,
        if spec.fec { "yes" } else { "no" },
        octets as f64 / payloads.len() as f64,
    );
}

fn through(spec: CodecSpec, loss: u32) -> Result<(), Box<dyn std::error::Error>> {
    let fec = loss > 0 && matches!(spec.kind, CodecKind::Opus | CodecKind::Silk);
    let spec = CodecSpec { fec, ..spec };
    let mut codec = open(&spec)?;
    codec.expect_loss(loss.min(100) as u8);
    let mut octets = Vec::new();
    io::stdin().read_to_end(&mut octets)?;
    let mut sound: Vec<i16> = octets
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let samples = spec.packet_samples();
    sound.resize(sound.len().div_ceil(samples) * samples, 0);
    let mut payloads = Vec::new();
    for packet in sound.chunks_exact(samples) {
        let mut payload = Vec::new();
        codec.encode(packet, &mut payload)?;
        payloads.push(payload);
    }
    let mut heard = Vec::new();
    let mut seed = 7_u32;
    let arrives: Vec<bool> = payloads
        .iter()
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % 100 >= loss
        })
        .collect();
    for (n, payload) in payloads.iter().enumerate() {
        if arrives[n] {
            codec.decode(payload, &mut heard)?;
        } else {
            let next = payloads.get(n + 1).filter(|_| arrives[n + 1]);
            let repeated = next.is_some_and(|next| codec.decode_fec(next, samples, &mut heard));
            if !repeated && !codec.conceal(samples, &mut heard) {
                heard.resize(heard.len() + samples, 0);
            }
        }
    }
    let octets: Vec<u8> = heard
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    io::stdout().write_all(&octets)?;
    Ok(())
}
