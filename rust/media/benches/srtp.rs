//! Nanoseconds to protect and to unprotect one packet, suite by suite: `cargo bench -p sealtone-media --bench srtp`.
//!
//! Prints the best and the median of interleaved rounds. Each round protects a run of consecutive packets of one
//! stream and unprotects them again, in place in their own slots. A relay between two protected legs unprotects with
//! one key and protects with another. Of the suites of ZRTP it times each cipher, and each tag.

use std::hint::black_box;
use std::time::Instant;

use sealtone_media::rtcp::ReceptionStats;
use sealtone_media::srtp::{MAX_RTP_TRAILER, SrtpReceiver, SrtpSender, Suite, ZrtpCipher, ZrtpTag};

/// A 20 ms G.711 packet.
const PACKET_LEN: usize = 172;
/// A receiver report with a description.
const REPORT_LEN: usize = 76;
/// So few that they stay in the first-level cache, where a packet just received also lies.
const PACKETS: usize = 128;
const ROUNDS: usize = 400;

type Slot = [u8; PACKET_LEN + MAX_RTP_TRAILER];

struct Timed {
    protect: Vec<f64>,
    unprotect: Vec<f64>,
    control: Vec<f64>,
}

fn main() {
    let mut packets = vec![[0; PACKET_LEN + MAX_RTP_TRAILER]; PACKETS];
    let suites: Vec<Suite> = Suite::ALL
        .into_iter()
        .filter(|suite| match suite {
            Suite::Zrtp(cipher, tag) => *tag == ZrtpTag::Hs80 || *cipher == ZrtpCipher::Twofish256,
            _ => true,
        })
        .collect();
    let mut timed: Vec<Timed> = suites
        .iter()
        .map(|_| Timed {
            protect: Vec::new(),
            unprotect: Vec::new(),
            control: Vec::new(),
        })
        .collect();
    for _ in 0..ROUNDS {
        for (suite, timed) in suites.iter().zip(&mut timed) {
            run(*suite, &mut packets, timed);
        }
    }
    println!(
        "SHA-1 of four blocks, which is inside every AES-CM figure: {:.0} ns",
        sha1_yardstick()
    );
    println!("Reception statistics, a packet: {:.1} ns", reception());
    println!(
        "{:<26} {:>16} {:>16} {:>16}",
        "ns a 172-byte packet", "protect", "unprotect", "RTCP, both"
    );
    let label = "best / median";
    println!("{:<26} {label:>16} {label:>16} {label:>16}", "");
    for (suite, timed) in suites.iter().zip(&mut timed) {
        println!(
            "{:<26} {:>16} {:>16} {:>16}",
            suite.name(),
            best_and_median(&mut timed.protect),
            best_and_median(&mut timed.unprotect),
            best_and_median(&mut timed.control)
        );
    }
}

fn run(suite: Suite, packets: &mut [Slot], timed: &mut Timed) {
    let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
    let (Ok(mut sender), Ok(mut receiver)) = (
        SrtpSender::new(suite, &key, &salt),
        SrtpReceiver::new(suite, &key, &salt),
    ) else {
        unreachable!("the key has the suite's length");
    };
    for (n, packet) in packets.iter_mut().enumerate() {
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        packet[8..12].copy_from_slice(&0xfeed_beef_u32.to_be_bytes());
    }
    let mut protected_len = 0;
    let started = Instant::now();
    for packet in packets.iter_mut() {
        protected_len = sender
            .protect(black_box(packet), PACKET_LEN)
            .expect("protects");
    }
    timed.protect.push(per_packet(started));
    let started = Instant::now();
    for packet in packets.iter_mut() {
        let len = receiver
            .unprotect(black_box(packet), protected_len)
            .expect("unprotects");
        black_box(len);
    }
    timed.unprotect.push(per_packet(started));
    let started = Instant::now();
    for packet in packets.iter_mut() {
        packet[..8].copy_from_slice(&[0x80, 201, 0, 18, 1, 2, 3, 4]);
        let len = sender.protect_rtcp(packet, REPORT_LEN).expect("protects");
        black_box(receiver.unprotect_rtcp(packet, len).expect("unprotects"));
    }
    timed.control.push(per_packet(started));
}

/// Reception statistics of one packet, without loss.
fn reception() -> f64 {
    let mut stats = ReceptionStats::new(8000);
    let mut samples = Vec::new();
    let mut n = 0_u32;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..PACKETS {
            n += 1;
            black_box(&mut stats).update(n as u16, n * 160, u64::from(n) * 20_000);
        }
        samples.push(per_packet(started));
    }
    samples.into_iter().fold(f64::MAX, f64::min)
}

/// What the machine is worth right now: clocks of shared machines wander.
fn sha1_yardstick() -> f64 {
    let mut state = [0; 5];
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..PACKETS {
            sha1::block_api::compress(black_box(&mut state), black_box(&[[1; 64]; 3]));
            sha1::block_api::compress(black_box(&mut state), black_box(&[[1; 64]; 1]));
        }
        samples.push(per_packet(started));
    }
    samples.into_iter().fold(f64::MAX, f64::min)
}

fn per_packet(started: Instant) -> f64 {
    started.elapsed().as_nanos() as f64 / PACKETS as f64
}

fn best_and_median(samples: &mut [f64]) -> String {
    samples.sort_by(f64::total_cmp);
    format!("{:.0} / {:.0}", samples[0], samples[samples.len() / 2])
}
