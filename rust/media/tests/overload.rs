//! More packets than the worker can forward: it stays fair while it lasts and whole when it ends.

mod support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sealtone_media::engine::{Engine, EngineConfig};
use support::*;

const CALLS: usize = 270;

#[test]
fn after_an_overload_every_call_is_served_again_at_once() {
    let engine = Engine::start(&EngineConfig {
        port_min: 16_000,
        port_max: 17_999,
        ..config()
    })
    .unwrap();
    let (alice, bob) = (Phone::new(1), Phone::new(2));
    let calls: Vec<Call> = (0..CALLS)
        .map(|_| {
            let id = engine.open_call().unwrap();
            let (a, b) = (
                engine.open_leg(id, LOCAL).unwrap(),
                engine.open_leg(id, LOCAL).unwrap(),
            );
            engine.update_leg(a.id, &plan(alice.address())).unwrap();
            engine.update_leg(b.id, &plan(bob.address())).unwrap();
            engine.bridge(a.id, b.id, None, None).unwrap();
            Call { id, a, b }
        })
        .collect();
    settle();
    let mut sequence = 0_u16;
    let mut round = |payload: &[u8]| {
        for call in &calls {
            alice.send_raw(
                &call.a,
                &rtp(0, sequence, u32::from(sequence) * 160, 1, payload),
            );
            bob.send_raw(
                &call.b,
                &rtp(0, sequence, u32::from(sequence) * 160, 2, payload),
            );
        }
        sequence = sequence.wrapping_add(1);
    };
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        round(&[0; 160]);
    }
    std::thread::sleep(Duration::from_millis(700));
    alice.collect(Duration::from_millis(50));
    bob.collect(Duration::from_millis(50));
    // The phones' own sockets hold some 250 packets: the last round goes out in pieces.
    let (mut at_alice, mut at_bob) = (HashSet::new(), HashSet::new());
    for calls in calls.chunks(50) {
        for call in calls {
            alice.send_raw(&call.a, &rtp(0, sequence, 0, 1, b"after"));
            bob.send_raw(&call.b, &rtp(0, sequence, 0, 2, b"after"));
        }
        let ssrcs = |phone: &Phone| {
            let all = phone.collect(Duration::from_millis(60));
            all.into_iter()
                .filter(|packet| packet.ends_with(b"after"))
                .map(|packet| packet[8..12].to_vec())
        };
        at_alice.extend(ssrcs(&alice));
        at_bob.extend(ssrcs(&bob));
    }
    assert_eq!((at_alice.len(), at_bob.len()), (CALLS, CALLS));
    let least = calls
        .iter()
        .map(|call| engine.leg_stats(call.a.id).unwrap().rx_packets)
        .min()
        .unwrap();
    let most = calls
        .iter()
        .map(|call| engine.leg_stats(call.a.id).unwrap().rx_packets)
        .max()
        .unwrap();
    assert!(
        least * 2 > most,
        "one leg got {least} packets through, another {most}"
    );
    assert_eq!(engine.state().faults, 0);
    println!(
        "behind in {} rounds of {}",
        engine.state().behind,
        engine.state().rounds
    );
}
