//! Legs that go from one call to another, as in an attended transfer: nothing of theirs begins anew.

mod support;

use std::time::Duration;

use sealtone_media::engine::{Engine, EngineConfig};
use sealtone_media::rtp::RtpHeader;
use sealtone_media::srtp::Suite;
use support::*;

const SHORT: Duration = Duration::from_millis(120);

/// Time for two workers to pass a leg over, on a machine with more to do.
fn arrive() {
    std::thread::sleep(Duration::from_millis(200));
}

/// With so many workers; calls go to them in turn.
fn engine_of(workers: usize) -> Engine {
    Engine::start(&EngineConfig {
        workers,
        ..config()
    })
    .unwrap()
}

/// A plain phone's leg in a call of its own.
fn waiting(engine: &Engine, phone: &Phone) -> (u64, sealtone_media::engine::OpenedLeg) {
    let id = engine.open_call().unwrap();
    let leg = engine.open_leg(id, LOCAL).unwrap();
    engine.update_leg(leg.id, &plan(phone.address())).unwrap();
    (id, leg)
}

#[test]
fn a_stream_past_its_roll_over_goes_on_in_the_other_call() {
    for workers in [1, 2] {
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
            let engine = engine_of(workers);
            let keys = Keys::new(suite, 3);
            let (mut alice, mut bob, mut carol) =
                (Phone::secure(1, &keys), Phone::new(2), Phone::new(3));
            let first = call(&engine, &keys.plan(alice.address()), &plan(bob.address()));
            alice.sequence = 0xfffe;
            let mut recorded = Vec::new();
            for _ in 0..4 {
                let packet = alice.packet(0, b"over the wrap");
                alice.send_raw(&first.a, &packet);
                assert_eq!(bob.hear().payload, b"over the wrap");
                recorded.push(packet);
            }
            bob.send(&first.b, b"before");
            let before = alice.hear();

            let (second, c) = waiting(&engine, &carol);
            engine.move_leg(first.a.id, second).unwrap();
            engine.bridge(first.a.id, c.id, None, None).unwrap();
            engine.close_call(first.id).unwrap();
            arrive();

            alice.send(&first.a, b"still heard");
            assert_eq!(carol.hear().payload, b"still heard");
            for packet in &recorded {
                alice.send_raw(&first.a, packet);
            }
            carol.hears_nothing_for(SHORT);
            // Her receiver refuses an index used twice: `hear` would panic.
            carol.send(&c, b"and answered");
            let after = alice.hear();
            assert_eq!(after.payload, b"and answered");
            assert_ne!(
                (after.header.ssrc, after.header.sequence),
                (before.header.ssrc, before.header.sequence)
            );
            let stats = engine.leg_stats(first.a.id).unwrap();
            assert_eq!((stats.rx_packets, stats.replays), (5, 4));
        }
    }
}

#[test]
fn a_leg_that_moves_leaves_its_partner_in_silence_and_may_come_back() {
    for workers in [1, 2] {
        let engine = engine_of(workers);
        let (mut alice, mut bob, mut carol) = (Phone::new(1), Phone::new(2), Phone::new(3));
        let first = call(&engine, &plan(alice.address()), &plan(bob.address()));
        let (second, c) = waiting(&engine, &carol);
        for _ in 0..3 {
            engine.move_leg(first.a.id, second).unwrap();
            engine.bridge(first.a.id, c.id, None, None).unwrap();
            arrive();
            bob.send(&first.b, b"to nobody");
            alice.hears_nothing_for(SHORT);
            alice.send(&first.a, b"to carol");
            assert_eq!(carol.hear().payload, b"to carol");
            engine.move_leg(first.a.id, first.id).unwrap();
            engine.bridge(first.a.id, first.b.id, None, None).unwrap();
            arrive();
            alice.send(&first.a, b"to bob again");
            assert_eq!(bob.hear().payload, b"to bob again");
            carol.hears_nothing_for(SHORT);
        }
        assert_eq!(engine.close_call(second).unwrap().len(), 1);
        assert_eq!(engine.close_call(first.id).unwrap().len(), 2);
        wait_for("every port returned", || engine.state().ports.in_use == 0);
    }
}

#[test]
fn many_legs_that_cross_over_at_once_all_arrive() {
    let engine = engine_of(2);
    let mut phones: Vec<Phone> = (0..8).map(Phone::new).collect();
    let homes: Vec<_> = phones.iter().map(|phone| waiting(&engine, phone)).collect();
    for round in 1..40 {
        for (index, (_, leg)) in homes.iter().enumerate() {
            let to = homes[(index + round) % homes.len()].0;
            engine.move_leg(leg.id, to).unwrap();
        }
    }
    for (_, leg) in &homes {
        engine.echo(leg.id).unwrap();
    }
    for (phone, (_, leg)) in phones.iter_mut().zip(&homes) {
        wait_for("every leg's echo", || {
            phone.send(leg, b"are you there");
            phone
                .try_hear()
                .is_some_and(|heard| heard.payload == b"are you there")
        });
    }
    assert_eq!(engine.state().legs, 8);
}

#[test]
fn a_leg_cannot_move_to_a_call_that_is_not() {
    let engine = engine_of(2);
    let phone = Phone::new(1);
    let (call, leg) = waiting(&engine, &phone);
    assert!(engine.move_leg(leg.id, 999).is_err());
    assert!(engine.move_leg(999, call).is_err());
    let mut heard = vec![0; 64];
    engine.echo(leg.id).unwrap();
    arrive();
    phone.send_raw(&leg, &rtp(0, 1, 2, 3, b"x"));
    let length = phone.socket.recv(&mut heard).unwrap();
    assert!(RtpHeader::parse(&heard[..length]).is_ok());
}
