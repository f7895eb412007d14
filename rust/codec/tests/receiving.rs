//! Reception over networks of every kind, under simulated time.

mod network;

use network::{
    Chance, Heard, arrival, hear, packets, receiver_config, sharpest_bend, spec, voice,
    voice_config,
};
use proptest::prelude::*;
use sealtone_codec::{CodecKind, CodecSpec, Receiver, ReceiverConfig};

fn pcmu() -> CodecSpec {
    spec(CodecKind::Pcmu)
}

fn receiver() -> Receiver {
    Receiver::new(receiver_config(pcmu(), 8_000))
}

/// How much of what was made up fell into each minute at most, milliseconds, after the first ten seconds.
fn worst_minute(heard: &Heard) -> u64 {
    let blocks = &heard.concealed_ms[500..];
    blocks
        .windows(3_000)
        .map(|minute| minute[2_999] - minute[0])
        .max()
        .unwrap_or_else(|| blocks[blocks.len() - 1] - blocks[0])
}

#[test]
fn a_quiet_network_is_heard_as_it_was_sent_without_any_delay_but_its_own() {
    let sound = voice(8_000, 20_000);
    let sent = packets(voice_config(pcmu()), &sound, 0.0);
    for phase_us in [0, 1_000, 5_000, 10_000, 19_500] {
        let heard = hear(receiver(), 8_000, &sent, phase_us, |_, arrive| {
            arrive(3_000)
        });
        let stats = heard.receiver.stats();
        assert_eq!(stats.lost + stats.late + stats.discarded, 0);
        assert_eq!(stats.received, sent.len() as u64);
        // All of it, once, in one piece: the concealment is that after the end.
        assert!(
            stats.concealed_ms <= 260,
            "{phase_us}: {}",
            stats.concealed_ms
        );
        assert_eq!(stats.stretched, 0, "{phase_us}");
        assert!(stats.delay_ms <= 22, "{phase_us}: {}", stats.delay_ms);
    }
}

#[test]
fn jitter_is_borne_with_about_as_much_delay_as_it_needs() {
    let sent = packets(voice_config(pcmu()), &voice(8_000, 120_000), 0.0);
    for (jitter_ms, most_delay_ms) in [(5, 32), (20, 50), (40, 75), (80, 120)] {
        let mut chance = Chance::new(jitter_ms);
        let heard = hear(receiver(), 8_000, &sent, 7_000, |_, arrive| {
            arrive(20_000 + (chance.part() * jitter_ms as f64 * 1_000.0) as u64);
        });
        let stats = heard.receiver.stats();
        assert!(
            u64::from(stats.delay_ms) <= most_delay_ms,
            "{jitter_ms}: {stats:?}"
        );
        assert!(
            worst_minute(&heard) <= 400,
            "{jitter_ms}: {} {stats:?}",
            worst_minute(&heard)
        );
    }
}

#[test]
fn an_hour_of_drift_makes_no_gap_more_often_than_once_a_minute() {
    for ppm in [-200.0, 200.0, -50.0] {
        let sent = packets(voice_config(pcmu()), &voice(8_000, 3_600_000), ppm);
        let mut chance = Chance::new(3);
        let heard = hear(receiver(), 8_000, &sent, 11_000, |_, arrive| {
            arrive(10_000 + u64::from(chance.next() % 1_500));
        });
        let stats = heard.receiver.stats();
        assert!(
            (f64::from(stats.drift_ppm) - ppm).abs() < 15.0,
            "{ppm}: {stats:?}"
        );
        assert!(stats.delay_ms <= 45, "{ppm}: {stats:?}");
        let gaps = heard
            .concealed_ms
            .windows(2)
            .filter(|pair| pair[1] > pair[0])
            .count();
        assert!(gaps <= 40, "{ppm}: {gaps} {stats:?}");
        assert!(sharpest_bend(&heard.sound) < 1.8 * sharpest_bend(&voice(8_000, 60_000)) + 300.0);
    }
}

