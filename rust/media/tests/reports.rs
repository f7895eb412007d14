//! RTCP: each side hears the truth about its own leg, from us, and nothing of the other side.

mod support;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use sealtone_media::engine::{Engine, EngineConfig, LegPlan};
use sealtone_media::rtcp::{Compound, CompoundBuilder, ReportBlock, RtcpPacket, SenderInfo};
use sealtone_media::srtp::Suite;
use support::*;

/// A report of ours, taken apart.
#[derive(Debug, Default)]
struct Report {
    ssrc: u32,
    sender: Option<SenderInfo>,
    block: Option<ReportBlock>,
    cname: Vec<u8>,
    bye: bool,
}

fn read(data: &[u8]) -> Report {
    let compound = Compound::parse(data).unwrap();
    assert!(!compound.is_reduced_size());
    let mut report = Report::default();
    for packet in compound.packets() {
        match packet {
            RtcpPacket::SenderReport(sr) => {
                (report.ssrc, report.sender, report.block) =
                    (sr.ssrc, Some(sr.info), sr.blocks.iter().next());
            }
            RtcpPacket::ReceiverReport(rr) => {
                (report.ssrc, report.block) = (rr.ssrc, rr.blocks.iter().next())
            }
            RtcpPacket::SourceDescription(sdes) => report.cname = sdes.cname().unwrap().to_vec(),
            RtcpPacket::Bye(_) => report.bye = true,
            other => panic!("not for this leg: {other:?}"),
        }
    }
    report
}

fn wait_report(socket: &UdpSocket) -> Vec<u8> {
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut bytes = [0; 1_500];
    let length = socket
        .recv(&mut bytes)
        .expect("a report within the time of the first");
    bytes[..length].to_vec()
}

#[test]
fn each_leg_gets_reports_of_its_own_counts_name_and_clock() {
    let engine = engine();
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let (rtp, control) = neighbours();
    alice.socket = rtp;
    let muxed = LegPlan {
        rtcp_mux: true,
        ..plan(bob.address())
    };
    let call = call(&engine, &plan(alice.address()), &muxed);
    // Bob's clock, so that alice's reports can show it.
    let mut buffer = [0; 64];
    bob.send(&call.b, &[1; 160]);
    let mut compound = CompoundBuilder::new(&mut buffer);
    let clock = SenderInfo {
        ntp: 99 << 32,
        rtp_timestamp: bob.timestamp,
        packets: 1,
        octets: 160,
    };
    compound.sender_report(bob.ssrc, &clock, &[]).unwrap();
    let length = compound.len();
    bob.send_raw(&call.b, &buffer[..length]);
    let reported_at = Instant::now();
    for _ in 0..19 {
        bob.send(&call.b, &[1; 160]);
    }
    for lost in [true, false] {
        if lost {
            alice.sequence += 5;
        }
        for _ in 0..10 {
            alice.send(&call.a, &[2; 100]);
        }
    }
    let (first, last) = {
        let mut all = alice.collect(Duration::from_millis(60));
        (all.remove(0), all.pop().unwrap())
    };
    let report = read(&wait_report(&control));
    let sender = report.sender.expect("we have sent to alice");
    assert_eq!((sender.packets, sender.octets), (20, 3_200));
    assert_eq!(report.ssrc.to_be_bytes(), first[8..12]);
    let block = report.block.expect("alice has sent");
    assert_eq!(
        (block.ssrc, block.highest_sequence & 0xffff),
        (1, u32::from(alice.sequence) - 1)
    );
    assert_eq!(block.last_sender_report, 0, "alice has not reported");
    // Bob reported the moment of his second packet; our clock shows that and the time since.
    let last = u32::from_be_bytes(last[4..8].try_into().unwrap());
    let shown = sender
        .rtp_timestamp
        .wrapping_sub(last.wrapping_sub(18 * 160));
    let passed = reported_at.elapsed().as_millis() as u32 * 8;
    assert!(
        shown.abs_diff(passed) < 8_000 / 4,
        "clock shows {shown}, {passed} have passed"
    );
    let about_b = loop {
        let data = wait_report(&bob.socket);
        if (192..=223).contains(&data[1]) {
            break read(&data);
        }
    };
    let sender = about_b.sender.expect("we have sent to bob");
    assert_eq!((sender.packets, sender.octets), (20, 2_000));
    assert_eq!(
        about_b
            .block
            .map(|block| (block.ssrc, block.cumulative_lost)),
        Some((2, 0))
    );
    assert_eq!(
        about_b.block.map(|block| block.last_sender_report),
        Some(99 << 16)
    );
    assert_ne!(about_b.cname, report.cname, "one name would join the sides");
    assert_ne!(about_b.ssrc, report.ssrc);
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert!(stats.rtcp_tx >= 1);
    engine.close_call(call.id).unwrap();
    assert!(read(&wait_report(&control)).bye, "goodbye");
}

