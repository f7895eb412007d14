//! ZRTP on legs that the server terminates: it is handed up, answered, and shows where the phone is.

mod support;

use std::time::Duration;

use sealtone_media::engine::{EngineError, LegPlan};
use sealtone_media::event::What;
use sealtone_media::srtp::Suite;
use support::*;

const SHORT: Duration = Duration::from_millis(120);

/// A leg whose media waits for the keys that ZRTP makes.
fn awaiting_keys(phone: &Phone) -> LegPlan<'static> {
    LegPlan {
        send: false,
        secure_required: true,
        ..plan(phone.address())
    }
}

#[test]
fn a_packet_of_ours_goes_to_the_signalled_address_through_closed_gates() {
    let engine = engine();
    let (alice, bob) = (Phone::new(1), Phone::new(2));
    let closed = LegPlan {
        receive: false,
        ..awaiting_keys(&alice)
    };
    let call = call(&engine, &closed, &plan(bob.address()));
    for (number, length) in [(1, 12), (2, 2_048), (3, 76)] {
        let packet = zrtp(0x10, number, length);
        engine.send_packet(call.a.id, &packet).unwrap();
        assert_eq!(raw(&alice.socket), packet);
    }
    bob.hears_nothing_for(SHORT);
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert_eq!(
        (stats.zrtp_tx, stats.tx_packets, stats.gate_drops),
        (3, 0, 0)
    );
}

#[test]
fn a_packet_of_ours_goes_to_where_the_leg_is_latched() {
    let engine = engine();
    let alice = Phone::at("127.0.0.7", 1);
    let leg = engine.open_leg(engine.open_call().unwrap(), LOCAL).unwrap();
    let behind_nat = LegPlan {
        remote: Some("10.99.0.1:4000".parse().unwrap()),
        signalling_ip: Some("127.0.0.7".parse().unwrap()),
        ..awaiting_keys(&alice)
    };
    engine.update_leg(leg.id, &behind_nat).unwrap();
    settle();
    alice.send_raw(&leg, &zrtp(0x10, 1, 60));
    wait_event(&engine, "her Hello", |event| {
        matches!(event.what, What::Packet { .. })
    });
    engine.send_packet(leg.id, &zrtp(0x10, 2, 60)).unwrap();
    assert_eq!(raw(&alice.socket), zrtp(0x10, 2, 60));
}

#[test]
fn only_zrtp_of_a_decent_size_is_sent_and_only_where_there_is_somebody() {
    let engine = engine();
    let alice = Phone::new(1);
    let leg = engine.open_leg(engine.open_call().unwrap(), LOCAL).unwrap();
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[0; 12]].concat();
    for packet in [
        &rtp(0, 1, 1, 1, b"media")[..],
        &stun,
        b"",
        &zrtp(0x10, 1, 2_049),
    ] {
        let refused = engine.send_packet(leg.id, packet);
        assert!(matches!(refused, Err(EngineError::Invalid(_))));
    }
    let hello = zrtp(0x10, 1, 60);
    assert!(matches!(
        engine.send_packet(999, &hello),
        Err(EngineError::Unknown)
    ));
    let nowhere = [
        None,
        Some(plan("0.0.0.0:4000".parse().unwrap())),
        Some(LegPlan {
            remote: None,
            ..plan(alice.address())
        }),
        Some(sealed(alice.address())),
    ];
    for plan in nowhere {
        if let Some(plan) = plan {
            engine.update_leg(leg.id, &plan).unwrap();
        }
        engine.send_packet(leg.id, &hello).unwrap();
    }
    alice.hears_nothing_for(SHORT);
    let stats = engine.leg_stats(leg.id).unwrap();
    assert_eq!((stats.zrtp_tx, stats.gate_drops), (0, 4));
    engine.close_leg(leg.id).unwrap();
    assert!(matches!(
        engine.send_packet(leg.id, &hello),
        Err(EngineError::Unknown)
    ));
}

#[test]
fn zrtp_latches_a_leg_without_keys_where_plain_media_is_refused() {
    let engine = engine();
    let (alice, bob) = (Phone::new(1), Phone::new(2));
    let mallory = Phone::at("127.0.0.6", 6);
    let call = call(&engine, &awaiting_keys(&alice), &plan(bob.address()));
    for number in 0..10 {
        mallory.send_raw(&call.a, &zrtp(0x10, number, 60));
        alice.send_raw(&call.a, &rtp(0, number, 0, 1, b"plain"));
    }
    wait_for("what is refused", || {
        let stats = engine.leg_stats(call.a.id).unwrap();
        (stats.source_drops, stats.insecure_drops) == (10, 10)
    });
    assert_eq!(engine.leg_stats(call.a.id).unwrap().latched, None);
    assert_eq!(packets_shown(&engine, &call.a).len(), 0);
    alice.send_raw(&call.a, &zrtp(0x10, 1, 60));
    let latched = wait_event(&engine, "the latch", |event| event.leg == call.a.id);
    assert_eq!(latched.what, What::Latched(alice.address()));
    bob.hears_nothing_for(SHORT);
}

