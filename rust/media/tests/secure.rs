//! Legs with SRTP, and attackers beside them: what an outsider cannot do.

mod support;

use std::time::{Duration, Instant};

use sealtone_media::engine::LegPlan;
use sealtone_media::srtp::Suite;
use support::*;

const SHORT: Duration = Duration::from_millis(120);
const PAUSE: Duration = Duration::from_millis(2);

/// A secure call between phones with different suites.
fn secure_phones() -> (Keys, Keys, Phone, Phone) {
    let (keys_a, keys_b) = (
        Keys::new(Suite::AesCm128HmacSha1_80, 3),
        Keys::new(Suite::AeadAes256Gcm, 9),
    );
    let (alice, bob) = (Phone::secure(1, &keys_a), Phone::secure(2, &keys_b));
    (keys_a, keys_b, alice, bob)
}

#[test]
fn every_suite_talks_to_plain_and_to_every_other() {
    let engine = engine();
    for (index, suite) in Suite::ALL.into_iter().enumerate() {
        let keys_a = Keys::new(suite, 5);
        let keys_b = Keys::new(Suite::ALL[(index + 1) % Suite::ALL.len()], 7);
        let (mut alice, mut bob, mut carol) = (
            Phone::secure(1, &keys_a),
            Phone::secure(2, &keys_b),
            Phone::new(3),
        );
        let call = call(
            &engine,
            &keys_a.plan(alice.address()),
            &keys_b.plan(bob.address()),
        );
        alice.send(&call.a, b"a to b");
        assert_eq!(bob.hear().payload, b"a to b");
        bob.send(&call.b, b"b to a");
        assert_eq!(alice.hear().payload, b"b to a");
        let c = engine.open_leg(call.id, LOCAL).unwrap();
        engine.update_leg(c.id, &plan(carol.address())).unwrap();
        engine.bridge(call.a.id, c.id, None, None).unwrap();
        settle();
        alice.send(&call.a, b"a to c");
        assert_eq!(carol.hear().payload, b"a to c");
        carol.send(&c, b"c to a");
        assert_eq!(alice.hear().payload, b"c to a");
        engine.close_call(call.id).unwrap();
    }
}

#[test]
fn plain_spray_from_strangers_injects_nothing_and_gets_nothing() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let attackers: Vec<Phone> = (2..6)
        .map(|n| Phone::at(&format!("127.0.0.{n}"), 66))
        .collect();
    let id = engine.open_call().unwrap();
    let a = engine.open_leg(id, LOCAL).unwrap();
    let b = engine.open_leg(id, LOCAL).unwrap();
    let spray = |count: u16| {
        for sequence in 0..count {
            for attacker in &attackers {
                attacker.send_raw(&a, &rtp(0, sequence, 0, 66, b"injected"));
                attacker.send_raw(&b, &rtp(0, sequence, 0, 66, b"injected"));
            }
        }
    };
    spray(20);
    engine.update_leg(a.id, &plan(alice.address())).unwrap();
    engine.update_leg(b.id, &plan(bob.address())).unwrap();
    engine.bridge(a.id, b.id, None, None).unwrap();
    spray(20);
    settle();
    for round in 0..200_u16 {
        spray(1);
        alice.send(&a, b"from alice");
        assert_eq!(bob.hear().payload, b"from alice");
        bob.send(&b, b"from bob");
        assert_eq!(alice.hear().payload, b"from bob");
        if round == 100 {
            // A re-INVITE without a new address, and hold: neither opens the door.
            engine
                .update_leg(a.id, &plan("0.0.0.0:1".parse().unwrap()))
                .unwrap();
            settle();
            spray(20);
            engine.update_leg(a.id, &plan(alice.address())).unwrap();
            settle();
        }
    }
    settle();
    for attacker in &attackers {
        attacker.hears_nothing_for(Duration::from_millis(20));
    }
    alice.hears_nothing_for(SHORT);
    let stats = engine.close_call(id).unwrap();
    assert!(
        stats
            .iter()
            .all(|(_, leg)| leg.latches == 1 && leg.rx_packets == 200)
    );
}

#[test]
fn a_phone_behind_nat_latches_from_where_its_signalling_came_once() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::at("127.0.0.7", 1), Phone::new(2));
    let behind_nat = |new_latch| LegPlan {
        signalling_ip: Some("127.0.0.7".parse().unwrap()),
        new_latch,
        ..plan("10.99.0.1:4000".parse().unwrap())
    };
    let call = call(&engine, &behind_nat(false), &plan(bob.address()));
    alice.send(&call.a, b"natted");
    assert_eq!(bob.hear().payload, b"natted");
    bob.send(&call.b, b"reaches the NAT");
    assert_eq!(alice.hear().payload, b"reaches the NAT");
    let mut neighbour = Phone::at("127.0.0.7", 8);
    neighbour.send(&call.a, b"same address, later");
    bob.hears_nothing_for(SHORT);
    engine.update_leg(call.a.id, &behind_nat(false)).unwrap();
    settle();
    neighbour.send(&call.a, b"no new latch yet");
    bob.hears_nothing_for(SHORT);
    engine.update_leg(call.a.id, &behind_nat(true)).unwrap();
    settle();
    neighbour.send(&call.a, b"signalled anew");
    assert_eq!(bob.hear().payload, b"signalled anew");
    bob.send(&call.b, b"to the new place");
    assert_eq!(neighbour.hear().payload, b"to the new place");
    alice.hears_nothing_for(SHORT);
}

