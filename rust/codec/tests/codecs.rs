//! Every codec that is built in, through its trait: what goes in comes out, at any length of packet, and whatever a
//! stranger sends.

mod voice;

use proptest::prelude::*;
use sealtone_codec::{Codec, CodecError, CodecKind, CodecSpec, available, load, open, packet_ms};
use voice::voice;

const CLOCKS: [(CodecKind, &[u32]); 8] = [
    (CodecKind::Pcmu, &[8_000]),
    (CodecKind::Pcma, &[8_000]),
    (CodecKind::G722, &[8_000]),
    (CodecKind::Opus, &[48_000]),
    (CodecKind::Silk, &[8_000, 12_000, 16_000, 24_000]),
    (CodecKind::G729, &[8_000]),
    (CodecKind::Gsm, &[8_000]),
    (CodecKind::Speex, &[8_000, 16_000, 32_000]),
];

/// Every codec at every rate of sound.
fn specs() -> Vec<CodecSpec> {
    load();
    let mut specs = Vec::new();
    for (kind, clocks) in CLOCKS {
        for &clock in clocks {
            specs.push(CodecSpec::new(kind, clock));
        }
    }
    for sample_rate in [8_000, 12_000, 16_000, 24_000] {
        specs.push(CodecSpec {
            sample_rate,
            ..CodecSpec::new(CodecKind::Opus, 48_000)
        });
    }
    specs.push(CodecSpec {
        sample_rate: 8_000,
        ..CodecSpec::new(CodecKind::G722, 8_000)
    });
    specs
}

fn name(spec: &CodecSpec) -> String {
    format!(
        "{} at {}, {} ms",
        spec.kind.encoding(),
        spec.sample_rate,
        spec.packet_ms
    )
}

fn encode(spec: &CodecSpec, codec: &mut dyn Codec, sound: &[i16]) -> Vec<Vec<u8>> {
    sound
        .chunks_exact(spec.packet_samples())
        .map(|packet| {
            let mut payload = Vec::new();
            codec.encode(packet, &mut payload).unwrap();
            payload
        })
        .collect()
}

/// How alike two sounds are, 0 to 1, at the delay of at most 60 ms where they are most alike.
fn likeness(sent: &[i16], heard: &[i16], rate: u32) -> f64 {
    (0..rate as usize * 60 / 1_000)
        .map(|delay| {
            let pairs = || sent.iter().zip(&heard[delay.min(heard.len())..]);
            let dot: f64 = pairs().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let power: f64 = pairs().map(|(a, _)| f64::from(*a).powi(2)).sum();
            let other: f64 = pairs().map(|(_, b)| f64::from(*b).powi(2)).sum();
            dot / (power * other).sqrt().max(1.0)
        })
        .fold(0.0, f64::max)
}

fn loudness(sound: &[i16]) -> f64 {
    let power: f64 = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (power / sound.len().max(1) as f64).max(1.0).log10()
}

#[test]
fn a_voice_comes_back_from_every_codec_at_its_own_loudness() {
    for spec in specs() {
        let mut codec = open(&spec).unwrap();
        let sound = voice(spec.sample_rate, 3);
        let mut heard = Vec::new();
        for payload in encode(&spec, &mut *codec, &sound) {
            codec.decode(&payload, &mut heard).unwrap();
        }
        assert_eq!(heard.len(), sound.len(), "{}", name(&spec));
        let floor = match spec.kind {
            CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722 => 0.99,
            // These code what sounds alike, not what looks alike.
            CodecKind::G729 | CodecKind::Speex => 0.70,
            _ => 0.83,
        };
        let likeness = likeness(&sound, &heard, spec.sample_rate);
        assert!(likeness > floor, "{}: {likeness}", name(&spec));
        let louder = loudness(&heard) - loudness(&sound);
        assert!(louder.abs() < 2.0, "{}: {louder} dB", name(&spec));
    }
}

