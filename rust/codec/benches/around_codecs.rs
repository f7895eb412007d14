//! What everything around the codecs costs, microseconds for 20 ms of sound: `cargo bench -p sealtone-codec`.

use std::hint::black_box;
use std::time::Instant;

use sealtone_codec::codec::g722::{TOGETHER, decode_together, encode_together};
use sealtone_codec::tone::ToneDetector;
use sealtone_codec::{CodecKind, CodecSpec, Receiver, Resampler, Transmitter, load, open};

#[path = "../tests/network/mod.rs"]
mod network;
use network::{Chance, arrival, packets, receiver_config, voice, voice_config};

const ROUNDS: usize = 2_000;

/// The median of five runs.
fn us(mut work: impl FnMut(usize)) -> f64 {
    let mut runs: Vec<f64> = (0..5)
        .map(|_| {
            let begin = Instant::now();
            for round in 0..ROUNDS {
                work(round);
            }
            begin.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[2]
}

fn main() {
    load();
    resampling();
    detection();
    for rate in [8_000, 16_000] {
        let (encoding, decoding) = together(rate);
        println!("encode g722 from {rate:>5}, {TOGETHER} streams, each {encoding:6.2}");
        println!("decode g722 to   {rate:>5}, {TOGETHER} streams, each {decoding:6.2}");
    }
    for kind in [CodecKind::Pcmu, CodecKind::G722] {
        let spec = CodecSpec::new(kind, 8_000);
        println!(
            "{:<34} {:6.2}",
            format!("decode {}", kind.encoding()),
            decoding(&spec)
        );
        println!(
            "{:<34} {:6.2}",
            format!("receive {}, quiet network", kind.encoding()),
            receiving(&spec, 0.0, 0)
        );
        println!(
            "{:<34} {:6.2}",
            format!("receive {}, 10 % lost, 40 ms", kind.encoding()),
            receiving(&spec, 0.1, 40_000)
        );
        println!(
            "{:<34} {:6.2}",
            format!("send {}", kind.encoding()),
            sending(&spec)
        );
    }
}

fn resampling() {
    const RATES: [u32; 6] = [8_000, 12_000, 16_000, 24_000, 32_000, 48_000];
    for from in RATES {
        let sound = voice(from, 20);
        for to in RATES.into_iter().filter(|&to| to != from) {
            let mut resampler = Resampler::new(from, to);
            let mut out = Vec::new();
            let cost = us(|_| {
                out.clear();
                resampler.process(black_box(&sound), &mut out);
            });
            let delay_ms = resampler.delay_us(from) as f64 / 1_000.0;
            println!("resample {from:>5} to {to:>5} ({delay_ms:.1} ms)   {cost:6.2}");
        }
    }
}

fn detection() {
    for rate in [8_000, 16_000, 48_000] {
        let mut detector = ToneDetector::new(rate);
        let mut sound = voice(rate, 20);
        let cost = us(|_| detector.process(black_box(&mut sound)));
        println!("look for tones at {rate:>5}             {cost:6.2}");
    }
}

fn decoding(spec: &CodecSpec) -> f64 {
    let sent = packets(voice_config(*spec), &voice(spec.sample_rate, 2_000), 0.0);
    let mut codec = open(spec).expect("a codec");
    let mut sound = Vec::new();
    us(|round| {
        sound.clear();
        let payload = &sent[round % sent.len()].payload;
        codec.decode(black_box(payload), &mut sound).expect("sound");
    })
}

/// Encoding and decoding of G.722, for each of the streams that are worked on together.
fn together(sample_rate: u32) -> (f64, f64) {
    let spec = CodecSpec {
        sample_rate,
        ..CodecSpec::new(CodecKind::G722, 8_000)
    };
    let mut codecs: Vec<_> = (0..TOGETHER).map(|_| open(&spec).expect("G.722")).collect();
    let sound = voice(sample_rate, 20);
    let mut payloads = vec![Vec::new(); TOGETHER];
    let encoding = us(|_| {
        payloads.iter_mut().for_each(Vec::clear);
        let streams = codecs.iter_mut().zip(&mut payloads);
        let mut packets: Vec<_> = streams
            .filter_map(|(codec, payload)| Some((codec.as_g722()?, &sound[..], payload)))
            .collect();
        encode_together(black_box(&mut packets));
    });
    let mut heard = vec![Vec::new(); TOGETHER];
    let decoding = us(|_| {
        heard.iter_mut().for_each(Vec::clear);
        let streams = codecs.iter_mut().zip(&payloads).zip(&mut heard);
        let mut packets: Vec<_> = streams
            .filter_map(|((codec, payload), heard)| Some((codec.as_g722()?, &payload[..], heard)))
            .collect();
        decode_together(black_box(&mut packets));
    });
    let streams = TOGETHER as f64;
    (encoding / streams, decoding / streams)
}

fn receiving(spec: &CodecSpec, loss: f64, jitter_us: u32) -> f64 {
    let sent = packets(
        voice_config(*spec),
        &voice(spec.sample_rate, ROUNDS * 20),
        0.0,
    );
    let mut costs: Vec<f64> = (0..5)
        .map(|seed| {
            let mut chance = Chance::new(seed);
            let mut wire: Vec<_> = sent
                .iter()
                .filter(|_| chance.part() >= loss)
                .map(|packet| (packet.sent_us, packet))
                .collect();
            for (at_us, _) in &mut wire {
                *at_us += u64::from(chance.next() % (jitter_us + 1));
            }
            wire.sort_by_key(|&(at_us, _)| at_us);
            let mut receiver = Receiver::new(receiver_config(*spec, spec.sample_rate));
            let (mut sound, mut next) = (Vec::new(), 0);
            let begin = Instant::now();
            for round in 0..ROUNDS as u64 {
                let now_us = 1_027_000 + round * 20_000;
                while next < wire.len() && wire[next].0 <= now_us {
                    receiver.push(&arrival(wire[next].1, wire[next].0));
                    next += 1;
                }
                sound.clear();
                receiver.pull(spec.sample_rate as usize / 50, &mut sound, now_us);
            }
            begin.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    costs[2]
}

fn sending(spec: &CodecSpec) -> f64 {
    let sound = voice(spec.sample_rate, 20);
    let mut transmitter = Transmitter::new(voice_config(*spec)).expect("a codec");
    us(|_| {
        transmitter.push(black_box(&sound));
        black_box(transmitter.take());
    })
}