#[test]
fn ten_thousand_forged_packets_pass_nothing_and_the_next_good_one_passes() {
    let engine = engine();
    let (keys_a, keys_b, mut alice, mut bob) = secure_phones();
    let call = call(
        &engine,
        &keys_a.plan(alice.address()),
        &keys_b.plan(bob.address()),
    );
    alice.send(&call.a, b"good");
    bob.hear();
    let stranger = Phone::at("127.0.0.5", 1);
    for round in 0..10_000_u32 {
        let mut forged = rtp(0, 1_001 + round as u16, 0, 1, &[7; 170]);
        match round % 3 {
            0 => forged[40] = round as u8,
            1 => forged.truncate(12 + (round % 12) as usize),
            _ => {}
        }
        // From the phone's own socket (a spoofed source) and from elsewhere.
        alice.send_raw(&call.a, &forged);
        stranger.send_raw(&call.a, &forged);
        if round % 25 == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    std::thread::sleep(SHORT);
    alice.send(&call.a, b"good again");
    assert_eq!(bob.hear().payload, b"good again");
    bob.hears_nothing_for(SHORT);
    stranger.hears_nothing_for(SHORT);
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert_eq!((stats.rx_packets, stats.latches), (2, 1));
    assert!(stats.auth_failures + stats.malformed > 5_000);
}

#[test]
fn replays_are_refused_old_new_and_across_directions() {
    let engine = engine();
    let (keys_a, keys_b, mut alice, mut bob) = secure_phones();
    let call = call(
        &engine,
        &keys_a.plan(alice.address()),
        &keys_b.plan(bob.address()),
    );
    let mut recorded = Vec::new();
    for _ in 0..200 {
        let packet = alice.packet(0, b"once");
        alice.send_raw(&call.a, &packet);
        recorded.push(packet);
        bob.hear();
    }
    for packet in recorded.iter().chain(recorded.iter().rev()) {
        alice.send_raw(&call.a, packet);
        alice.send_raw(&call.b, packet);
        std::thread::sleep(Duration::from_micros(200));
    }
    bob.hears_nothing_for(SHORT);
    alice.hears_nothing_for(SHORT);
    settle();
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert_eq!(stats.rx_packets, 200);
    // The kernel may have dropped some of the burst before we could refuse it.
    assert!(
        (200..=400).contains(&stats.replays),
        "{} replays",
        stats.replays
    );
}

#[test]
fn a_phone_whose_nat_rebinds_is_missed_for_a_fifth_of_a_second_and_only_it_is_heard() {
    let engine = engine();
    let (keys_a, keys_b, mut alice, mut bob) = secure_phones();
    let call = call(
        &engine,
        &keys_a.plan(alice.address()),
        &keys_b.plan(bob.address()),
    );
    for _ in 0..25 {
        alice.send(&call.a, b"before");
        bob.hear();
        std::thread::sleep(Duration::from_millis(10));
    }
    alice.socket = Phone::new(1).socket;
    let attacker = Phone::at("127.0.0.8", 1);
    let moved = Instant::now();
    bob.socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let gap = loop {
        attacker.send_raw(&call.a, &rtp(0, 1_300, 0, 1, &[1; 170]));
        alice.send(&call.a, b"after");
        if bob.try_hear().is_some() {
            break moved.elapsed();
        }
        assert!(
            moved.elapsed() < Duration::from_secs(3),
            "never heard again"
        );
    };
    assert!(gap < Duration::from_millis(200), "heard after {gap:?}");
    bob.send(&call.b, b"to the new place");
    assert_eq!(alice.hear().payload, b"to the new place");
    attacker.hears_nothing_for(SHORT);
}

#[test]
fn a_leg_that_must_be_secure_passes_nothing_without_keys() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let bare = LegPlan {
        secure_required: true,
        ..plan(alice.address())
    };
    let call = call(&engine, &bare, &plan(bob.address()));
    alice.send(&call.a, b"plain in");
    bob.send(&call.b, b"plain out");
    bob.hears_nothing_for(SHORT);
    alice.hears_nothing_for(SHORT);
    assert_eq!(engine.leg_stats(call.a.id).unwrap().insecure_drops, 2);
    let keys = Keys::new(Suite::AesCm128HmacSha1_80, 1);
    for (rx, tx) in [(keys.rx(), None), (None, keys.tx())] {
        let half = LegPlan {
            rx,
            tx,
            ..plan(alice.address())
        };
        engine.update_leg(call.a.id, &half).unwrap();
        settle();
        alice.send(&call.a, b"plain in");
        bob.send(&call.b, b"out");
        bob.hears_nothing_for(SHORT);
        assert!(
            alice
                .collect(SHORT)
                .iter()
                .all(|packet| !packet.ends_with(b"out")),
            "half a key is no licence"
        );
    }
}

