//! Where a leg without keys is latched: phones that move, that are behind NAT, and neighbours at their address.

mod support;

use std::time::Duration;

use sealtone_media::engine::LegPlan;
use support::*;

const SHORT: Duration = Duration::from_millis(120);
/// Where the signalling of one side comes from.
const HOME: &str = "127.0.0.7";

/// A leg whose signalling comes from [`HOME`].
fn at_home(remote: std::net::SocketAddr) -> LegPlan<'static> {
    LegPlan {
        signalling_ip: Some(HOME.parse().unwrap()),
        ..plan(remote)
    }
}

/// A phone at [`HOME`], who sends from `other` beside it, and whom they talk to.
fn alice_and(other: &str) -> (Phone, Phone, Phone) {
    (Phone::at(HOME, 1), Phone::at(other, 8), Phone::new(2))
}

#[test]
fn a_phone_that_moved_is_heard_though_packets_of_its_old_port_come_first() {
    let engine = engine();
    let (mut old, mut new, mut bob) = (
        Phone::at("127.0.0.7", 1),
        Phone::at("127.0.0.7", 1),
        Phone::new(2),
    );
    let at = |phone: &Phone, new_latch| LegPlan {
        signalling_ip: Some("127.0.0.7".parse().unwrap()),
        new_latch,
        ..plan(phone.address())
    };
    let call = call(&engine, &at(&old, false), &plan(bob.address()));
    old.send(&call.a, b"before");
    assert_eq!(bob.hear().payload, b"before");
    engine.update_leg(call.a.id, &at(&new, true)).unwrap();
    settle();
    old.send(&call.a, b"late");
    assert_eq!(bob.hear().payload, b"late");
    (new.sequence, new.timestamp) = (old.sequence, old.timestamp);
    new.send(&call.a, b"moved");
    assert_eq!(bob.hear().payload, b"moved");
    bob.send(&call.b, b"to the new port");
    assert_eq!(new.hear().payload, b"to the new port");
    old.send(&call.a, b"later still");
    bob.hears_nothing_for(SHORT);
    old.hears_nothing_for(SHORT);
}

#[test]
fn a_phone_behind_nat_that_moved_is_heard_from_a_port_that_nobody_signalled() {
    let engine = engine();
    let (mut old, mut new, mut bob) = (
        Phone::at("127.0.0.7", 1),
        Phone::at("127.0.0.7", 1),
        Phone::new(2),
    );
    let behind_nat = |port: u16, new_latch| LegPlan {
        signalling_ip: Some("127.0.0.7".parse().unwrap()),
        new_latch,
        ..plan(("10.99.0.1".parse::<std::net::IpAddr>().unwrap(), port).into())
    };
    let call = call(&engine, &behind_nat(4000, false), &plan(bob.address()));
    old.send(&call.a, b"before");
    assert_eq!(bob.hear().payload, b"before");
    engine
        .update_leg(call.a.id, &behind_nat(4002, true))
        .unwrap();
    settle();
    old.send(&call.a, b"late");
    assert_eq!(bob.hear().payload, b"late");
    (new.sequence, new.timestamp) = (old.sequence, old.timestamp);
    new.send(&call.a, b"moved");
    assert_eq!(bob.hear().payload, b"moved");
    bob.send(&call.b, b"to the new port");
    assert_eq!(new.hear().payload, b"to the new port");
    old.send(&call.a, b"later still");
    bob.hears_nothing_for(SHORT);
}

#[test]
fn the_signalled_port_takes_the_latch_from_another_of_its_address_at_first_and_not_later() {
    let engine = engine();
    let (mut alice, mut neighbour, mut bob) = alice_and(HOME);
    let plan_a = at_home(alice.address());
    let first = call(&engine, &plan_a, &plan(bob.address()));
    neighbour.send(&first.a, b"first");
    assert_eq!(bob.hear().payload, b"first");
    alice.send(&first.a, b"signalled");
    assert_eq!(bob.hear().payload, b"signalled");
    neighbour.send(&first.a, b"again");
    bob.hears_nothing_for(SHORT);
    bob.send(&first.b, b"for alice");
    assert_eq!(alice.hear().payload, b"for alice");
    engine.close_call(first.id).unwrap();

    let second = call(&engine, &plan_a, &plan(bob.address()));
    neighbour.send(&second.a, b"alone");
    assert_eq!(bob.hear().payload, b"alone");
    std::thread::sleep(Duration::from_millis(2_100));
    alice.send(&second.a, b"too late");
    bob.hears_nothing_for(SHORT);
}

