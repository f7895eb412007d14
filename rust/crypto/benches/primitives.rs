//! Microseconds for each primitive of a ZRTP handshake: `cargo bench -p sealtone-crypto --bench primitives`.
//!
//! A handshake costs each side one public value and one shared secret.

use std::hint::black_box;
use std::time::Instant;

use sealtone_crypto::curve3617;
use sealtone_crypto::modp::Group;
use sealtone_crypto::skein::Skein512;
use sealtone_crypto::twofish::Twofish;

const ROUNDS: usize = 7;

fn main() {
    println!(
        "{:<28} {:>10} {:>10} {:>12}",
        "", "best us", "median us", "a second"
    );
    for (name, group) in [("DH2k", Group::Modp2048), ("DH3k", Group::Modp3072)] {
        for len in [32, 64] {
            let (private, other) = (vec![0xa5; len], vec![0x5a; len]);
            let peer = group.public(&other).expect("private key fits");
            report(&format!("{name} {} bits, public", 8 * len), 20, || {
                group.public(black_box(&private))
            });
            report(&format!("{name} {} bits, secret", 8 * len), 20, || {
                group.shared(black_box(&private), &peer)
            });
        }
    }
    let (private, other) = (
        [0xa5; curve3617::PRIVATE_LEN],
        [0x5a; curve3617::PRIVATE_LEN],
    );
    let peer = curve3617::public(&other).expect("private key fits");
    report("E414, public", 50, || {
        curve3617::public(black_box(&private))
    });
    report("E414, secret", 50, || {
        curve3617::shared(black_box(&private), &peer)
    });
    report("Twofish-256, key", 2_000, || {
        Twofish::new(black_box(&[7; 32]))
    });
    let twofish = Twofish::new(&[7; 32]).expect("key fits");
    let mut blocks = [[7; 16]; 10];
    report("Twofish, 160 octets", 20_000, || {
        twofish.encrypt_blocks(black_box(&mut blocks));
    });
    let mac = Skein512::mac(&[7; 32], 32);
    report("Skein MAC, 172 + 4 octets", 20_000, || {
        mac.digest(black_box(&[7; 172]), &[0; 4])
    });
}

fn report<R>(name: &str, times: usize, mut operation: impl FnMut() -> R) {
    let mut samples: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..times {
                black_box(operation());
            }
            started.elapsed().as_secs_f64() * 1e6 / times as f64
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    let median = samples[ROUNDS / 2];
    println!(
        "{name:<28} {:>10.3} {median:>10.3} {:>12.0}",
        samples[0],
        1e6 / median
    );
}