#[test]
fn loss_and_round_trip_are_measured_both_ways_over_srtcp() {
    let engine = engine();
    let keys = Keys::new(Suite::AesCm128HmacSha1_80, 4);
    let (mut alice, mut bob) = (Phone::secure(1, &keys), Phone::new(2));
    let muxed = LegPlan {
        rtcp_mux: true,
        ..keys.plan(alice.address())
    };
    let call = call(&engine, &muxed, &plan(bob.address()));
    for n in 0..100_u32 {
        if n % 10 == 5 {
            alice.sequence += 1;
        }
        alice.send(&call.a, &[0; 160]);
        bob.send(&call.b, &[0; 160]);
        let heard = alice.hear();
        assert_eq!(heard.payload.len(), 160);
        bob.hear();
    }
    let mut data = loop {
        let data = wait_report(&alice.socket);
        if (192..=223).contains(&data[1]) {
            break data;
        }
    };
    assert!(
        Compound::parse(&data[..data.len() - 14]).is_err(),
        "encrypted on the wire"
    );
    let rx = alice.rx.as_mut().unwrap();
    let length = data.len();
    let length = rx.unprotect_rtcp(&mut data, length).unwrap();
    let report = read(&data[..length]);
    let block = report.block.unwrap();
    assert_eq!(block.cumulative_lost, 10);
    assert!(
        (20..=26).contains(&block.fraction_lost),
        "{} of 256",
        block.fraction_lost
    );
    // Alice answers 80 ms later, having held our report for 30 of them.
    std::thread::sleep(Duration::from_millis(80));
    let answer = ReportBlock {
        ssrc: report.ssrc,
        fraction_lost: 64,
        cumulative_lost: 25,
        highest_sequence: 7,
        jitter: 80,
        last_sender_report: (report.sender.unwrap().ntp >> 16) as u32,
        delay_since_last: 30 * 65_536 / 1_000,
    };
    let mut buffer = [0; 128];
    let mut compound = CompoundBuilder::new(&mut buffer);
    compound.receiver_report(1, &[answer]).unwrap();
    compound.feedback(206, 1, 1, report.ssrc, &[]).unwrap();
    let length = compound.len();
    let clear = buffer[..length].to_vec();
    alice.send_raw(&call.a, &clear);
    let length = alice
        .tx
        .as_mut()
        .unwrap()
        .protect_rtcp(&mut buffer, length)
        .unwrap();
    alice.send_raw(&call.a, &buffer[..length]);
    alice.send_raw(&call.a, &buffer[..length]);
    wait_for("the answer", || {
        engine.leg_stats(call.a.id).unwrap().rtcp_rx == 1
    });
    settle();
    let stats = engine.leg_stats(call.a.id).unwrap();
    assert!(
        (45_000..90_000).contains(&stats.rtt_us),
        "{} µs",
        stats.rtt_us
    );
    assert_eq!(
        (
            stats.remote_lost,
            stats.remote_fraction_lost,
            stats.remote_jitter_us
        ),
        (25, 64, 10_000)
    );
    assert_eq!(
        (stats.feedback_rx, stats.rtcp_rx),
        (1, 1),
        "neither clear nor replayed RTCP counts"
    );
    assert_eq!((stats.replays, stats.auth_failures), (1, 1));
    wait_for("loss", || {
        engine.leg_stats(call.a.id).unwrap().rx_lost == 10
    });
    assert_eq!(engine.leg_stats(call.b.id).unwrap().feedback_rx, 0);
}

#[test]
fn no_report_goes_to_a_leg_that_must_be_secure_and_has_no_keys_or_no_address() {
    let engine = engine();
    let (alice, bob) = (Phone::new(1), Phone::new(2));
    let bare = LegPlan {
        secure_required: true,
        rtcp_mux: true,
        ..plan(alice.address())
    };
    let nowhere = LegPlan {
        remote: None,
        rtcp_mux: true,
        ..plan(bob.address())
    };
    let call = call(&engine, &bare, &nowhere);
    std::thread::sleep(Duration::from_millis(4_000));
    engine.close_call(call.id).unwrap();
    alice.hears_nothing_for(Duration::from_millis(100));
    bob.hears_nothing_for(Duration::from_millis(10));
}

#[test]
fn an_rtcp_port_is_opened_again_though_what_closes_it_was_gathered() {
    let engine = engine();
    engine.gather_commands();
    let alice = Phone::new(1);
    // Without legs the worker sleeps until it is woken.
    std::thread::sleep(Duration::from_millis(50));
    let call = engine.open_call().unwrap();
    let leg = engine.open_leg(call, LOCAL).unwrap();
    let with_mux = LegPlan {
        rtcp_mux: true,
        ..plan(alice.address())
    };
    for plan in [&with_mux, &plan(alice.address()), &with_mux] {
        engine.update_leg(leg.id, plan).unwrap();
    }
}

#[test]
fn an_rtcp_port_of_a_leg_that_has_just_moved_is_opened_again() {
    let engine = Engine::start(&EngineConfig {
        workers: 2,
        ..config()
    })
    .unwrap();
    engine.gather_commands();
    let alice = Phone::new(1);
    // Without legs the workers sleep until they are woken.
    std::thread::sleep(Duration::from_millis(50));
    let [call, other] = [(); 2].map(|()| engine.open_call().unwrap());
    let leg = engine.open_leg(call, LOCAL).unwrap();
    let with_mux = LegPlan {
        rtcp_mux: true,
        ..plan(alice.address())
    };
    engine.update_leg(leg.id, &with_mux).unwrap();
    engine.move_leg(leg.id, other).unwrap();
    engine.update_leg(leg.id, &plan(alice.address())).unwrap();
}
