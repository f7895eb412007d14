//! Sending, and digits from end to end.

mod network;

use network::{Chance, hear, packets, receiver_config, sharpest_bend, spec, voice, voice_config};
use proptest::prelude::*;
use sealtone_codec::event::digit_of;
use sealtone_codec::{
    CodecKind, CodecSpec, Outgoing, Receiver, ReceiverConfig, Transmitter, TransmitterConfig,
};
use sealtone_codec_protocol::EventReader;

fn pcmu() -> CodecSpec {
    spec(CodecKind::Pcmu)
}

fn transmitter() -> Transmitter {
    Transmitter::new(voice_config(pcmu())).unwrap()
}

fn all(transmitter: &mut Transmitter) -> Vec<Outgoing> {
    std::iter::from_fn(|| transmitter.take()).collect()
}

#[test]
fn the_timestamp_goes_on_by_the_sound_that_is_pushed_in_pieces_of_any_length() {
    let mut transmitter = transmitter();
    for length in [1, 159, 160, 320, 7, 153] {
        transmitter.push(&vec![100; length]);
    }
    let packets = all(&mut transmitter);
    let timestamps: Vec<u32> = packets.iter().map(|packet| packet.timestamp).collect();
    assert_eq!(timestamps, [0, 160, 320, 480, 640]);
    assert!(packets.iter().all(|packet| packet.payload.len() == 160));
    let markers: Vec<bool> = packets.iter().map(|packet| packet.marker).collect();
    assert_eq!(markers, [true, false, false, false, false]);
}

#[test]
fn a_digit_is_sent_in_place_of_the_voice_with_one_timestamp_and_three_ends() {
    let mut transmitter = transmitter();
    transmitter.push(&voice(8_000, 100));
    assert_eq!(all(&mut transmitter).len(), 5);
    transmitter.send_digit('7', 90);
    transmitter.push(&voice(8_000, 200));
    let packets = all(&mut transmitter);
    let events: Vec<_> = packets
        .iter()
        .filter(|packet| packet.payload_type == 101)
        .collect();
    assert_eq!(events.len(), 7);
    assert!(
        events
            .iter()
            .all(|event| event.timestamp == 800 && event.payload[0] == 7)
    );
    let durations: Vec<u16> = events
        .iter()
        .map(|event| u16::from_be_bytes([event.payload[2], event.payload[3]]))
        .collect();
    assert_eq!(durations, [160, 320, 480, 640, 720, 720, 720]);
    let ends = events.iter().map(|event| event.payload[1] >> 7);
    assert!(ends.eq([0, 0, 0, 0, 1, 1, 1]));
    assert!(events.iter().all(|event| event.payload[1] & 0x3f == 10));
    let markers = events.iter().map(|event| event.marker);
    assert!(markers.eq([true, false, false, false, false, false, false]));
    // The voice goes on where it would be without the digit, as a new talk spurt.
    let voice_again = &packets[7..];
    assert_eq!(voice_again.len(), 3);
    assert_eq!(voice_again[0].timestamp, 800 + 7 * 160);
    assert!(voice_again[0].marker);
    assert!(!voice_again[1].marker);
}

#[test]
fn a_voice_that_begins_within_a_packet_of_g729_is_stamped_where_it_begins() {
    let mut cut = 0;
    for lead in [8_000, 8_080] {
        let mut transmitter = Transmitter::new(voice_config(CodecSpec {
            dtx: true,
            ..spec(CodecKind::G729)
        }))
        .unwrap();
        transmitter.push(&vec![0; lead]);
        transmitter.push(&voice(8_000, 400));
        for packet in all(&mut transmitter) {
            let frames = (packet.payload.len() as u32).div_ceil(10);
            if packet.payload.len() % 10 == 0 {
                let end = packet.timestamp + 80 * frames;
                assert_eq!(end % 160, 0, "a packet's voice lasts to its end");
                cut += u32::from(frames == 1);
            }
        }
    }
    assert!(cut > 0, "one of the two begins on an odd frame");
}