#[test]
fn zrtp_latches_from_any_port_of_the_signalling_address_but_once() {
    let engine = engine();
    let (alice, neighbour) = (Phone::at("127.0.0.7", 1), Phone::at("127.0.0.7", 2));
    let leg = engine.open_leg(engine.open_call().unwrap(), LOCAL).unwrap();
    let behind_nat = |new_latch| LegPlan {
        remote: Some("10.99.0.1:4000".parse().unwrap()),
        signalling_ip: Some("127.0.0.7".parse().unwrap()),
        new_latch,
        ..awaiting_keys(&alice)
    };
    engine.update_leg(leg.id, &behind_nat(false)).unwrap();
    settle();
    alice.send_raw(&leg, &zrtp(0x10, 1, 60));
    wait_for("the latch", || {
        engine.leg_stats(leg.id).unwrap().latches == 1
    });
    for (phone, new_latch, latches) in [(&neighbour, false, 1), (&neighbour, true, 2)] {
        engine.update_leg(leg.id, &behind_nat(new_latch)).unwrap();
        settle();
        let before = engine.leg_stats(leg.id).unwrap().zrtp_rx;
        for number in 0..10 {
            phone.send_raw(&leg, &zrtp(0x10, number, 60));
        }
        std::thread::sleep(SHORT);
        // Once connected the kernel lets nobody else's through, so they may not even be counted.
        assert!(engine.leg_stats(leg.id).unwrap().zrtp_rx > before || !new_latch);
        assert_eq!(engine.leg_stats(leg.id).unwrap().latches, latches);
    }
    assert_eq!(
        engine.leg_stats(leg.id).unwrap().latched,
        Some(neighbour.address())
    );
}

#[test]
fn zrtp_never_moves_a_leg_that_has_keys() {
    let engine = engine();
    let keys = Keys::new(Suite::AesCm128HmacSha1_80, 3);
    let (mut alice, mut bob) = (Phone::secure(1, &keys), Phone::new(2));
    let neighbour = Phone::new(3);
    let plan_a = LegPlan {
        signalling_ip: Some(LOCAL),
        ..keys.plan(alice.address())
    };
    let call = call(&engine, &plan_a, &plan(bob.address()));
    for phone in [&alice, &neighbour] {
        phone.send_raw(&call.a, &zrtp(0x10, 1, 60));
    }
    wait_shown(&engine, &call.a, 2); // Either may be the phone.
    assert_eq!(engine.leg_stats(call.a.id).unwrap().latches, 0);
    alice.send(&call.a, b"proof");
    assert_eq!(bob.hear().payload, b"proof");
    for round in 0..3 {
        for number in 0..40 {
            neighbour.send_raw(&call.a, &zrtp(0x10, number, 60));
        }
        // So long a pause opens the socket to every address again.
        std::thread::sleep(Duration::from_millis(700));
        bob.send(&call.b, b"to alice");
        assert_eq!(alice.hear().payload, b"to alice", "round {round}");
    }
    neighbour.hears_nothing_for(SHORT);
    assert_eq!(packets_shown(&engine, &call.a).len(), 0);
    assert_eq!(engine.leg_stats(call.a.id).unwrap().latches, 1);
    alice.send_raw(&call.a, &zrtp(0x10, 9, 60));
    wait_shown(&engine, &call.a, 1);
}

#[test]
fn media_that_authenticates_moves_a_leg_that_zrtp_had_latched() {
    let engine = engine();
    let keys = Keys::new(Suite::AesCm128HmacSha1_80, 3);
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &awaiting_keys(&alice), &plan(bob.address()));
    alice.send_raw(&call.a, &zrtp(0x10, 1, 60));
    wait_for("the latch", || {
        engine.leg_stats(call.a.id).unwrap().latches == 1
    });
    engine
        .update_leg(call.a.id, &keys.plan(alice.address()))
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    alice = Phone::secure(1, &keys);
    alice.send(&call.a, b"from behind another NAT");
    assert_eq!(bob.hear().payload, b"from behind another NAT");
    bob.send(&call.b, b"found");
    assert_eq!(alice.hear().payload, b"found");
}

#[test]
fn a_flood_from_another_address_leaves_the_phone_its_share() {
    let engine = engine();
    let (alice, bob) = (Phone::new(1), Phone::new(2));
    let (mallory, neighbour) = (Phone::at("127.0.0.6", 6), Phone::new(6));
    let plan_a = LegPlan {
        signalling_ip: Some(LOCAL),
        ..awaiting_keys(&alice)
    };
    let call = call(&engine, &plan_a, &plan(bob.address()));
    alice.send_raw(&call.a, &zrtp(0x10, 0, 60));
    wait_shown(&engine, &call.a, 1);
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[0; 12]].concat();
    for number in 1..40 {
        for _ in 0..8 {
            mallory.send_raw(&call.a, &zrtp(0x10, number, 60));
            neighbour.send_raw(&call.a, &zrtp(0x11, number, 60));
            neighbour.send_raw(&call.a, &stun);
        }
        let hers = zrtp(0x10, number, 60);
        alice.send_raw(&call.a, &hers);
        assert_eq!(wait_shown(&engine, &call.a, 1), [hers]);
    }
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert_eq!((stats.latches, stats.slow_path_drops), (1, 0));
}
