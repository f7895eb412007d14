//! The engine between two phones: what passes, with which numbers, and what does not.

mod support;

use std::time::Duration;

use sealtone_media::demux::Kind;
use sealtone_media::engine::{Engine, EngineError, LegPlan};
use sealtone_media::event::What;
use support::*;

const SHORT: Duration = Duration::from_millis(120);

#[test]
fn both_sides_hear_each_other_under_our_numbers() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    let mut last = None;
    for round in 0..20_u8 {
        alice.send(&call.a, &[round; 160]);
        let heard = bob.hear();
        assert_eq!(heard.payload, [round; 160]);
        assert_ne!(heard.header.ssrc, 1, "the other side's SSRC stays with it");
        assert_eq!(heard.header.marker, round == 0);
        if let Some((ssrc, sequence, timestamp)) = last {
            assert_eq!(heard.header.ssrc, ssrc);
            assert_eq!(heard.header.sequence, sequence + 1);
            assert_eq!(heard.header.timestamp, u32::wrapping_add(timestamp, 160));
        }
        last = Some((
            heard.header.ssrc,
            heard.header.sequence,
            heard.header.timestamp,
        ));
        bob.send(&call.b, &[round | 0x80; 160]);
        assert_eq!(alice.hear().payload, [round | 0x80; 160]);
    }
    settle();
    let stats = engine.close_call(call.id).unwrap();
    assert_eq!(stats.len(), 2);
    assert!(
        stats
            .iter()
            .all(|(_, leg)| leg.rx_packets == 20 && leg.tx_packets == 20 && leg.rx_octets == 3_200)
    );
}

#[test]
fn gaps_and_reordering_reach_the_other_side_as_they_are() {
    let engine = engine();
    let (alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    let order = [10_u16, 11, 13, 12, 20, 19, 65_000, 21];
    for sequence in order {
        alice.send_raw(
            &call.a,
            &rtp(0, sequence, u32::from(sequence) * 160, 1, b"x"),
        );
    }
    let first = bob.hear().header;
    for sequence in [11_u16, 13, 12, 20, 19, 21] {
        let header = bob.hear().header;
        assert_eq!(
            header.sequence.wrapping_sub(first.sequence),
            sequence - 10,
            "a lone wild jump is left out"
        );
        assert_eq!(
            header.timestamp.wrapping_sub(first.timestamp),
            u32::from(sequence - 10) * 160
        );
    }
    bob.hears_nothing_for(SHORT);
}

#[test]
fn payload_types_are_mapped_each_way_and_others_stopped() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let plan_b = LegPlan {
        payload_types: &[0, 96],
        ..plan(bob.address())
    };
    let call = call(&engine, &plan(alice.address()), &plan_b);
    engine
        .bridge(
            call.a.id,
            call.b.id,
            Some(&[(0, 0), (101, 96)]),
            Some(&[(96, 101)]),
        )
        .unwrap();
    settle();
    for payload_type in [0, 8, 101] {
        let packet = alice.packet(payload_type, b"from a");
        alice.send_raw(&call.a, &packet);
    }
    assert_eq!(bob.hear().header.payload_type, 0);
    assert_eq!(bob.hear().header.payload_type, 96);
    for payload_type in [0, 96, 101] {
        let packet = bob.packet(payload_type, b"from b");
        bob.send_raw(&call.b, &packet);
    }
    assert_eq!(
        alice.hear().header.payload_type,
        101,
        "0 has no place in the map, 101 is not negotiated with b"
    );
    alice.hears_nothing_for(SHORT);
    assert_eq!(engine.leg_stats(call.a.id).unwrap().payload_type_drops, 1);
}

#[test]
fn a_negotiated_payload_type_that_the_other_leg_does_not_take_is_told_once_for_each_bridge() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let plan_a = LegPlan {
        payload_types: &[0, 8, 9, 101],
        ..plan(alice.address())
    };
    let call = call(&engine, &plan_a, &plan(bob.address()));
    let unmapped = |engine: &Engine| -> Vec<(u64, u8)> {
        let events = engine.events().into_iter();
        events
            .filter_map(|event| match event.what {
                What::Unmapped(payload_type) => Some((event.leg, payload_type)),
                _ => None,
            })
            .collect()
    };
    for _ in 0..2 {
        engine
            .bridge(call.a.id, call.b.id, Some(&[(0, 0)]), Some(&[(0, 0)]))
            .unwrap();
        settle();
        for payload_type in [0, 8, 8, 7, 8, 9, 0, 9] {
            let packet = alice.packet(payload_type, b"which one");
            alice.send_raw(&call.a, &packet);
        }
        for _ in 0..2 {
            assert_eq!(bob.hear().header.payload_type, 0);
        }
        bob.hears_nothing_for(SHORT);
        assert_eq!(unmapped(&engine), [(call.a.id, 8), (call.a.id, 9)]);
    }
    engine.unbridge(call.a.id).unwrap();
    settle();
    let packet = alice.packet(8, b"to nobody");
    alice.send_raw(&call.a, &packet);
    bob.hears_nothing_for(SHORT);
    assert_eq!(unmapped(&engine), [], "a leg that is joined to nobody");
}

