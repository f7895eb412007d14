//! Loss, order and jitter of a received source.

use sealtone_media::rtcp::{ReceptionStats, ReportBlock, middle_of_ntp, round_trip_us};

/// Feeds packets of 20 ms at 8 kHz that come without jitter.
fn feed(stats: &mut ReceptionStats, sequences: impl IntoIterator<Item = u32>) {
    for n in sequences {
        stats.update(n as u16, n.wrapping_mul(160), u64::from(n) * 20_000);
    }
}

#[test]
fn a_steady_stream_has_neither_loss_nor_jitter() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, 65_000..66_000);
    let block = stats.report(9, 0);
    let expected = ReportBlock {
        ssrc: 9,
        highest_sequence: 65_999,
        ..ReportBlock::default()
    };
    assert_eq!(block, expected);
    assert_eq!(stats.totals().received, 1000);
    assert_eq!(stats.totals().lost, 0);
}

#[test]
fn a_silent_source_reports_nothing_and_does_not_divide_by_zero() {
    let mut stats = ReceptionStats::new(0);
    assert_eq!(
        stats.report(9, 5),
        ReportBlock {
            ssrc: 9,
            ..ReportBlock::default()
        }
    );
    assert!(!stats.heard_since_report());
    feed(&mut stats, 0..1);
    assert!(stats.heard_since_report());
    assert_eq!(stats.report(9, 5).fraction_lost, 0);
    assert!(!stats.heard_since_report());
}

#[test]
fn loss_is_told_since_the_last_report_and_since_the_beginning() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, (0..400).filter(|n| n % 4 != 1));
    let first = stats.report(9, 0);
    assert_eq!((first.fraction_lost, first.cumulative_lost), (64, 100));
    feed(&mut stats, 400..800);
    let second = stats.report(9, 0);
    assert_eq!((second.fraction_lost, second.cumulative_lost), (0, 100));
    feed(&mut stats, [1799]);
    let third = stats.report(9, 0);
    assert_eq!((third.fraction_lost, third.cumulative_lost), (255, 1099));
}

#[test]
fn runs_of_lost_packets_are_counted_as_one_each() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, (0..400).filter(|n| n % 40 >= 5));
    feed(&mut stats, 400..500);
    let totals = stats.totals();
    assert_eq!(
        (totals.lost, totals.gaps),
        (45, 9),
        "the first run is before the first packet"
    );
    feed(&mut stats, [502, 503]);
    assert_eq!((stats.totals().lost, stats.totals().gaps), (47, 10));
}

#[test]
fn duplicates_are_counted_apart_and_hide_no_loss() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, (0..100).filter(|n| *n != 50));
    feed(&mut stats, [99, 98, 97, 40]);
    assert_eq!(stats.report(9, 0).cumulative_lost, 1);
    assert_eq!(stats.totals().duplicates, 4);
    feed(&mut stats, [50]);
    assert_eq!(stats.report(9, 0).cumulative_lost, 0);
    assert_eq!((stats.totals().reordered, stats.totals().lost), (1, 0));
}

#[test]
fn reordered_packets_are_no_loss_also_over_a_wrap() {
    let mut stats = ReceptionStats::new(8000);
    feed(
        &mut stats,
        (65_530..65_550).step_by(2).flat_map(|n| [n + 1, n]),
    );
    assert_eq!(stats.totals().lost, 0);
    assert_eq!(stats.totals().received, 20);
    assert_eq!(stats.totals().reordered, 10);
    assert_eq!(stats.extended_highest(), 65_549);
}

#[test]
fn a_stream_may_begin_with_its_packets_swapped_around_a_wrap() {
    let mut stats = ReceptionStats::new(8000);
    feed(
        &mut stats,
        [65_538, 65_536, 65_534, 65_535, 65_537, 65_530, 65_539],
    );
    assert_eq!(stats.totals().received, 7);
    assert_eq!(stats.totals().reordered, 5);
    assert_eq!(stats.totals().lost, 3);
    assert_eq!(stats.report(9, 0).cumulative_lost, 3);
}