/// Pushes ten seconds of what is taken for noise: a quiet, steady, high tone, for Speex noise itself; says how many
/// packets of it were voice.
fn send_steady_sound(transmitter: &mut Transmitter) -> usize {
    let spec = transmitter.config().spec;
    let step = std::f32::consts::TAU * 2_800.0 / spec.sample_rate as f32;
    let mut seed = 1_u32;
    let sound: Vec<i16> = (0..spec.sample_rate * 10)
        .map(|n| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match spec.kind {
                CodecKind::Speex => (seed >> 16) as i16 / 100,
                _ => ((n as f32 * step).sin() * 300.0) as i16,
            }
        })
        .collect();
    // Fewer octets describe noise.
    let least = match spec.kind {
        CodecKind::G729 | CodecKind::Speex => 20,
        _ => 3,
    };
    let mut voice = 0;
    for packet in sound.chunks(spec.packet_samples()) {
        transmitter.push(packet);
        let sent = all(transmitter);
        voice += sent.iter().filter(|one| one.payload.len() >= least).count();
    }
    voice
}

#[test]
fn nothing_of_a_sound_of_our_own_is_taken_for_silence() {
    sealtone_codec::load();
    let opus = CodecSpec {
        sample_rate: 8_000,
        ..CodecSpec::new(CodecKind::Opus, 48_000)
    };
    let (g729, silk, speex) = (CodecKind::G729, CodecKind::Silk, CodecKind::Speex);
    for spec in [spec(g729), opus, spec(silk), spec(speex)] {
        let config = TransmitterConfig {
            comfort_noise: None,
            ..voice_config(CodecSpec { dtx: true, ..spec })
        };
        let mut phones = Transmitter::new(config.clone()).unwrap();
        assert!(send_steady_sound(&mut phones) < 250, "{:?}", spec.kind);
        let mut ours = Transmitter::new(config).unwrap();
        let second = vec![0; spec.sample_rate as usize];
        for _ in 0..2 {
            ours.plays(true);
            assert_eq!(send_steady_sound(&mut ours), 500, "{:?}", spec.kind);
            // Silence is left out again once nothing is played, and what is played after it is whole.
            ours.plays(false);
            for _ in 0..4 {
                ours.push(&second);
                if all(&mut ours).len() < 10 {
                    break;
                }
            }
            ours.push(&second);
            assert!(all(&mut ours).len() < 10, "{:?}", spec.kind);
        }
    }
}

#[test]
fn a_sound_of_our_own_is_whole_where_it_ends_within_a_packet_and_so_are_the_tones_of_a_key() {
    let config = TransmitterConfig {
        telephone_event: None,
        ..voice_config(CodecSpec {
            dtx: true,
            packet_ms: 40,
            ..spec(CodecKind::G729)
        })
    };
    let mut transmitter = Transmitter::new(config).unwrap();
    transmitter.push(&vec![0; 16_000]);
    assert!(all(&mut transmitter).len() < 10);
    // Much too quiet for a voice: 20 ms of it, and 20 ms of nothing.
    transmitter.plays(true);
    transmitter.push(&[2; 160]);
    transmitter.plays(false);
    transmitter.push(&[0; 160]);
    let packets = all(&mut transmitter);
    assert_eq!(packets.len(), 1);
    assert_eq!(packets[0].payload.len(), 40);
    transmitter.push(&vec![0; 16_000]);
    all(&mut transmitter);
    transmitter.send_digit('5', 400);
    transmitter.push(&[0; 3_200]);
    let packets = all(&mut transmitter);
    assert_eq!(packets.len(), 10);
    assert!(packets.iter().all(|packet| packet.payload.len() == 40));
}