#[test]
fn packets_of_every_length_hold_as_much_as_they_say() {
    for spec in specs() {
        let mut lengths: Vec<u8> = (1..=12)
            .map(|n| packet_ms(spec.kind, spec.frame_ms, 10 * n))
            .collect();
        lengths.dedup();
        for packet_ms in lengths {
            let spec = CodecSpec { packet_ms, ..spec };
            let mut codec = open(&spec).unwrap();
            let sound = voice(spec.sample_rate, 1);
            for payload in encode(&spec, &mut *codec, &sound) {
                let mut heard = Vec::new();
                assert_eq!(
                    codec.samples_in(&payload),
                    Some(spec.packet_samples()),
                    "{}",
                    name(&spec)
                );
                codec.decode(&payload, &mut heard).unwrap();
                assert_eq!(heard.len(), spec.packet_samples(), "{}", name(&spec));
            }
        }
    }
}

#[test]
fn a_length_that_a_codec_lacks_is_refused_and_the_nearest_it_has_is_named() {
    load();
    for (kind, wished, nearest) in [
        (CodecKind::Opus, 30, 20),
        (CodecKind::Silk, 10, 20),
        (CodecKind::Gsm, 30, 20),
        (CodecKind::Speex, 50, 40),
        (CodecKind::G729, 15, 10),
        (CodecKind::Ilbc, 20, 30),
        (CodecKind::Pcmu, 250, 120),
    ] {
        assert_eq!(packet_ms(kind, 0, wished), nearest, "{kind:?} {wished}");
        let spec = CodecSpec {
            packet_ms: wished,
            ..CodecSpec::new(kind, 8_000)
        };
        assert!(open(&spec).is_err());
    }
    assert_eq!(packet_ms(CodecKind::Ilbc, 20, 30), 20);
}

#[test]
fn a_rate_that_a_codec_lacks_is_refused() {
    for spec in specs() {
        if matches!(spec.kind, CodecKind::Pcmu | CodecKind::Pcma) {
            continue; // they have none of their own: one octet a sample
        }
        let spec = CodecSpec {
            sample_rate: 44_100,
            ..spec
        };
        assert!(matches!(open(&spec), Err(CodecError::BadSpec(_))));
    }
}

#[test]
fn everything_but_a_voice_codec_is_refused_as_a_codec() {
    load();
    for kind in [CodecKind::ComfortNoise, CodecKind::TelephoneEvent] {
        let refused = open(&CodecSpec::new(kind, 8_000)).err();
        assert!(matches!(refused, Some(CodecError::BadSpec(_))));
    }
}

#[test]
fn what_is_said_to_be_available_can_be_opened() {
    load();
    let available = available();
    assert_eq!(available.len(), CodecKind::ALL.len());
    for (kind, clocks) in CLOCKS {
        assert!(available.contains(&(kind, Ok(()))), "{kind:?}");
        assert!(open(&CodecSpec::new(kind, clocks[0])).is_ok());
    }
}

#[test]
fn concealment_is_as_long_as_asked_for_and_the_voice_goes_on_after_it() {
    for spec in specs() {
        let mut codec = open(&spec).unwrap();
        let sound = voice(spec.sample_rate, 3);
        let mut heard = Vec::new();
        assert!(
            !codec.conceal(spec.packet_samples(), &mut heard) && heard.is_empty(),
            "{} conceals what it never heard",
            name(&spec)
        );
        for (n, payload) in encode(&spec, &mut *codec, &sound).iter().enumerate() {
            let before = heard.len();
            if n % 10 != 9 {
                codec.decode(payload, &mut heard).unwrap();
            } else if !codec.conceal(spec.packet_samples(), &mut heard) {
                assert_eq!(heard.len(), before);
                heard.resize(before + spec.packet_samples(), 0);
            }
            assert_eq!(heard.len(), before + spec.packet_samples());
        }
        let likeness = likeness(&sound, &heard, spec.sample_rate);
        assert!(likeness > 0.6, "{}: {likeness}", name(&spec));
        // An odd number of samples too, but no more than a packet may hold.
        let most = spec.sample_rate as usize;
        let before = heard.len();
        if codec.conceal(37, &mut heard) {
            assert_eq!(heard.len(), before + 37);
            assert!(!codec.conceal(most, &mut heard) && heard.len() == before + 37);
        }
    }
}

