//! Recordings: what is put in comes out, each side in its channel and at its time.

use std::f64::consts::TAU;

use proptest::prelude::*;
use sealtone_codec::record::{Format, Recorder, Side, Timeline};

const RATE: u32 = 16_000;

fn tone(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|index| ((TAU * hz * index as f64 / f64::from(rate)).sin() * 8_000.0) as i16)
        .collect()
}

/// Left and right of a finished WAV.
fn wav(octets: &[u8]) -> (Vec<i16>, Vec<i16>) {
    assert_eq!(&octets[..4], b"RIFF");
    let samples: Vec<i16> = octets[44..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    split(&samples)
}

/// Left and right of a finished FLAC, read by another implementation, which checks every checksum.
fn flac(octets: &[u8]) -> (Vec<i16>, Vec<i16>) {
    let mut reader = claxon::FlacReader::new(octets).unwrap();
    assert_eq!(reader.streaminfo().channels, 2);
    let samples: Vec<i16> = reader
        .samples()
        .map(|sample| i16::try_from(sample.unwrap()).unwrap())
        .collect();
    split(&samples)
}

fn split(samples: &[i16]) -> (Vec<i16>, Vec<i16>) {
    samples
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .unzip()
}

fn recorded(format: Format, left: &[i16], right: &[i16], piece: usize) -> Vec<u8> {
    let mut recorder = Recorder::new(format, RATE, 7, 0).unwrap();
    let mut octets = Vec::new();
    let us = |samples: usize| samples as u64 * 1_000_000 / u64::from(RATE);
    for start in (0..left.len().max(right.len())).step_by(piece) {
        for (side, sound) in [(Side::Left, left), (Side::Right, right)] {
            let end = sound.len().min(start + piece);
            if start < end {
                recorder.put(side, us(start), RATE, &sound[start..end]);
            }
        }
        recorder.advance(us(start + piece)).unwrap();
        octets.append(&mut recorder.take());
    }
    recorder.finish(us(left.len().max(right.len()))).unwrap();
    octets.append(&mut recorder.take());
    octets
}

fn sound() -> impl Strategy<Value = Vec<i16>> {
    prop_oneof![
        proptest::collection::vec(any::<i16>(), 0..9_000),
        (0_usize..20_000).prop_map(|samples| tone(440.0, RATE, samples)),
        (0_usize..9_000, any::<i16>()).prop_map(|(samples, value)| vec![value; samples]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_lossless_recording_holds_both_sides_sample_by_sample(
        left in sound(), right in sound(), piece in 1_usize..2_000
    ) {
        let length = left.len().max(right.len());
        let padded = |sound: &[i16]| {
            let mut sound = sound.to_vec();
            sound.resize(length, 0);
            sound
        };
        prop_assert_eq!(
            wav(&recorded(Format::Wav, &left, &right, piece)),
            (padded(&left), padded(&right))
        );
        if length > 0 {
            prop_assert_eq!(
                flac(&recorded(Format::Flac, &left, &right, piece)),
                (padded(&left), padded(&right))
            );
        }
    }

    #[test]
    fn both_sides_of_a_time_line_are_always_of_one_length(
        steps in proptest::collection::vec((any::<bool>(), 0_u64..2_000_000, 0_usize..800), 1..60)
    ) {
        let mut timeline = Timeline::new(8_000, 0);
        let (mut left, mut right, mut now) = (Vec::new(), Vec::new(), 0);
        for (is_left, passes, samples) in steps {
            now += passes;
            let side = if is_left { Side::Left } else { Side::Right };
            timeline.put(side, now, &vec![1; samples]);
            timeline.advance(now);
            timeline.take(usize::MAX, &mut left, &mut right);
            prop_assert_eq!(left.len(), right.len());
            // Not behind by more than it waits for, not ahead of the last sound by more than what it tolerates.
            prop_assert!(left.len() as u64 + 1_600 >= now * 8 / 1_000);
            prop_assert!(left.len() as u64 <= now * 8 / 1_000 + 800 + 480 + 800);
        }
    }
}

#[test]
fn a_side_that_begins_late_begins_late_in_the_file() {
    let mut recorder = Recorder::new(Format::Wav, 8_000, 7, 1_000_000).unwrap();
    for step in 0..100_u64 {
        let at = 1_000_000 + step * 20_000;
        recorder.put(Side::Left, at, 8_000, &[100; 160]);
        if step >= 50 {
            recorder.put(Side::Right, at, 8_000, &[-100; 160]);
        }
        recorder.advance(at + 20_000).unwrap();
    }
    recorder.finish(3_000_000).unwrap();
    let (left, right) = wav(&recorder.take());
    assert_eq!(left, vec![100; 16_000]);
    assert_eq!(right[..8_000], vec![0; 8_000]);
    assert_eq!(right[8_000..], vec![-100; 8_000]);
}

#[test]
fn sound_of_another_rate_keeps_its_pitch_and_its_time() {
    let mut recorder = Recorder::new(Format::Wav, RATE, 7, 0).unwrap();
    for step in 0..100_u64 {
        let at = step * 20_000;
        let eight = &tone(500.0, 8_000, 16_000)[step as usize * 160..][..160];
        let forty_eight = &tone(500.0, 48_000, 96_000)[step as usize * 960..][..960];
        recorder.put(Side::Left, at, 8_000, eight);
        recorder.put(Side::Right, at, 48_000, forty_eight);
        recorder.advance(at + 20_000).unwrap();
    }
    recorder.finish(2_000_000).unwrap();
    let (left, right) = wav(&recorder.take());
    for side in [left, right] {
        assert!(side.len().abs_diff(32_000) < 200, "{}", side.len());
        let crossings = side[1_000..31_000]
            .windows(2)
            .filter(|pair| pair[0] < 0 && pair[1] >= 0)
            .count();
        assert!(crossings.abs_diff(937) <= 2, "{crossings}");
    }
}

#[test]
fn silence_on_both_sides_is_recorded_as_it_lasts() {
    let mut recorder = Recorder::new(Format::Wav, 8_000, 7, 0).unwrap();
    for tick in 1..=100 {
        recorder.advance(tick * 100_000).unwrap();
    }
    let octets = recorder.take().len();
    assert_eq!((octets - 44) / 4, 8 * (10_000 - 200));
}

#[test]
fn a_rate_that_no_recording_has_is_refused() {
    assert!(Recorder::new(Format::Wav, 11_025, 7, 0).is_err());
}

/// The packets of an Ogg file, without its two headers, and the position of its last page.
fn ogg(octets: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let (mut packets, mut packet, mut rest, mut granule) = (Vec::new(), Vec::new(), octets, 0);
    let (mut pages, mut flags) = (0, 0);
    while !rest.is_empty() {
        assert_eq!(&rest[..5], b"OggS\0");
        flags = rest[5];
        assert_eq!(flags & 2 != 0, pages == 0, "the first page alone says so");
        granule = u64::from_le_bytes(rest[6..14].try_into().unwrap());
        assert_eq!(u32::from_le_bytes(rest[18..22].try_into().unwrap()), pages);
        let segments = usize::from(rest[26]);
        let mut at = 27 + segments;
        for &length in &rest[27..27 + segments] {
            packet.extend_from_slice(&rest[at..at + usize::from(length)]);
            at += usize::from(length);
            if length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        rest = &rest[at..];
        pages += 1;
    }
    assert_eq!(flags & 4, 4, "the last page says so");
    (packets.split_off(2), granule)
}

fn opus_decoders() -> [Box<dyn sealtone_codec::Codec>; 2] {
    sealtone_codec::load();
    let spec = sealtone_codec::CodecSpec {
        sample_rate: RATE,
        ..sealtone_codec::CodecSpec::new(sealtone_codec::CodecKind::Opus, 48_000)
    };
    [(); 2].map(|()| sealtone_codec::open(&spec).unwrap())
}

/// Left and right of a finished Ogg Opus.
fn opus(octets: &[u8]) -> (Vec<i16>, Vec<i16>) {
    let [mut left, mut right] = opus_decoders();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let (packets, end) = ogg(octets);
    for packet in packets {
        // RFC 6716 appendix B: the length follows the first octet.
        let (length, head) = match packet[1] {
            short @ 0..252 => (usize::from(short), 2),
            long => (usize::from(packet[2]) * 4 + usize::from(long), 3),
        };
        let (frame, other) = packet[head..].split_at(length);
        left.decode(&[&packet[..1], frame].concat(), &mut first)
            .unwrap();
        right.decode(other, &mut second).unwrap();
    }
    let skip = 312 * RATE as usize / 48_000;
    let end = end as usize * RATE as usize / 48_000;
    assert!(
        first.len() >= end && first.len() < end + 640,
        "no sound is missing, none goes on after the end"
    );
    (first[skip..end].to_vec(), second[skip..end].to_vec())
}

fn loudness(sound: &[i16]) -> f64 {
    let power: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (power / sound.len().max(1) as f64).sqrt()
}

#[test]
fn each_channel_of_an_opus_recording_holds_its_own_side_and_nothing_of_the_other() {
    sealtone_codec::load();
    let left = tone(440.0, RATE, 48_000);
    let right: Vec<i16> = [vec![0; 24_000], tone(1_000.0, RATE, 24_000)].concat();
    let octets = recorded(Format::Opus, &left, &right, 320);
    let (first, second) = opus(&octets);
    assert_eq!((first.len(), second.len()), (48_000, 48_000));
    assert!((loudness(&first) - loudness(&left)).abs() < 600.0);
    assert!(
        loudness(&second[..23_000]) < 3.0,
        "{}",
        loudness(&second[..23_000])
    );
    assert!((loudness(&second[26_000..]) - loudness(&left)).abs() < 600.0);
    let begins = second
        .iter()
        .position(|sample| sample.unsigned_abs() > 1_000)
        .unwrap();
    assert!(begins.abs_diff(24_000) < 160, "{begins}");
}

#[test]
fn an_opus_recording_has_a_page_at_least_every_second() {
    sealtone_codec::load();
    let mut recorder = Recorder::new(Format::Opus, RATE, 7, 0).unwrap();
    recorder.take();
    let mut last = 0;
    for step in 1..=500_u64 {
        let now = step * 20_000;
        recorder.put(Side::Left, now - 20_000, RATE, &tone(300.0, RATE, 320));
        recorder.advance(now).unwrap();
        if !recorder.take().is_empty() {
            last = now;
        }
        assert!(
            now < 1_000_000 || now - last <= 440_000,
            "nothing for {} us",
            now - last
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn an_opus_recording_is_as_long_as_what_was_recorded(samples in 1_usize..12_000, piece in 100_usize..2_000) {
        sealtone_codec::load();
        let (left, right) = opus(&recorded(Format::Opus, &tone(440.0, RATE, samples), &[], piece));
        prop_assert!(left.len().abs_diff(samples) <= 1, "{} {}", left.len(), samples);
        prop_assert_eq!(left.len(), right.len());
    }
}