#[test]
fn a_long_digit_on_a_fast_clock_is_sent_in_segments_and_is_one() {
    let mut transmitter = Transmitter::new(TransmitterConfig {
        telephone_event: Some((101, 48_000)),
        spec: CodecSpec {
            clock_rate: 48_000,
            ..pcmu()
        },
        ..voice_config(pcmu())
    })
    .unwrap();
    transmitter.send_digit('#', 3_000);
    let mut reader = EventReader::default();
    let mut presses = Vec::new();
    for _ in 0..160 {
        transmitter.push(&[0; 160]);
        for packet in all(&mut transmitter) {
            if packet.payload_type == 101 {
                let ended = reader.take(1, packet.timestamp, 48_000, &packet.payload, 0);
                presses.extend(ended.into_iter().flatten());
            }
        }
    }
    let digits: Vec<_> = presses
        .iter()
        .map(|press| (digit_of(press.code), press.duration_ms))
        .collect();
    assert_eq!(digits, [(Some('#'), 3_000)]);
}

#[test]
fn a_digit_that_was_begun_ends_in_its_time_though_events_are_agreed_on_no_more() {
    let mut transmitter = transmitter();
    transmitter.send_digit('5', 100);
    transmitter.push(&[0; 160]);
    transmitter
        .reconfigure(TransmitterConfig {
            telephone_event: None,
            ..voice_config(pcmu())
        })
        .unwrap();
    transmitter.push(&[0; 10 * 160]);
    let types: Vec<u8> = all(&mut transmitter)
        .iter()
        .map(|packet| packet.payload_type)
        .collect();
    assert_eq!(types, [101, 101, 101, 101, 101, 101, 101, 0, 0, 0, 0]);
}

#[test]
fn digits_are_sent_as_tones_where_no_events_are_known_and_found_again() {
    let config = TransmitterConfig {
        telephone_event: None,
        ..voice_config(pcmu())
    };
    let mut transmitter = Transmitter::new(config).unwrap();
    for digit in "159D*0".chars() {
        transmitter.send_digit(digit, 80);
    }
    let (mut sent, mut sound) = (Vec::new(), Vec::new());
    for (index, block) in voice(8_000, 3_000).chunks(160).enumerate() {
        transmitter.push(block);
        for packet in all(&mut transmitter) {
            let sequence = sent.len() as u16;
            sent.push(network::sent(
                &packet,
                sequence,
                1_000_000 + index as u64 * 20_000,
            ));
        }
        sound.extend_from_slice(block);
    }
    let config = ReceiverConfig {
        detect_tones: true,
        ..receiver_config(pcmu(), 8_000)
    };
    let mut heard = hear(Receiver::new(config), 8_000, &sent, 7_000, |_, arrive| {
        arrive(10_000)
    });
    let digits: String = heard
        .receiver
        .digits()
        .iter()
        .map(|digit| digit.digit)
        .collect();
    assert_eq!(digits, "159D*0");
}

#[test]
fn the_voice_after_a_long_digit_is_not_taken_for_late() {
    for clock_rate in [8_000, 48_000] {
        let config = TransmitterConfig {
            telephone_event: Some((101, clock_rate)),
            ..voice_config(pcmu())
        };
        let mut transmitter = Transmitter::new(config).unwrap();
        let mut sent = Vec::new();
        for (index, block) in voice(8_000, 12_000).chunks(160).enumerate() {
            if index % 200 == 100 {
                transmitter.send_digit('8', 1_200);
            }
            transmitter.push(block);
            for packet in all(&mut transmitter) {
                let sequence = sent.len() as u16;
                let sent_us = 1_000_000 + index as u64 * 20_000;
                sent.push(network::sent(&packet, sequence, sent_us));
            }
        }
        let mut config = receiver_config(pcmu(), 8_000);
        config.formats[1].1.clock_rate = clock_rate;
        let receiver = Receiver::new(config);
        let mut heard = hear(receiver, 8_000, &sent, 7_000, |_, arrive| arrive(10_000));
        let stats = heard.receiver.stats();
        assert_eq!((stats.lost, stats.late, stats.discarded), (0, 0, 0));
        assert!(stats.delay_ms <= 22, "{clock_rate}: {stats:?}");
        assert_eq!(stats.stretched, 0, "{clock_rate}: {stats:?}");
        assert!(stats.concealed_ms <= 4 * 260, "{clock_rate}: {stats:?}");
        assert_eq!(heard.receiver.digits().len(), 3);
        // While a key is pressed nothing is heard.
        let pressed = &heard.sound[160 * 130..160 * 150];
        assert!(pressed.iter().all(|&sample| sample == 0));
    }
}