#[test]
fn how_often_payload_types_without_a_place_are_told_is_limited() {
    let engine = engine();
    let (mut alice, bob) = (Phone::new(1), Phone::new(2));
    let all: Vec<u8> = (0..128).collect();
    let plan_a = LegPlan {
        payload_types: &all,
        ..plan(alice.address())
    };
    let call = call(&engine, &plan_a, &plan(bob.address()));
    engine
        .bridge(call.a.id, call.b.id, Some(&[]), Some(&[]))
        .unwrap();
    settle();
    for payload_type in 0..60 {
        let packet = alice.packet(payload_type, b"which one");
        alice.send_raw(&call.a, &packet);
    }
    bob.hears_nothing_for(SHORT);
    let told = engine.events().into_iter();
    let told = told.filter(|event| matches!(event.what, What::Unmapped(_)));
    assert!((1..=8).contains(&told.count()));
}

#[test]
fn extensions_sources_and_padding_of_one_side_stay_there() {
    let engine = engine();
    let (alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    let mut packet = rtp(0, 5, 800, 1, &[9, 9, 9, 9, 0xbe, 0xde, 0, 1, 0x10, 7, 0, 0]);
    packet[0] = 0x80 | 0x20 | 0x10 | 1;
    packet.extend(b"sound");
    packet.extend([0, 0, 3]);
    alice.send_raw(&call.a, &packet);
    let heard = bob.hear();
    assert_eq!(heard.payload, b"sound");
    assert_eq!(heard.header.header_len, 12);
    assert!(!heard.header.padding);
}

#[test]
fn nothing_passes_before_the_bridge_nor_after_the_end() {
    let engine = engine();
    let (mut alice, bob) = (Phone::new(1), Phone::new(2));
    let id = engine.open_call().unwrap();
    let a = engine.open_leg(id, LOCAL).unwrap();
    let b = engine.open_leg(id, LOCAL).unwrap();
    alice.send(&a, b"before any plan");
    engine.update_leg(a.id, &plan(alice.address())).unwrap();
    engine.update_leg(b.id, &plan(bob.address())).unwrap();
    settle();
    alice.send(&a, b"before the bridge");
    bob.hears_nothing_for(SHORT);
    engine.bridge(a.id, b.id, None, None).unwrap();
    settle();
    alice.send(&a, b"bridged");
    assert_eq!(bob.collect(SHORT).len(), 1);
    engine.close_leg(b.id).unwrap();
    settle();
    for _ in 0..20 {
        alice.send(&a, b"after the end");
        std::thread::sleep(Duration::from_millis(2));
    }
    let rest = bob.collect(SHORT);
    assert!(
        rest.iter().all(|packet| packet[1] >= 192),
        "only RTCP may tell the end"
    );
    assert!(matches!(engine.close_leg(b.id), Err(EngineError::Unknown)));
    assert_eq!(
        engine.leg_stats(b.id).unwrap().tx_packets,
        1,
        "statistics outlive the leg"
    );
    engine.close_call(id).unwrap();
    assert!(matches!(engine.leg_stats(b.id), Err(EngineError::Unknown)));
}

#[test]
fn the_gates_stop_one_direction_each() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    let listens_only = LegPlan {
        receive: false,
        ..plan(alice.address())
    };
    engine.update_leg(call.a.id, &listens_only).unwrap();
    settle();
    alice.send(&call.a, b"stopped");
    bob.send(&call.b, b"passes");
    assert_eq!(alice.hear().payload, b"passes");
    bob.hears_nothing_for(SHORT);
    let talks_only = LegPlan {
        send: false,
        ..plan(alice.address())
    };
    engine.update_leg(call.a.id, &talks_only).unwrap();
    settle();
    alice.send(&call.a, b"passes");
    bob.send(&call.b, b"stopped");
    assert_eq!(bob.hear().payload, b"passes");
    alice.hears_nothing_for(SHORT);
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert_eq!(stats.gate_drops, 2);
}