#[test]
fn cycles_count_every_wrap() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, 0..200_000);
    assert_eq!(stats.extended_highest(), 199_999);
    assert_eq!(stats.totals().lost, 0);
}

#[test]
fn a_single_stray_packet_is_no_restart_and_two_in_a_row_are() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, (0..100).filter(|n| *n != 7));
    feed(&mut stats, [30_000, 100, 101]);
    assert_eq!(stats.totals().restarts, 0);
    assert_eq!(stats.totals().lost, 1);
    feed(&mut stats, 30_000..30_100);
    let totals = stats.totals();
    assert_eq!(totals.restarts, 1);
    assert_eq!(totals.lost, 1);
    assert_eq!(totals.received, 101 + 99);
    assert_eq!(stats.report(9, 0).highest_sequence, 30_099);
}

#[test]
fn jitter_agrees_with_appendix_a8() {
    let mut stats = ReceptionStats::new(8000);
    let mut expected = 0.0_f64;
    let mut last = None;
    let mut state = 1_u64;
    for n in 0..5000_u32 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let delay_us = (state >> 40) % 30_000;
        let arrival_us = u64::from(n) * 20_000 + delay_us;
        stats.update(n as u16, n * 160, arrival_us);
        let transit = arrival_us as f64 * 0.008 - f64::from(n * 160);
        if let Some(last) = last.replace(transit) {
            expected += ((transit - last).abs() - expected) / 16.0;
        }
    }
    let found = f64::from(stats.report(9, 0).jitter);
    assert!((found - expected).abs() < 3.0, "{found} for {expected}");
    let jitter_us = f64::from(stats.totals().jitter_us);
    assert!((jitter_us - expected * 125.0).abs() < 400.0);
}

#[test]
fn a_tone_event_with_one_timestamp_makes_no_jitter() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, 0..50);
    for n in 50..100 {
        stats.update(n, 50 * 160, u64::from(n) * 20_000);
    }
    feed(&mut stats, 100..150);
    assert_eq!(stats.totals().jitter_us, 0);
}

#[test]
fn a_jump_of_the_media_clock_makes_no_jitter() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, 0..50);
    for n in 50..100_u32 {
        stats.update(n as u16, n * 160 + 3_000_000_000, u64::from(n) * 20_000);
    }
    assert_eq!(stats.totals().jitter_us, 0);
}

#[test]
fn the_clock_rate_may_change_within_a_stream() {
    let mut stats = ReceptionStats::new(8000);
    for n in 0..500_u32 {
        stats.update(
            n as u16,
            n * 160,
            u64::from(n) * 20_000 + u64::from(n % 2) * 10_000,
        );
    }
    let before = stats.totals().jitter_us;
    assert!((9_000..=10_000).contains(&before), "{before}");
    stats.set_clock_rate(48_000);
    let after = stats.totals().jitter_us;
    assert!(after.abs_diff(before) < 200, "{after} after {before}");
    for n in 500..502_u32 {
        stats.update(
            n as u16,
            n * 960,
            u64::from(n) * 20_000 + u64::from(n % 2) * 10_000,
        );
    }
    assert!(stats.totals().jitter_us.abs_diff(before) < 700);
}

#[test]
fn a_report_tells_when_the_last_sender_report_came() {
    let mut stats = ReceptionStats::new(8000);
    feed(&mut stats, 0..10);
    stats.sender_report(0xe000_1234_5678_9abc, 1_000_000);
    let block = stats.report(9, 2_500_000);
    assert_eq!(block.last_sender_report, 0x1234_5678);
    assert_eq!(block.delay_since_last, 65_536 + 32_768);
}

#[test]
fn the_round_trip_is_what_the_peer_did_not_keep() {
    let sent = 0xe000_1234_0000_0000_u64;
    let block = ReportBlock {
        last_sender_report: middle_of_ntp(sent),
        delay_since_last: 65_536,
        ..ReportBlock::default()
    };
    let second = 1_u64 << 32;
    assert_eq!(
        round_trip_us(&block, sent + second + second / 4),
        Some(250_000)
    );
    assert_eq!(round_trip_us(&block, sent + second / 2), None);
    assert_eq!(round_trip_us(&ReportBlock::default(), sent), None);
}