#[test]
fn sound_from_another_source_and_another_codec_begin_without_a_click() {
    let mut transmitter = transmitter();
    let one = voice(8_000, 1_000);
    transmitter.push(&one[..4_000]);
    transmitter.source_changes();
    let another: Vec<i16> = voice(8_000, 2_000)[9_037..14_000]
        .iter()
        .map(|sample| -sample)
        .collect();
    transmitter.push(&another);
    transmitter.skip(800);
    transmitter.push(&one[4_000..]);
    let (mut codec, mut sound) = (sealtone_codec::open(&pcmu()).unwrap(), Vec::new());
    let packets = all(&mut transmitter);
    for packet in &packets {
        codec.decode(&packet.payload, &mut sound).unwrap();
    }
    let last = packets.last().unwrap().timestamp;
    assert!(last > packets.len() as u32 * 160 + 600);
    assert!(sharpest_bend(&sound) < 1.8 * sharpest_bend(&one) + 300.0);
    let pcma = TransmitterConfig {
        payload_type: 8,
        spec: spec(CodecKind::Pcma),
        ..voice_config(pcmu())
    };
    transmitter.reconfigure(pcma).unwrap();
    transmitter.push(&one[..160]);
    let next = transmitter.take().unwrap();
    assert_eq!((next.payload_type, next.marker), (8, true));
    assert!(next.timestamp - last <= 320);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn digits_come_once_over_a_lossy_network(
        seed in any::<u64>(),
        loss in 0.0_f64..0.25,
        text in "[0-9*#A-D]{1,8}",
    ) {
        let mut transmitter = transmitter();
        for digit in text.chars() {
            transmitter.send_digit(digit, 100);
        }
        let mut sent = Vec::new();
        for index in 0..150 {
            transmitter.push(&[0; 160]);
            for packet in all(&mut transmitter) {
                let sequence = sent.len() as u16;
                sent.push(network::sent(&packet, sequence, 1_000_000 + index * 20_000));
            }
        }
        let mut chance = Chance::new(seed);
        let mut heard = hear(Receiver::new(receiver_config(pcmu(), 8_000)), 8_000, &sent, 0, |_, arrive| {
            if chance.part() >= loss {
                arrive(u64::from(chance.next() % 30_000));
                if chance.part() < 0.1 {
                    arrive(u64::from(chance.next() % 60_000));
                }
            }
        });
        let digits: String = heard.receiver.digits().iter().map(|digit| digit.digit).collect();
        prop_assert_eq!(digits, text);
    }
}

#[test]
fn what_is_heard_of_a_quiet_network_is_exactly_what_was_sent() {
    let sound = voice(8_000, 3_000);
    let sent = packets(voice_config(pcmu()), &sound, 0.0);
    let heard = hear(
        Receiver::new(receiver_config(pcmu(), 8_000)),
        8_000,
        &sent,
        7_000,
        |_, arrive| arrive(0),
    );
    let mut decoded = Vec::new();
    let mut codec = sealtone_codec::open(&pcmu()).unwrap();
    for packet in &sent {
        codec.decode(&packet.payload, &mut decoded).unwrap();
    }
    // But for the first milliseconds, which are faded in.
    let begin = &decoded[100..decoded.len()];
    assert!(heard.sound.windows(begin.len()).any(|part| part == begin));
}