#[test]
fn after_a_hold_no_neighbour_takes_the_latch_of_a_phone_that_is_where_it_was() {
    let engine = engine();
    let (mut alice, mut neighbour, mut bob) = alice_and(HOME);
    let behind_nat = |remote: Option<&str>, new_latch| LegPlan {
        remote: remote.map(|remote| remote.parse().unwrap()),
        signalling_ip: Some("127.0.0.7".parse().unwrap()),
        new_latch,
        ..plan("10.99.0.1:4000".parse().unwrap())
    };
    let signalled = Some("10.99.0.1:4000");
    let call = call(&engine, &behind_nat(signalled, false), &plan(bob.address()));
    alice.send(&call.a, b"before");
    assert_eq!(bob.hear().payload, b"before");
    for (remote, new_latch) in [(None, false), (signalled, true)] {
        engine
            .update_leg(call.a.id, &behind_nat(remote, new_latch))
            .unwrap();
    }
    settle();
    alice.send(&call.a, b"after");
    assert_eq!(bob.hear().payload, b"after");
    neighbour.send(&call.a, b"evil");
    bob.hears_nothing_for(SHORT);
    bob.send(&call.b, b"for alice");
    assert_eq!(alice.hear().payload, b"for alice");
}

#[test]
fn the_private_address_of_a_phone_behind_nat_takes_no_latch_from_its_public_one() {
    let engine = engine();
    let (mut alice, mut forger, mut bob) = alice_and("127.0.0.9");
    let plan_a = at_home(forger.address());
    let call = call(&engine, &plan_a, &plan(bob.address()));
    alice.send(&call.a, b"alice");
    assert_eq!(bob.hear().payload, b"alice");
    forger.send(&call.a, b"evil");
    bob.hears_nothing_for(SHORT);
    bob.send(&call.b, b"for alice");
    assert_eq!(alice.hear().payload, b"for alice");
}

#[test]
fn reports_of_a_phone_that_moved_are_taken_though_one_of_its_old_port_comes_first() {
    let engine = engine();
    for signalled_ip in ["127.0.0.7", "10.99.0.1"] {
        let (mut old, new, mut bob) = (
            Phone::at("127.0.0.7", 1),
            Phone::at("127.0.0.7", 1),
            Phone::new(2),
        );
        let (old_rtcp, new_rtcp) = (Phone::at("127.0.0.7", 1), Phone::at("127.0.0.7", 1));
        let at = |rtp: &Phone, rtcp: &Phone, new_latch| {
            let there = |phone: &Phone| {
                (
                    signalled_ip.parse::<std::net::IpAddr>().unwrap(),
                    phone.address().port(),
                )
                    .into()
            };
            LegPlan {
                remote_rtcp: Some(there(rtcp)),
                signalling_ip: Some("127.0.0.7".parse().unwrap()),
                new_latch,
                ..plan(there(rtp))
            }
        };
        let report = |phone: &Phone, leg: &sealtone_media::engine::OpenedLeg| {
            let rr = [
                0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 202, 0, 2, 0, 0, 0, 1, 1, 1, b'x', 0,
            ];
            phone
                .socket
                .send_to(&rr, (leg.ip, leg.rtp_port + 1))
                .unwrap();
        };
        let call = call(&engine, &at(&old, &old_rtcp, false), &plan(bob.address()));
        let heard = || engine.leg_stats(call.a.id).unwrap().rtcp_rx;
        old.send(&call.a, b"before");
        assert_eq!(bob.hear().payload, b"before");
        report(&old_rtcp, &call.a);
        wait_for("the first", || heard() == 1);
        engine
            .update_leg(call.a.id, &at(&new, &new_rtcp, true))
            .unwrap();
        settle();
        report(&old_rtcp, &call.a);
        wait_for("the late one", || heard() == 2);
        report(&new_rtcp, &call.a);
        wait_for("the new one", || heard() == 3);
        report(&old_rtcp, &call.a);
        std::thread::sleep(SHORT);
        assert_eq!(heard(), 3);
        engine.close_call(call.id).unwrap();
    }
}

#[test]
fn a_phone_behind_nat_is_alone_on_its_port_from_its_first_packet_on() {
    let engine = engine();
    let (mut alice, mut stranger, mut bob) = alice_and("127.0.0.66");
    let plan_a = at_home("10.99.0.1:4000".parse().unwrap());
    let call = call(&engine, &plan_a, &plan(bob.address()));
    alice.send(&call.a, b"first");
    assert_eq!(bob.hear().payload, b"first");
    let packet = stranger.packet(0, b"evil");
    for _ in 0..50 {
        let _ = stranger
            .socket
            .send_to(&packet, (call.a.ip, call.a.rtp_port));
    }
    std::thread::sleep(SHORT);
    assert_eq!(engine.leg_stats(call.a.id).unwrap().source_drops, 0);
}