/// Loses every fifth packet, and gives what is heard in place of the lost ones, and of all.
fn with_losses(spec: &CodecSpec, repaired: bool) -> (Vec<i16>, usize) {
    let mut codec = open(spec).unwrap();
    codec.expect_loss(20);
    let payloads = encode(spec, &mut *codec, &voice(spec.sample_rate, 6));
    let (mut heard, mut repairs) = (Vec::new(), 0);
    for (n, payload) in payloads.iter().enumerate() {
        if n % 5 != 4 {
            codec.decode(payload, &mut heard).unwrap();
            continue;
        }
        let samples = spec.packet_samples();
        let next = payloads.get(n + 1).map_or(&[][..], Vec::as_slice);
        if repaired && codec.decode_fec(next, samples, &mut heard) {
            repairs += 1;
        } else {
            assert!(codec.conceal(samples, &mut heard));
        }
        assert_eq!(heard.len(), (n + 1) * samples);
    }
    (heard, repairs)
}

#[test]
fn what_a_packet_repeats_of_the_one_before_it_is_better_than_concealment() {
    for spec in specs() {
        if !matches!(spec.kind, CodecKind::Opus | CodecKind::Silk) {
            continue;
        }
        let spec = CodecSpec { fec: true, ..spec };
        let sound = voice(spec.sample_rate, 6);
        let (concealed, _) = with_losses(&spec, false);
        let (repaired, repairs) = with_losses(&spec, true);
        let before = likeness(&sound, &concealed, spec.sample_rate);
        let after = likeness(&sound, &repaired, spec.sample_rate);
        assert!(repairs > 20, "{}: {repairs} repairs", name(&spec));
        assert!(
            after > before + 0.01,
            "{}: {before} to {after}",
            name(&spec)
        );
    }
}

#[test]
fn a_packet_without_redundancy_says_so() {
    for spec in specs() {
        let mut codec = open(&spec).unwrap();
        let mut heard = Vec::new();
        for payload in encode(&spec, &mut *codec, &voice(spec.sample_rate, 1)) {
            assert!(
                !codec.decode_fec(&payload, spec.packet_samples(), &mut heard),
                "{}",
                name(&spec)
            );
        }
        assert!(heard.is_empty());
    }
}

#[test]
fn silence_is_not_sent_where_that_was_agreed() {
    for spec in specs() {
        if !matches!(
            spec.kind,
            CodecKind::Opus | CodecKind::Silk | CodecKind::G729 | CodecKind::Speex
        ) {
            continue;
        }
        for dtx in [false, true] {
            let spec = CodecSpec { dtx, ..spec };
            let mut codec = open(&spec).unwrap();
            let quiet: Vec<i16> = (0..3 * spec.sample_rate as i32)
                .map(|n| ((n.wrapping_mul(1_103_515_245) >> 16) % 5) as i16)
                .collect();
            encode(&spec, &mut *codec, &voice(spec.sample_rate, 2));
            let payloads = encode(&spec, &mut *codec, &quiet);
            let sent = payloads
                .iter()
                .filter(|payload| !payload.is_empty())
                .count();
            if dtx {
                assert!(sent * 2 < payloads.len(), "{}: {sent}", name(&spec));
            } else {
                assert_eq!(sent, payloads.len(), "{}", name(&spec));
            }
            for payload in payloads.iter().filter(|payload| !payload.is_empty()) {
                codec.decode(payload, &mut Vec::new()).unwrap();
            }
        }
    }
}

#[test]
fn a_stereo_packet_of_opus_is_heard_in_one_channel() {
    load();
    let mut codec = open(&CodecSpec::new(CodecKind::Opus, 48_000)).unwrap();
    let mut heard = Vec::new();
    // 20 ms of silence in two channels, full band.
    codec.decode(&[0xfc, 0xff, 0xfe], &mut heard).unwrap();
    assert_eq!(heard.len(), 960);
}

#[test]
fn silence_may_follow_the_voice_in_a_packet_of_g729_but_not_lead_it() {
    load();
    let mut codec = open(&CodecSpec::new(CodecKind::G729, 8_000)).unwrap();
    for (octets, samples) in [
        (2, Some(80)),
        (10, Some(80)),
        (12, Some(160)),
        (22, Some(240)),
        (120, Some(960)),
        (0, None),
        (11, None),
        (4, None),
        (122, None),
    ] {
        let payload = vec![0x55; octets];
        let mut heard = Vec::new();
        assert_eq!(codec.samples_in(&payload), samples, "{octets} octets");
        let decoded = codec.decode(&payload, &mut heard);
        assert_eq!(decoded.is_ok(), samples.is_some(), "{octets} octets");
        assert_eq!(heard.len(), samples.unwrap_or(0));
    }
}