#[test]
fn a_spike_of_delay_loses_no_speech_and_the_delay_comes_down_again() {
    let sent = packets(voice_config(pcmu()), &voice(8_000, 40_000), 0.0);
    let heard = hear(receiver(), 8_000, &sent, 7_000, |packet, arrive| {
        // What is sent in a second of a fifth of a second comes at its end.
        let spike_us = 4_000_000..4_200_000;
        arrive(
            10_000
                + if spike_us.contains(&packet.sent_us) {
                    spike_us.end - packet.sent_us
                } else {
                    0
                },
        );
    });
    let stats = heard.receiver.stats();
    assert_eq!((stats.lost, stats.late, stats.discarded), (0, 0, 0));
    assert!(stats.stretched >= 10, "{stats:?}");
    assert!(stats.delay_ms < 75, "{stats:?}");
}

#[test]
fn twice_and_out_of_order_is_heard_once_and_in_order() {
    let sound = voice(8_000, 10_000);
    let sent = packets(voice_config(pcmu()), &sound, 0.0);
    let mut chance = Chance::new(5);
    let heard = hear(receiver(), 8_000, &sent, 7_000, |_, arrive| {
        let delay_us = 10_000 + u64::from(chance.next() % 45_000);
        arrive(delay_us);
        arrive(delay_us + u64::from(chance.next() % 100_000));
    });
    let stats = heard.receiver.stats();
    assert_eq!(stats.received, sent.len() as u64);
    assert_eq!(stats.lost, 0);
    assert_eq!(stats.discarded, sent.len() as u64);
}

#[test]
fn a_new_stream_and_a_jump_of_the_timestamp_go_on_without_a_click() {
    let mut sound = voice(8_000, 6_000);
    let bend = 1.8 * sharpest_bend(&sound) + 300.0;
    // What each stream says begins in the middle of a wave.
    for sample in &mut sound[16_000..32_000] {
        *sample = 6_000 - *sample;
    }
    assert!(sharpest_bend(&sound) > 2.0 * bend, "nothing would click");
    let mut sent = packets(voice_config(pcmu()), &sound, 0.0);
    for packet in &mut sent[100..] {
        packet.ssrc = 99;
        packet.sequence = packet.sequence.wrapping_add(12_345);
    }
    for (index, packet) in sent[100..].iter_mut().enumerate() {
        packet.timestamp = 5_000 + index as u32 * 160;
    }
    for packet in &mut sent[200..] {
        packet.timestamp = packet.timestamp.wrapping_add(0x8000_1234);
    }
    let heard = hear(receiver(), 8_000, &sent, 7_000, |_, arrive| arrive(10_000));
    let stats = heard.receiver.stats();
    assert_eq!((stats.lost, stats.late, stats.discarded), (0, 0, 0));
    assert!(stats.concealed_ms <= 320, "{stats:?}");
    assert!(sharpest_bend(&heard.sound) < bend);
}

#[test]
fn a_change_of_packet_length_and_of_payload_type_in_mid_stream_is_heard_through() {
    let sound = voice(8_000, 6_000);
    let (mut all, mut timestamp) = (Vec::new(), 0_u32);
    for (part, (kind, ms)) in [
        (CodecKind::Pcmu, 20),
        (CodecKind::Pcma, 30),
        (CodecKind::Pcmu, 60),
        (CodecKind::Pcma, 10),
    ]
    .into_iter()
    .enumerate()
    {
        let config = sealtone_codec::TransmitterConfig {
            payload_type: if kind == CodecKind::Pcmu { 0 } else { 8 },
            spec: CodecSpec {
                packet_ms: ms,
                ..spec(kind)
            },
            ..voice_config(pcmu())
        };
        let from = part * 12_000;
        for mut packet in packets(config, &sound[from..from + 12_000], 0.0) {
            packet.timestamp = timestamp;
            timestamp += packet.payload.len() as u32;
            packet.sequence = all.len() as u16;
            packet.sent_us += part as u64 * 1_500_000;
            all.push(packet);
        }
    }
    let mut config = receiver_config(pcmu(), 8_000);
    config.formats.push((8, spec(CodecKind::Pcma)));
    let heard = hear(Receiver::new(config), 8_000, &all, 7_000, |_, arrive| {
        arrive(10_000)
    });
    let stats = heard.receiver.stats();
    assert_eq!((stats.lost, stats.late, stats.discarded), (0, 0, 0));
    assert!(stats.concealed_ms <= 500, "{stats:?}");
    assert!(sharpest_bend(&heard.sound) < 1.8 * sharpest_bend(&sound) + 300.0);
}

