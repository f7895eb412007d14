//! RTCP compounds: any datagram is read within its bounds, reports survive being built again, and reception
//! statistics take any sequence of packets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_media::rtcp::{
    Compound, CompoundBuilder, ReceptionStats, ReportBlock, RtcpPacket, round_trip_us,
};

fuzz_target!(|data: &[u8]| {
    statistics(data);
    let Ok(compound) = Compound::parse(data) else {
        return;
    };
    let mut buffer = [0; 4096];
    for packet in compound.packets() {
        match packet {
            RtcpPacket::SenderReport(report) => {
                let blocks: Vec<ReportBlock> = report.blocks.iter().collect();
                let mut builder = CompoundBuilder::new(&mut buffer);
                builder
                    .sender_report(report.ssrc, &report.info, &blocks)
                    .expect("has room");
                let len = builder.len();
                let again = Compound::parse(&buffer[..len]).expect("is well formed");
                let Some(RtcpPacket::SenderReport(again)) = again.packets().next() else {
                    panic!("is a sender report");
                };
                assert_eq!(again.info, report.info);
                assert!(again.blocks.iter().eq(blocks));
            }
            RtcpPacket::ReceiverReport(report) => {
                for block in report.blocks.iter() {
                    let _ = round_trip_us(&block, u64::from(block.jitter) << 20);
                }
            }
            RtcpPacket::SourceDescription(sdes) => {
                let octets: usize = sdes.items().map(|item| item.text.len() + 2).sum();
                assert!(octets <= data.len());
            }
            RtcpPacket::Bye(bye) => assert!(bye.ssrcs().count() <= 31),
            RtcpPacket::App(app) => assert!(app.data.len() <= data.len()),
            RtcpPacket::Feedback(feedback) => assert!(feedback.control.len() <= data.len()),
            RtcpPacket::Other(other) => assert!(other.body.len() <= data.len()),
        }
    }
});

/// Reads the input as packets of eight octets: sequence, timestamp, time since the last one.
fn statistics(data: &[u8]) {
    let mut stats = ReceptionStats::new(8000);
    let mut now_us = 0_u64;
    for (n, packet) in data.chunks_exact(8).enumerate() {
        now_us =
            now_us.wrapping_add(u64::from(u16::from_be_bytes([packet[6], packet[7]])) << (n % 48));
        let timestamp = u32::from_be_bytes([packet[2], packet[3], packet[4], packet[5]]);
        stats.update(
            u16::from_be_bytes([packet[0], packet[1]]),
            timestamp,
            now_us,
        );
        if n % 5 == 4 {
            let _ = stats.report(1, now_us);
            stats.set_clock_rate(timestamp);
            stats.sender_report(now_us, now_us);
        }
    }
    let totals = stats.totals();
    assert!(totals.received <= data.len() as u64 / 8);
}