#[test]
fn a_new_key_takes_over_at_once_and_the_old_one_fades() {
    let engine = engine();
    let (keys_a, keys_b, mut alice, mut bob) = secure_phones();
    let call = call(
        &engine,
        &keys_a.plan(alice.address()),
        &keys_b.plan(bob.address()),
    );
    alice.send(&call.a, b"old");
    let before = bob.hear().header;
    bob.send(&call.b, b"old");
    let heard_before = alice.hear().header;
    let in_flight = alice.packet(0, b"in flight");
    let late = alice.packet(0, b"late");
    let new = Keys::new(Suite::AesCm256HmacSha1_80, 77);
    engine
        .update_leg(call.a.id, &new.plan(alice.address()))
        .unwrap();
    settle();
    alice.send_raw(&call.a, &in_flight);
    assert_eq!(bob.hear().payload, b"in flight");
    alice.tx = Some(new.sender());
    alice.rx = Some(new.receiver());
    alice.send(&call.a, b"new");
    let after = bob.hear();
    assert_eq!(after.payload, b"new");
    assert_eq!(after.header.ssrc, before.ssrc, "b's side does not notice");
    bob.send(&call.b, b"new");
    let heard_after = alice.hear();
    assert_eq!(heard_after.payload, b"new");
    assert_ne!(
        heard_after.header.ssrc, heard_before.ssrc,
        "a new stream under the new key"
    );
    std::thread::sleep(Duration::from_millis(2_300));
    alice.send_raw(&call.a, &late);
    bob.hears_nothing_for(SHORT);
}

#[test]
fn the_same_key_in_a_new_plan_keeps_its_counters() {
    let engine = engine();
    let (keys_a, keys_b, mut alice, mut bob) = secure_phones();
    let call = call(
        &engine,
        &keys_a.plan(alice.address()),
        &keys_b.plan(bob.address()),
    );
    let recorded = alice.packet(0, b"once");
    alice.send_raw(&call.a, &recorded);
    let before = bob.hear().header;
    engine
        .update_leg(call.a.id, &keys_a.plan(alice.address()))
        .unwrap();
    engine
        .update_leg(call.b.id, &keys_b.plan(bob.address()))
        .unwrap();
    settle();
    alice.send_raw(&call.a, &recorded);
    bob.hears_nothing_for(SHORT);
    alice.send(&call.a, b"next");
    let after = bob.hear().header;
    assert_eq!(
        (after.ssrc, after.sequence),
        (before.ssrc, before.sequence + 1)
    );
}

#[test]
fn roll_over_hold_and_moves_lose_nothing() {
    let engine = engine();
    let (keys_a, keys_b, mut alice, mut bob) = secure_phones();
    let call = call(
        &engine,
        &keys_a.plan(alice.address()),
        &keys_b.plan(bob.address()),
    );
    alice.sequence = 65_500;
    let mut last: Option<u16> = None;
    for cycle in 0..5 {
        for _ in 0..30 {
            alice.send(&call.a, b"talk");
            let header = bob.hear().header;
            if let Some(last) = last {
                assert_eq!(header.sequence, last.wrapping_add(1), "cycle {cycle}");
            }
            last = Some(header.sequence);
        }
        let held = LegPlan {
            receive: false,
            ..keys_a.plan(alice.address())
        };
        engine.update_leg(call.a.id, &held).unwrap();
        settle();
        for _ in 0..20 {
            alice.send(&call.a, b"during hold");
        }
        settle();
        engine
            .update_leg(call.a.id, &keys_a.plan(alice.address()))
            .unwrap();
        settle();
        if cycle == 2 {
            std::thread::sleep(Duration::from_millis(700));
            alice.socket = Phone::new(1).socket;
        }
    }
    bob.hears_nothing_for(SHORT);
}

#[test]
fn duplicates_of_a_plain_leg_never_meet_a_key_twice() {
    let engine = engine();
    let keys = Keys::new(Suite::AesCm128HmacSha1_80, 3);
    let (mut alice, mut bob) = (Phone::new(1), Phone::secure(2, &keys));
    let call = call(&engine, &plan(alice.address()), &keys.plan(bob.address()));
    for _ in 0..10 {
        let packet = alice.packet(0, b"first");
        alice.send_raw(&call.a, &packet);
        let mut altered = packet.clone();
        altered.truncate(12);
        altered.extend(b"other text, same number");
        alice.send_raw(&call.a, &altered);
        assert_eq!(bob.hear().payload, b"first");
    }
    bob.hears_nothing_for(SHORT);
    assert_eq!(engine.leg_stats(call.b.id).unwrap().duplicate_drops, 10);
}