#[test]
fn silence_that_is_not_sent_is_no_loss_and_sounds_like_the_room() {
    let mut sound = voice(8_000, 3_000);
    sound.resize(sound.len() + 32_000, 0);
    sound.extend(voice(8_000, 3_000));
    let mut chance = Chance::new(8);
    for sample in &mut sound {
        *sample += (chance.next() % 160) as i16 - 80;
    }
    let config = sealtone_codec::TransmitterConfig {
        spec: CodecSpec {
            dtx: true,
            ..pcmu()
        },
        ..voice_config(pcmu())
    };
    let sent = packets(config, &sound, 0.0);
    assert!(sent.len() < 390, "{}", sent.len());
    assert!(sent.iter().any(|packet| packet.payload_type == 13));
    assert!(sent.iter().skip(1).any(|packet| packet.marker));
    let heard = hear(receiver(), 8_000, &sent, 7_000, |_, arrive| arrive(10_000));
    let stats = heard.receiver.stats();
    assert_eq!((stats.lost, stats.late, stats.discarded), (0, 0, 0));
    assert!(stats.concealed_ms <= 300, "{stats:?}");
    let room = &heard.sound[5 * 8_000..6 * 8_000];
    let power: f64 = room
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum::<f64>()
        / 8_000.0;
    assert!((20.0..120.0).contains(&power.sqrt()), "{}", power.sqrt());
    assert!(sharpest_bend(&heard.sound) < 1.8 * sharpest_bend(&sound) + 300.0);
}

#[test]
fn nobody_taking_sound_for_a_while_leaves_no_delay_behind() {
    let sent = packets(voice_config(pcmu()), &voice(8_000, 20_000), 0.0);
    let mut receiver = receiver();
    let mut sound = Vec::new();
    for packet in &sent {
        receiver.push(&arrival(packet, packet.sent_us));
        let held = (5_000_000..9_000_000).contains(&packet.sent_us);
        if !held {
            receiver.pull(160, &mut sound, packet.sent_us + 3_000);
        }
    }
    let mean_before = receiver.stats().delay_ms;
    assert!(mean_before < 60, "{mean_before}");
}

