//! Reception of every codec that is here, under simulated time.

mod network;

use network::{Chance, Sent, hear, packets, receiver_config, sharpest_bend, voice, voice_config};
use sealtone_codec::{
    CodecKind, CodecSpec, Receiver, ReceiverConfig, TransmitterConfig, load, open,
};

/// One spec of each codec and band whose library is here.
fn specs() -> Vec<CodecSpec> {
    load();
    let mut all = Vec::new();
    for kind in CodecKind::ALL {
        let clocks: &[u32] = match kind {
            CodecKind::Opus => &[48_000],
            CodecKind::Silk => &[8_000, 12_000, 16_000, 24_000],
            CodecKind::Speex => &[8_000, 16_000, 32_000],
            CodecKind::ComfortNoise | CodecKind::TelephoneEvent => &[],
            _ => &[8_000],
        };
        all.extend(clocks.iter().map(|&clock| CodecSpec::new(kind, clock)));
    }
    all.push(CodecSpec {
        sample_rate: 8_000,
        ..CodecSpec::new(CodecKind::Opus, 48_000)
    });
    all.push(CodecSpec {
        packet_ms: 40,
        frame_ms: 20,
        ..CodecSpec::new(CodecKind::Ilbc, 8_000)
    });
    all.retain(|spec| open(spec).is_ok());
    assert!(all.len() > 6, "hardly any codec is here");
    all
}

fn room(rate: u32, ms: usize) -> Vec<i16> {
    let mut chance = Chance::new(8);
    (0..rate as usize * ms / 1_000)
        .map(|_| (chance.next() % 160) as i16 - 80)
        .collect()
}

fn loudness(sound: &[i16]) -> f64 {
    let power: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (power / sound.len() as f64).sqrt()
}

/// Packets in two streams after each other, as one phone sends them that changes its codec.
fn one_after_another(first: &CodecSpec, second: &CodecSpec, ms: usize) -> Vec<Sent> {
    let mut all = packets(voice_config(*first), &voice(first.sample_rate, ms), 0.0);
    let (count, end_us) = (all.len() as u16, all.last().unwrap().sent_us);
    let next = TransmitterConfig {
        payload_type: 1,
        ..voice_config(*second)
    };
    for mut packet in packets(next, &voice(second.sample_rate, ms), 0.0) {
        packet.sequence = packet.sequence.wrapping_add(count);
        packet.sent_us += end_us - 1_000_000;
        all.push(packet);
    }
    all
}

#[test]
fn a_quiet_network_costs_no_codec_anything() {
    for spec in specs() {
        let sent = packets(voice_config(spec), &voice(spec.sample_rate, 6_000), 0.0);
        for rate in [8_000, 16_000, 48_000] {
            let receiver = Receiver::new(receiver_config(spec, rate));
            let heard = hear(receiver, rate, &sent, 7_000, |_, arrive| arrive(10_000));
            let stats = heard.receiver.stats();
            assert_eq!(
                stats.lost + stats.late + stats.discarded,
                0,
                "{spec:?} {stats:?}"
            );
            assert!(stats.concealed_ms <= 300, "{spec:?} {stats:?}");
            assert!(stats.stretched <= 1, "{spec:?} {stats:?}");
            assert!(
                stats.delay_ms <= 22 + u32::from(spec.packet_ms),
                "{spec:?} {stats:?}"
            );
            assert!(loudness(&heard.sound) > 500.0, "{spec:?}");
        }
    }
}