/// FNV-1a, so that a long answer is a short number here.
fn digest(octets: impl Iterator<Item = u8>) -> u64 {
    octets.fold(0xcbf2_9ce4_8422_2325, |digest, octet| {
        (digest ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Numbers that any other implementation can make too: the upper half of a linear congruence.
fn noise(count: usize) -> Vec<i16> {
    let mut seed = 1_u32;
    (0..count)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as i16
        })
        .collect()
}

/// Checked against the G.722 of spandsp, which passes the ITU's own test sequences.
#[test]
fn g722_is_exact_to_the_bit() {
    let spec = CodecSpec::new(CodecKind::G722, 8_000);
    let loud = noise(32_000);
    let soft: Vec<i16> = loud.iter().map(|sample| sample >> 2).collect();
    let encoded = encode(&spec, &mut *open(&spec).unwrap(), &loud).concat();
    assert_eq!(digest(encoded.into_iter()), 0x9568_699b_6e1a_d321);
    let mut codec = open(&spec).unwrap();
    let (mut encoded, mut heard) = (Vec::new(), Vec::new());
    for payload in encode(&spec, &mut *codec, &soft) {
        codec.decode(&payload, &mut heard).unwrap();
        encoded.extend(payload);
    }
    assert_eq!(digest(encoded.into_iter()), 0xd3a5_b487_aae7_61bf);
    assert_eq!(
        digest(heard.iter().flat_map(|sample| sample.to_le_bytes())),
        0x067a_9171_8d23_e6fa
    );
}

/// Sound of one payload of a stranger; checks what must hold of any.
fn decode_anything(spec: &CodecSpec, codec: &mut dyn Codec, payload: &[u8]) {
    let most = spec.sample_rate as usize * 120 / 1_000;
    let said = codec.samples_in(payload);
    let mut sound = vec![1, 2, 3];
    let decoded = codec.decode(payload, &mut sound);
    assert_eq!(&sound[..3], [1, 2, 3]);
    let heard = sound.len() - 3;
    match decoded {
        // G.711 has no framing: any octets are sound, so their caller bounds them.
        Ok(()) if matches!(spec.kind, CodecKind::Pcmu | CodecKind::Pcma) => {}
        Ok(()) => {
            assert!(heard <= most, "{}: {heard}", name(spec));
            // SILK has no header: of damage two decoders may make different things.
            if spec.kind != CodecKind::Silk {
                assert_eq!(said, Some(heard), "{}", name(spec));
            }
        }
        Err(_) => assert_eq!(heard, 0, "{}", name(spec)),
    }
    let repaired = codec.decode_fec(payload, spec.packet_samples(), &mut sound);
    let expected = if repaired { spec.packet_samples() } else { 0 };
    assert_eq!(sound.len() - 3 - heard, expected);
}

proptest! {
    #[test]
    fn no_payload_does_harm(
        which in 0..specs().len(),
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
    ) {
        let spec = specs()[which];
        let mut codec = open(&spec).unwrap();
        for payload in payloads {
            decode_anything(&spec, &mut *codec, &payload);
        }
    }

    #[test]
    fn no_damage_to_a_payload_does_harm_or_lasts(
        which in 0..specs().len(),
        at in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
        kept in any::<prop::sample::Index>(),
    ) {
        let spec = CodecSpec { fec: true, ..specs()[which] };
        let mut codec = open(&spec).unwrap();
        let payloads = encode(&spec, &mut *codec, &voice(spec.sample_rate, 1));
        for payload in &payloads[..at.index(payloads.len())] {
            codec.decode(payload, &mut Vec::new()).unwrap();
        }
        let mut damaged = at.get(&payloads).clone();
        for (index, flip) in flips {
            *index.get_mut(&mut damaged) ^= flip;
        }
        decode_anything(&spec, &mut *codec, &damaged);
        damaged.truncate(kept.index(damaged.len()));
        decode_anything(&spec, &mut *codec, &damaged);
        for payload in &payloads[at.index(payloads.len())..] {
            codec.decode(payload, &mut Vec::new()).unwrap();
        }
    }
}
