//! Legs that are sealed and unsealed in mid-call, as a re-INVITE may have it.

mod support;

use std::collections::HashSet;
use std::time::Duration;

use sealtone_media::engine::{Engine, EngineConfig, LegPlan};
use sealtone_media::rtp::RtpHeader;
use sealtone_media::srtp::Suite;
use support::*;

const SHORT: Duration = Duration::from_millis(120);

/// Brings both legs into one mode; between the two commands they are of different ones.
fn change(engine: &Engine, call: &Call, plan_a: &LegPlan<'_>, plan_b: &LegPlan<'_>) {
    engine.update_leg(call.a.id, plan_a).unwrap();
    settle();
    engine.update_leg(call.b.id, plan_b).unwrap();
    settle();
}

#[test]
fn a_key_that_comes_back_after_a_sealed_time_never_meets_its_old_numbers() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
        let engine = engine();
        let keys = Keys::new(suite, 3);
        let (mut alice, mut bob) = (Phone::secure(1, &keys), Phone::new(2));
        let terminated = keys.plan(alice.address());
        let call = call(&engine, &terminated, &plan(bob.address()));
        let (mut used, mut plain_sources) = (HashSet::new(), HashSet::new());
        for _ in 0..4 {
            for _ in 0..10 {
                bob.send(&call.b, b"terminated");
                let header = alice.hear().header;
                assert!(used.insert((header.ssrc, header.sequence)), "used twice");
                assert_ne!(header.ssrc, bob.ssrc);
                alice.send(&call.a, b"terminated");
                let heard = bob.hear();
                assert_eq!(heard.payload, b"terminated");
                plain_sources.insert(heard.header.ssrc);
            }
            change(
                &engine,
                &call,
                &sealed(alice.address()),
                &sealed(bob.address()),
            );
            for _ in 0..10 {
                let packet = bob.packet(0, b"sealed");
                bob.send_raw(&call.b, &packet);
                assert_eq!(raw(&alice.socket), packet);
                let packet = alice.packet(0, b"sealed");
                alice.send_raw(&call.a, &packet);
                assert_eq!(raw(&bob.socket), packet);
            }
            change(&engine, &call, &terminated, &plan(bob.address()));
        }
        let sources: HashSet<_> = used.iter().map(|(ssrc, _)| ssrc).collect();
        assert_eq!(
            (sources.len(), plain_sources.len()),
            (4, 4),
            "one for each time"
        );
    }
}

#[test]
fn reports_under_a_key_that_comes_back_are_of_another_source() {
    let engine = engine();
    let keys = Keys::new(Suite::AesCm128HmacSha1_80, 3);
    let phones = [Phone::new(1), Phone::new(2)];
    let call = call(
        &engine,
        &plan(phones[0].address()),
        &plan(phones[1].address()),
    );
    let mut sources = HashSet::new();
    for _ in 0..2 {
        for (phone, leg) in phones.iter().zip([&call.a, &call.b]) {
            // Keys, and then none for a while: one leg is sealed, the other plain.
            let between = LegPlan {
                sealed: phone.ssrc == 1,
                ..plan(phone.address())
            };
            engine.update_leg(leg.id, &between).unwrap();
            let keyed = LegPlan {
                rx: keys.rx(),
                tx: keys.tx(),
                rtcp_mux: true,
                ..plan(phone.address())
            };
            engine.update_leg(leg.id, &keyed).unwrap();
        }
        settle();
        for phone in &phones {
            phone.collect(Duration::from_millis(10));
            let patience = Some(Duration::from_secs(9));
            phone.socket.set_read_timeout(patience).unwrap();
            let source = raw(&phone.socket)[4..8].to_vec();
            assert!(
                sources.insert(source),
                "the index begins again, so the source must not"
            );
        }
    }
}

#[test]
fn what_was_sent_in_one_mode_does_not_pass_in_the_other() {
    // A worker that pauses between rounds of one packet a socket leaves a burst waiting.
    let engine = Engine::start(&EngineConfig {
        tick: 1_000,
        coalesce_pps: 0,
        ..config()
    })
    .unwrap();
    let (alice, bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    engine.gather_commands();
    let both_send = |number: u16, payload: &[u8]| {
        alice.send_raw(&call.a, &rtp(0, number, 0, 1, payload));
        bob.send_raw(&call.b, &rtp(0, number, 0, 2, payload));
    };
    let mut discarded = 0;
    for round in 1..=4_u16 {
        for number in 0..30 {
            both_send(round * 500 + number, b"steady");
            std::thread::sleep(Duration::from_millis(2));
        }
        alice.collect(SHORT);
        bob.collect(Duration::from_millis(10));
        let drops = engine.leg_stats(call.a.id).unwrap().gate_drops;
        for number in 100..150 {
            both_send(round * 500 + number, b"the former mode's");
        }
        let is_sealed = round % 2 == 1;
        for (leg, phone) in [(&call.a, &alice), (&call.b, &bob)] {
            let plan = if is_sealed {
                sealed(phone.address())
            } else {
                plan(phone.address())
            };
            engine.update_leg(leg.id, &plan).unwrap();
        }
        engine.wake();
        for (phone, other) in [(&alice, 2), (&bob, 1)] {
            for packet in phone.collect(SHORT).iter().filter(|packet| packet[1] < 192) {
                let passed_sealed = RtpHeader::parse(packet).unwrap().ssrc == other;
                assert_ne!(passed_sealed, is_sealed, "a packet met the other mode");
            }
        }
        discarded += engine.leg_stats(call.a.id).unwrap().gate_drops - drops;
        both_send(round * 500 + 200, b"the new mode's");
        for (phone, other) in [(&alice, 2), (&bob, 1)] {
            let heard = raw(&phone.socket);
            assert_eq!(&heard[12..], b"the new mode's");
            assert_eq!(RtpHeader::parse(&heard).unwrap().ssrc == other, is_sealed);
        }
    }
    assert!(discarded > 10, "only {discarded} waited");
}

#[test]
fn a_leg_keeps_its_latch_and_counts_over_the_change() {
    let engine = engine();
    let keys = Keys::new(Suite::AesCm128HmacSha1_80, 3);
    let (mut alice, mut bob) = (Phone::secure(1, &keys), Phone::new(2));
    let call = call(&engine, &keys.plan(alice.address()), &plan(bob.address()));
    // Her NAT shows another address than the signalled one, which authentic media may.
    alice.socket = Phone::at("127.0.0.9", 1).socket;
    alice.send(&call.a, b"from elsewhere");
    bob.hear();
    let signalled = Phone::new(1).address();
    change(&engine, &call, &sealed(signalled), &sealed(bob.address()));
    let packet = bob.packet(0, b"to where she was heard");
    bob.send_raw(&call.b, &packet);
    assert_eq!(raw(&alice.socket), packet);
    let packet = alice.packet(0, b"sealed");
    alice.send_raw(&call.a, &packet);
    assert_eq!(raw(&bob.socket), packet);
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert_eq!(
        (stats.rx_packets, stats.tx_packets, stats.latches),
        (2, 1, 1)
    );
}