#[test]
fn on_a_bad_network_every_codec_gives_sound_and_keeps_its_delay_bounded() {
    for (seed, spec) in specs().into_iter().enumerate() {
        let sent = packets(voice_config(spec), &voice(spec.sample_rate, 20_000), 150.0);
        for (loss, jitter_us) in [(0.05, 10_000), (0.2, 60_000), (0.5, 120_000)] {
            let mut chance = Chance::new(seed as u64 + 1);
            let receiver = Receiver::new(receiver_config(spec, 16_000));
            let heard = hear(receiver, 16_000, &sent, 3_000, |_, arrive| {
                if chance.part() >= loss {
                    arrive(10_000 + u64::from(chance.next() % jitter_us));
                }
                if chance.part() < 0.01 {
                    arrive(u64::from(chance.next() % 400_000));
                }
            });
            let stats = heard.receiver.stats();
            let most = jitter_us / 1_000 + 150;
            assert!(stats.delay_ms < most, "{spec:?} {loss} {stats:?}");
            assert!(stats.received > 0, "{spec:?}");
        }
    }
}

#[test]
fn a_change_of_codec_in_mid_stream_makes_no_click() {
    let all = specs();
    for first in &all {
        let second = &all[(all.iter().position(|spec| spec == first).unwrap() + 3) % all.len()];
        for rate in [8_000, 16_000] {
            let config = ReceiverConfig {
                formats: vec![(0, *first), (1, *second)],
                sample_rate: rate,
                detect_tones: false,
            };
            let sent = one_after_another(first, second, 1_520);
            let heard = hear(Receiver::new(config), rate, &sent, 7_000, |_, arrive| {
                arrive(10_000)
            });
            let stats = heard.receiver.stats();
            assert_eq!(
                stats.lost + stats.discarded,
                0,
                "{first:?} {second:?} {stats:?}"
            );
            let alone = [first, second].map(|spec| {
                let sent = packets(voice_config(*spec), &voice(spec.sample_rate, 1_500), 0.0);
                let receiver = Receiver::new(receiver_config(*spec, rate));
                hear(receiver, rate, &sent, 7_000, |_, arrive| arrive(10_000)).sound
            });
            let usual = alone
                .iter()
                .map(|sound| sharpest_bend(sound))
                .fold(0.0, f32::max);
            let bend = sharpest_bend(&heard.sound);
            assert!(
                bend < 1.5 * usual + 300.0,
                "{first:?} {second:?} {rate}: {bend} {usual}"
            );
        }
    }
}

#[test]
fn what_was_lost_is_found_in_the_next_packet_where_that_has_it() {
    for spec in specs() {
        if !matches!(spec.kind, CodecKind::Opus | CodecKind::Silk) || spec.sample_rate > 16_000 {
            continue;
        }
        let spec = CodecSpec {
            fec: true,
            bitrate: 32_000,
            ..spec
        };
        let config = voice_config(spec);
        let mut transmitter = sealtone_codec::Transmitter::new(config).unwrap();
        transmitter.expect_loss(15);
        let mut sent = Vec::new();
        for (index, block) in voice(spec.sample_rate, 20_000)
            .chunks_exact(spec.packet_samples())
            .enumerate()
        {
            transmitter.push(block);
            while let Some(outgoing) = transmitter.take() {
                let sequence = sent.len() as u16;
                sent.push(network::sent(
                    &outgoing,
                    sequence,
                    1_020_000 + index as u64 * 20_000,
                ));
            }
        }
        let mut lost = 0_u64;
        let receiver = Receiver::new(receiver_config(spec, spec.sample_rate));
        let heard = hear(
            receiver,
            spec.sample_rate,
            &sent,
            7_000,
            |packet, arrive| {
                // One in ten, from the third second on.
                if packet.sent_us > 3_000_000 && packet.sequence % 10 == 0 {
                    lost += 1;
                } else {
                    arrive(10_000);
                }
            },
        );
        let stats = heard.receiver.stats();
        assert_eq!(stats.lost, lost, "{spec:?}");
        // In pauses there is none.
        assert!(stats.fec_used * 2 > lost, "{spec:?} of {lost}: {stats:?}");
        assert!(stats.delay_ms <= 45, "{spec:?} {stats:?}");
    }
}