#[test]
fn hold_by_an_unspecified_address_sends_nothing_and_resumes_where_it_was() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    alice.send(&call.a, b"one");
    let before = bob.hear().header;
    engine
        .update_leg(call.b.id, &plan("0.0.0.0:4000".parse().unwrap()))
        .unwrap();
    settle();
    alice.send(&call.a, b"held");
    bob.hears_nothing_for(SHORT);
    engine.update_leg(call.b.id, &plan(bob.address())).unwrap();
    settle();
    alice.send(&call.a, b"two");
    let after = bob.hear();
    assert_eq!(after.payload, b"two");
    assert_eq!(after.header.ssrc, before.ssrc);
}

#[test]
fn a_new_source_or_bridge_goes_on_with_the_next_number_and_a_marker() {
    let engine = engine();
    let (mut alice, mut bob, mut carol) = (Phone::new(1), Phone::new(2), Phone::new(3));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    bob.send(&call.b, b"from bob");
    let first = alice.hear().header;
    bob.ssrc = 77;
    bob.sequence = 30_000;
    bob.send(&call.b, b"from bob's second source");
    let second = alice.hear().header;
    assert_eq!(second.sequence, first.sequence + 1);
    assert!(second.marker);
    let c = engine.open_leg(call.id, LOCAL).unwrap();
    engine.update_leg(c.id, &plan(carol.address())).unwrap();
    engine.bridge(call.a.id, c.id, None, None).unwrap();
    settle();
    bob.send(&call.b, b"no longer bridged");
    carol.send(&c, b"from carol");
    let third = alice.hear();
    assert_eq!(third.payload, b"from carol");
    assert_eq!(third.header.sequence, first.sequence + 2);
    assert_eq!(third.header.ssrc, first.ssrc);
    assert!(third.header.marker);
    assert!(
        third.header.timestamp.wrapping_sub(second.timestamp) >= 160,
        "time has moved on"
    );
    alice.send(&call.a, b"to carol");
    assert_eq!(carol.hear().payload, b"to carol");
    bob.hears_nothing_for(SHORT);
}

#[test]
fn an_echo_returns_a_legs_own_packets_under_our_source() {
    let engine = engine();
    let mut alice = Phone::new(1);
    let id = engine.open_call().unwrap();
    let leg = engine.open_leg(id, LOCAL).unwrap();
    engine.update_leg(leg.id, &plan(alice.address())).unwrap();
    engine.echo(leg.id).unwrap();
    settle();
    for word in [b"hello", b"world"] {
        alice.send(&leg, word);
        let heard = alice.hear();
        assert_eq!(heard.payload, word);
        assert_ne!(heard.header.ssrc, 1);
    }
    engine.unbridge(leg.id).unwrap();
    settle();
    alice.send(&leg, b"no more");
    alice.hears_nothing_for(SHORT);
}

#[test]
fn a_remote_with_our_source_number_makes_us_take_another() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    bob.send(&call.b, b"first");
    let ours = alice.hear().header.ssrc;
    alice.ssrc = ours;
    alice.send(&call.a, b"collision");
    bob.hear();
    bob.send(&call.b, b"second");
    assert_ne!(alice.hear().header.ssrc, ours);
}

#[test]
fn a_port_that_refuses_for_a_while_is_served_again() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    bob.send(&call.b, b"latch");
    alice.hear();
    let address = bob.address();
    bob.socket = Phone::new(2).socket;
    for _ in 0..30 {
        alice.send(&call.a, b"to nobody");
        std::thread::sleep(Duration::from_millis(2));
    }
    bob.socket = std::net::UdpSocket::bind(address).unwrap();
    bob.socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    alice.send(&call.a, b"back");
    assert_eq!(bob.hear().payload, b"back");
    bob.send(&call.b, b"and again");
    assert_eq!(alice.hear().payload, b"and again");
}

#[test]
fn events_tell_of_latch_silence_and_return() {
    let engine = engine();
    let (mut alice, bob) = (Phone::new(1), Phone::new(2));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    alice.send(&call.a, b"x");
    let latched = wait_event(&engine, "latch", |event| event.leg == call.a.id);
    assert_eq!(latched.what, What::Latched(alice.address()));
    assert_eq!(
        engine.leg_stats(call.a.id).unwrap().latched,
        Some(alice.address())
    );
    wait_event(&engine, "silence", |event| {
        event.leg == call.a.id && event.what == What::Silent
    });
    alice.send(&call.a, b"x");
    wait_event(&engine, "return", |event| {
        event.leg == call.a.id && event.what == What::Heard
    });
}