#[test]
fn packets_encoded_together_are_those_encoded_one_after_the_other() {
    let transmitter = |kind| {
        let config = voice_config(CodecSpec::new(kind, 8_000));
        Transmitter::new(config).unwrap()
    };
    let kinds = [CodecKind::G722, CodecKind::Pcmu, CodecKind::G722];
    let transmitters = || -> Vec<_> { (0..21).map(|at| transmitter(kinds[at % 3])).collect() };
    let (mut together, mut alone) = (transmitters(), transmitters());
    let sound = voice(16_000, 4_000);
    let mut waited = 0;
    for (round, block) in sound.chunks_exact(160).enumerate() {
        for (at, (one, other)) in together.iter_mut().zip(&mut alone).enumerate() {
            if round == 100 {
                let other_codec = kinds[(at + 1) % 3];
                let config = voice_config(CodecSpec::new(other_codec, 8_000));
                one.reconfigure(config.clone()).unwrap();
                other.reconfigure(config).unwrap();
            }
            if round % 30 == at {
                one.send_digit('5', 100);
                other.send_digit('5', 100);
            }
            one.push(block);
            other.push(block);
        }
        // Now and then more than one packet waits, and some of them over a change of codec.
        if round % 7 == 2 || round == 100 {
            continue;
        }
        let mut able: Vec<_> = together.iter_mut().filter(|one| one.can_wait()).collect();
        waited += able.len();
        Transmitter::encode_together(&mut able);
        for (one, other) in together.iter_mut().zip(&mut alone) {
            assert_eq!(all(one), all(other), "round {round}");
        }
    }
    assert!(waited > 1_000, "{waited} packets waited");
}

#[test]
fn g722_goes_on_without_a_click_where_its_sound_comes_at_another_rate() {
    let at_rate = |sample_rate| {
        voice_config(CodecSpec {
            sample_rate,
            ..CodecSpec::new(CodecKind::G722, 8_000)
        })
    };
    // Two tones, so that neither a jump nor a step of the phase is hidden by a period.
    let sound = |rate: u32| -> Vec<i16> {
        let at =
            |index: u32, hz: f32| (index as f32 * hz / rate as f32 * std::f32::consts::TAU).sin();
        let both = |index| (at(index, 190.0) + at(index, 310.0)) * 6_000.0;
        (0..rate * 3).map(|index| both(index) as i16).collect()
    };
    let (narrow, wide) = (sound(8_000), sound(16_000));
    let mut decoder = sealtone_codec::open(&CodecSpec::new(CodecKind::G722, 8_000)).unwrap();
    let mut sent = Transmitter::new(at_rate(8_000)).unwrap();
    let (mut heard, mut steady) = (Vec::new(), 0.0_f32);
    for packet in 0..100 {
        // There and back again, now and then with half a packet waiting.
        let is_wide = packet / 10 % 2 == 1;
        if packet % 10 == 0 && packet > 0 {
            sent.reconfigure(at_rate(if is_wide { 16_000 } else { 8_000 }))
                .unwrap();
        }
        let (sound, length) = if is_wide {
            (&wide, 320)
        } else {
            (&narrow, 160)
        };
        let offset = if packet >= 50 { length / 2 } else { 0 };
        let from = packet * length;
        if packet == 50 {
            sent.push(&sound[from..from + offset]);
        }
        sent.push(&sound[from + offset..from + offset + length]);
        for packet in all(&mut sent) {
            decoder.decode(&packet.payload, &mut heard).unwrap();
        }
        if packet == 9 {
            steady = sharpest_bend(&heard[800..]);
        }
    }
    assert_eq!(heard.len(), 100 * 320);
    let sharpest = sharpest_bend(&heard[800..]);
    assert!(
        sharpest < 2.6 * steady,
        "{sharpest} where {steady} is usual"
    );
    let loud = |part: &[i16]| part.iter().map(|&s| f32::from(s).powi(2)).sum::<f32>();
    let usual = loud(&heard[1_600..3_200]);
    for part in heard[1_600..].chunks_exact(1_600) {
        let share = loud(part) / usual;
        assert!((0.8..1.25).contains(&share), "{share} as loud");
    }
}