#[test]
fn without_losses_nothing_is_waited_for_on_account_of_redundancy() {
    load();
    let spec = CodecSpec {
        fec: true,
        ..CodecSpec::new(CodecKind::Silk, 16_000)
    };
    let sent = packets(voice_config(spec), &voice(16_000, 6_000), 0.0);
    let receiver = Receiver::new(receiver_config(spec, 16_000));
    let heard = hear(receiver, 16_000, &sent, 7_000, |_, arrive| arrive(10_000));
    assert!(heard.receiver.stats().delay_ms <= 20);
}

#[test]
fn a_codecs_own_silence_is_no_loss_and_is_filled_with_its_noise() {
    for spec in specs() {
        let spec = CodecSpec { dtx: true, ..spec };
        let by_itself = matches!(
            spec.kind,
            CodecKind::Opus | CodecKind::G729 | CodecKind::Speex | CodecKind::Silk
        );
        if !by_itself {
            continue;
        }
        let rate = spec.sample_rate;
        let mut sound = voice(rate, 3_000);
        sound.extend(vec![0; rate as usize * 5]);
        sound.extend(voice(rate, 3_000));
        for (sample, noise) in sound.iter_mut().zip(room(rate, 11_000)) {
            *sample += noise;
        }
        let sent = packets(voice_config(spec), &sound, 0.0);
        let receiver = Receiver::new(receiver_config(spec, rate));
        let heard = hear(receiver, rate, &sent, 7_000, |_, arrive| arrive(10_000));
        let stats = heard.receiver.stats();
        assert_eq!(
            stats.lost + stats.late + stats.discarded,
            0,
            "{spec:?} {stats:?}"
        );
        let quiet = loudness(&heard.sound[rate as usize * 6..rate as usize * 7]);
        assert!(quiet < 120.0, "{spec:?} {quiet}");
        // The speech after it is there, and not later than that before.
        let again = &heard.sound[rate as usize * 8..rate as usize * 11];
        let before = &heard.sound[..rate as usize * 3];
        let ratio = loudness(again) / loudness(before);
        assert!((0.8..1.25).contains(&ratio), "{spec:?} {ratio}");
        assert!(stats.delay_ms <= 45, "{spec:?} {stats:?}");
    }
}

#[test]
fn what_is_given_out_may_change_its_rate_in_mid_call() {
    let spec = CodecSpec::new(CodecKind::Pcmu, 8_000);
    let sent = packets(voice_config(spec), &voice(8_000, 2_000), 0.0);
    let mut receiver = Receiver::new(receiver_config(spec, 8_000));
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for (index, packet) in sent.iter().enumerate() {
        receiver.push(&network::arrival(packet, packet.sent_us));
        if index == 50 {
            receiver.reconfigure(receiver_config(spec, 16_000));
        }
        if index < 50 {
            receiver.pull(160, &mut low, packet.sent_us + 3_000);
        } else {
            receiver.pull(320, &mut high, packet.sent_us + 3_000);
        }
    }
    assert_eq!((low.len(), high.len()), (8_000, 16_000));
    assert!(sharpest_bend(&high) < 1.5 * sharpest_bend(&voice(16_000, 2_000)) + 200.0);
    assert_eq!(receiver.stats().lost, 0);
    assert_eq!(receiver.stats().concealed_ms, 0);
}

#[test]
fn what_a_decoder_refuses_is_concealed_and_counted() {
    for spec in specs() {
        let mut sent = packets(voice_config(spec), &voice(spec.sample_rate, 3_000), 0.0);
        for packet in sent.iter_mut().skip(20).step_by(10) {
            packet.payload = vec![0xff; 3];
        }
        let receiver = Receiver::new(receiver_config(spec, 8_000));
        let heard = hear(receiver, 8_000, &sent, 7_000, |_, arrive| arrive(10_000));
        assert_eq!(heard.receiver.stats().lost, 0, "{spec:?}");
    }
}