#[test]
fn packets_for_the_control_plane_are_handed_up_within_limits_and_never_forwarded() {
    let engine = engine();
    let (alice, bob, mallory) = (Phone::new(1), Phone::new(2), Phone::at("127.0.0.9", 9));
    let call = call(&engine, &plan(alice.address()), &plan(bob.address()));
    let mut hello = b"\x10\x00\x00\x01ZRTP".to_vec();
    hello.resize(40, 7);
    mallory.send_raw(&call.a, &hello);
    alice.send_raw(&call.a, &hello);
    let event = wait_event(&engine, "ZRTP", |event| {
        matches!(event.what, What::Packet { .. })
    });
    let expected = What::Packet {
        kind: Kind::Zrtp,
        source: alice.address(),
        data: hello.clone(),
    };
    assert_eq!((event.leg, event.what), (call.a.id, expected));
    for _ in 0..200 {
        alice.send_raw(&call.a, &hello);
        std::thread::sleep(Duration::from_micros(200));
    }
    wait_for("packets", || {
        engine.leg_stats(call.a.id).unwrap().zrtp_rx == 202
    });
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert_eq!(stats.source_drops, 1, "mallory's");
    assert!(
        stats.slow_path_drops >= 150,
        "{} dropped",
        stats.slow_path_drops
    );
    bob.hears_nothing_for(SHORT);
}

#[test]
fn exhausted_ports_are_an_error_and_come_back() {
    let range = config();
    let engine = Engine::start(&sealtone_media::engine::EngineConfig {
        port_max: range.port_min + 7,
        ..range
    })
    .unwrap();
    let id = engine.open_call().unwrap();
    let legs: Vec<_> = std::iter::from_fn(|| engine.open_leg(id, LOCAL).ok())
        .take(4)
        .collect();
    assert!(matches!(
        engine.open_leg(id, LOCAL),
        Err(EngineError::Ports(_))
    ));
    assert!(engine.state().ports.exhausted >= 1);
    engine.close_leg(legs[0].id).unwrap();
    wait_for("a port", || engine.open_leg(id, LOCAL).is_ok());
}

#[test]
fn legs_of_different_calls_and_unknown_legs_cannot_be_bridged() {
    let engine = engine();
    let (one, two) = (engine.open_call().unwrap(), engine.open_call().unwrap());
    let (a, b) = (
        engine.open_leg(one, LOCAL).unwrap(),
        engine.open_leg(two, LOCAL).unwrap(),
    );
    assert!(matches!(
        engine.bridge(a.id, b.id, None, None),
        Err(EngineError::ForeignLeg)
    ));
    assert!(matches!(
        engine.bridge(a.id, 999, None, None),
        Err(EngineError::Unknown)
    ));
    assert!(matches!(
        engine.open_leg(999, LOCAL),
        Err(EngineError::Unknown)
    ));
    engine.stop();
    assert!(matches!(engine.open_call(), Err(EngineError::Stopped)));
}

#[test]
fn nothing_is_left_behind_by_a_hundred_calls() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    for _ in 0..100 {
        let mut opened = None;
        wait_for("a free port", || {
            let id = engine.open_call().unwrap();
            let legs = (engine.open_leg(id, LOCAL), engine.open_leg(id, LOCAL));
            match legs {
                (Ok(a), Ok(b)) => opened = Some((id, a, b)),
                _ => drop(engine.close_call(id)),
            }
            opened.is_some()
        });
        let (id, a, b) = opened.unwrap();
        engine.update_leg(a.id, &plan(alice.address())).unwrap();
        engine.update_leg(b.id, &plan(bob.address())).unwrap();
        engine.bridge(a.id, b.id, None, None).unwrap();
        settle();
        alice.send(&a, b"x");
        bob.hear();
        bob.send(&b, b"y");
        alice.hear();
        engine.close_call(id).unwrap();
    }
    wait_for("ports", || engine.state().ports.in_use == 0);
    let state = engine.state();
    assert_eq!((state.calls, state.legs, state.faults), (0, 0, 0));
}

#[test]
fn a_leg_on_ipv6_is_joined_to_one_on_ipv4() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("no IPv6 on this machine");
        return;
    }
    let engine = engine();
    let (mut alice, mut bob) = (Phone::at("::1", 1), Phone::new(2));
    let id = engine.open_call().unwrap();
    let a = engine.open_leg(id, "::1".parse().unwrap()).unwrap();
    let b = engine.open_leg(id, LOCAL).unwrap();
    engine.update_leg(a.id, &plan(alice.address())).unwrap();
    engine.update_leg(b.id, &plan(bob.address())).unwrap();
    engine.bridge(a.id, b.id, None, None).unwrap();
    settle();
    for _ in 0..3 {
        alice.send(&a, b"from six");
        assert_eq!(bob.hear().payload, b"from six");
        bob.send(&b, b"from four");
        assert_eq!(alice.hear().payload, b"from four");
    }
    assert_eq!(
        engine.leg_stats(a.id).unwrap().latched,
        Some(alice.address())
    );
}