#[test]
fn lost_packets_are_concealed_and_counted() {
    let sound = voice(8_000, 30_000);
    let sent = packets(voice_config(pcmu()), &sound, 0.0);
    let mut chance = Chance::new(21);
    let mut lost = 0;
    let heard = hear(receiver(), 8_000, &sent, 7_000, |packet, arrive| {
        if packet.sent_us > 1_100_000 && packet.sent_us < 30_000_000 && chance.part() < 0.1 {
            lost += 1;
        } else {
            arrive(10_000);
        }
    });
    let stats = heard.receiver.stats();
    assert_eq!(stats.lost, lost);
    assert!(
        stats.concealed_ms >= lost * 20 && stats.concealed_ms <= lost * 20 + 280,
        "{stats:?}"
    );
    assert!(stats.delay_ms < 30);
    assert!(sharpest_bend(&heard.sound) < 1.8 * sharpest_bend(&sound) + 400.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// `hear` checks that each block has exactly the samples asked for.
    #[test]
    fn whatever_the_network_does_there_is_sound_and_no_unbounded_delay(
        seed in any::<u64>(),
        loss in 0.0_f64..0.5,
        jitter_us in 0_u32..150_000,
        rate in prop::sample::select(vec![8_000_u32, 12_000, 16_000, 24_000, 48_000]),
        ppm in -200.0_f64..200.0,
    ) {
        let sent = packets(voice_config(pcmu()), &voice(8_000, 8_000), ppm);
        let mut chance = Chance::new(seed);
        let receiver = Receiver::new(receiver_config(pcmu(), rate));
        let heard = hear(receiver, rate, &sent, u64::from(chance.next() % 20_000), |_, arrive| {
            if chance.part() >= loss {
                let spike = if chance.part() < 0.002 { 300_000 } else { 0 };
                arrive(u64::from(chance.next() % (jitter_us + 1)) + spike);
            }
            if chance.part() < 0.02 {
                arrive(u64::from(chance.next() % 2_000_000));
            }
        });
        prop_assert!(heard.receiver.stats().delay_ms < 700, "{:?}", heard.receiver.stats());
    }

    #[test]
    fn nothing_the_wire_sends_upsets_it(
        wire in prop::collection::vec(
            (any::<u16>(), any::<u32>(), 0_u8..20, any::<bool>(), 0_u32..3, 0_u64..50_000, 0_usize..2_000), 1..400),
        gentle in any::<bool>(),
    ) {
        let config = ReceiverConfig { detect_tones: true, ..receiver_config(pcmu(), 16_000) };
        let mut receiver = Receiver::new(config);
        let (mut now_us, mut sound) = (0, Vec::new());
        let bytes = vec![0x55_u8; 2_000];
        for (index, (sequence, timestamp, payload_type, marker, ssrc, later_us, length)) in wire.into_iter().enumerate() {
            now_us += later_us;
            let sequence = if gentle { (index as u16).wrapping_add(sequence % 5) } else { sequence };
            let timestamp = if gentle { (index as u32 * 160).wrapping_add(timestamp % 1_000) } else { timestamp };
            receiver.push(&sealtone_codec::Arrival {
                sequence, timestamp, payload_type: payload_type % 14, marker,
                ssrc: if gentle { 1 } else { ssrc }, at_us: now_us, payload: &bytes[..length],
            });
            sound.clear();
            receiver.pull(length, &mut sound, now_us);
            prop_assert_eq!(sound.len(), length);
        }
    }
}

#[test]
fn what_was_decoded_ahead_with_other_streams_is_heard_as_if_it_had_not_been() {
    let g722 = spec(CodecKind::G722);
    let sent = packets(voice_config(g722), &voice(16_000, 20_000), 0.0);
    let mut chance = Chance::new(5);
    let wires: Vec<Vec<_>> = (0..20_u32)
        .map(|stream| {
            let mut wire = Vec::new();
            for packet in &sent {
                if chance.part() >= f64::from(stream % 4) * 0.03 {
                    let jitter_us = chance.next() % (1 + stream / 4 * 15_000);
                    wire.push((packet.sent_us + u64::from(jitter_us), packet));
                }
            }
            wire.sort_by_key(|&(at_us, _)| at_us);
            wire
        })
        .collect();
    let receivers = || -> Vec<Receiver> {
        let made = wires.iter();
        made.map(|_| Receiver::new(receiver_config(g722, 8_000)))
            .collect()
    };
    let (mut together, mut alone) = (receivers(), receivers());
    let (mut next, mut ahead) = (vec![0; wires.len()], 0);
    for now_us in (1_000_000..21_000_000).step_by(20_000) {
        for (stream, wire) in wires.iter().enumerate() {
            while let Some((at_us, packet)) = wire.get(next[stream])
                && *at_us <= now_us
            {
                together[stream].push(&arrival(packet, *at_us));
                alone[stream].push(&arrival(packet, *at_us));
                next[stream] += 1;
            }
        }
        // Now and then nobody takes any sound, and what is old is given up.
        if now_us % 7_000_000 < 600_000 {
            continue;
        }
        let able = together
            .iter_mut()
            .filter_map(|one| one.can_be_ahead(160, now_us).then_some(one));
        let mut able: Vec<_> = able.collect();
        ahead += able.len();
        Receiver::decode_together(&mut able);
        for (together, alone) in together.iter_mut().zip(&mut alone) {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            together.pull(160, &mut one, now_us);
            alone.pull(160, &mut other, now_us);
            assert_eq!(one, other);
            assert_eq!(together.stats(), alone.stats());
        }
    }
    assert!(ahead > 20 * 600, "{ahead} packets were decoded ahead");
}

#[test]
fn g722_goes_on_without_a_click_where_its_sound_is_wanted_at_another_rate() {
    let at_rate = |sample_rate| {
        let spec = CodecSpec {
            sample_rate,
            ..spec(CodecKind::G722)
        };
        receiver_config(spec, sample_rate)
    };
    let sent = packets(
        voice_config(spec(CodecKind::G722)),
        &voice(16_000, 4_000),
        0.0,
    );
    let steady = {
        let receiver = Receiver::new(at_rate(8_000));
        sharpest_bend(&hear(receiver, 8_000, &sent, 7_000, |_, arrive| arrive(0)).sound)
    };
    let mut receiver = Receiver::new(at_rate(8_000));
    let mut heard = Vec::new();
    for (number, packet) in sent.iter().enumerate() {
        let rate = if number / 20 % 2 == 0 { 8_000 } else { 16_000 };
        if number % 20 == 0 {
            receiver.reconfigure(at_rate(rate));
        }
        let now_us = packet.sent_us + 7_000;
        receiver.push(&arrival(packet, packet.sent_us));
        let from = heard.len();
        receiver.pull(rate as usize / 50, &mut heard, now_us);
        if rate == 16_000 {
            let half: Vec<i16> = heard[from..].iter().copied().step_by(2).collect();
            heard.truncate(from);
            heard.extend(half);
        }
    }
    let stats = receiver.stats();
    assert_eq!((stats.lost, stats.discarded), (0, 0));
    let sharpest = sharpest_bend(&heard);
    assert!(
        sharpest < 1.6 * steady,
        "{sharpest} where {steady} is usual"
    );
}

#[test]
fn opus_goes_on_without_a_gap_where_its_sound_is_wanted_at_another_rate() {
    let at_rate = |sample_rate| {
        let spec = CodecSpec {
            sample_rate,
            ..CodecSpec::new(CodecKind::Opus, 48_000)
        };
        receiver_config(spec, sample_rate)
    };
    let sent = packets(
        voice_config(CodecSpec::new(CodecKind::Opus, 48_000)),
        &voice(48_000, 4_000),
        0.0,
    );
    let sounds: Vec<Vec<i16>> = [false, true]
        .into_iter()
        .map(|changes| {
            let mut receiver = Receiver::new(at_rate(8_000));
            let mut heard = Vec::new();
            for (number, packet) in sent.iter().enumerate() {
                let rate = if changes && number / 20 % 2 == 1 {
                    16_000
                } else {
                    8_000
                };
                receiver.push(&arrival(packet, packet.sent_us));
                // The packet waits already.
                if number % 20 == 0 {
                    receiver.reconfigure(at_rate(rate));
                }
                let mut block = Vec::new();
                receiver.pull(rate as usize / 50, &mut block, packet.sent_us + 7_000);
                heard.extend(block.into_iter().step_by(rate as usize / 8_000));
            }
            let stats = receiver.stats();
            assert_eq!(
                (stats.lost, stats.discarded, stats.concealed_ms),
                (0, 0, 0),
                "{stats:?}"
            );
            heard
        })
        .collect();
    let loud = |sound: &[i16]| {
        let power = sound.iter().map(|&sample| f64::from(sample).powi(2));
        power.sum::<f64>().sqrt()
    };
    let mut compared = 0;
    for (number, (steady, heard)) in sounds[0].chunks(160).zip(sounds[1].chunks(160)).enumerate() {
        if number < 20 || number % 20 > 5 || loud(steady) < 1_000.0 {
            continue;
        }
        compared += 1;
        let share = loud(heard) / loud(steady);
        assert!((0.85..1.35).contains(&share), "{number}: {share} as loud");
        // But for the first, in which one passes into the other.
        let others = steady.iter().zip(heard).map(|(one, other)| one - other);
        let differs = loud(&others.collect::<Vec<i16>>()) / loud(steady);
        assert!(number % 20 == 0 || differs < 0.06, "{number}: {differs}");
    }
    assert!(compared > 15, "{compared}");
}
