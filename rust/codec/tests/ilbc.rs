//! iLBC beside the RFC's reference implementation, and with whatever a stranger sends.
//!
//! `ilbc/speech.pcm` is a sentence of espeak-ng's (8 kHz, 16 bits, little end first). `reference-*.packets` is what the
//! C code of RFC 3951's appendix A makes of it, and `reference-*.pcm` what it decodes those to, while the frames of
//! `lost` are lost.

use proptest::prelude::*;
use sealtone_codec::{Codec, CodecError, CodecKind, CodecSpec, open};

struct Reference {
    ms: u8,
    octets: usize,
    packets: &'static [u8],
    decoded: &'static [u8],
    lost: [usize; 3],
}

static SPEECH: &[u8] = include_bytes!("ilbc/speech.pcm");

static REFERENCES: [Reference; 2] = [
    Reference {
        ms: 20,
        octets: 38,
        packets: include_bytes!("ilbc/reference-20.packets"),
        decoded: include_bytes!("ilbc/reference-20.pcm"),
        lost: [30, 31, 45],
    },
    Reference {
        ms: 30,
        octets: 50,
        packets: include_bytes!("ilbc/reference-30.packets"),
        decoded: include_bytes!("ilbc/reference-30.pcm"),
        lost: [20, 21, 30],
    },
];

fn samples(octets: &[u8]) -> Vec<i16> {
    let (pairs, _) = octets.as_chunks();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

fn codec(frame_ms: u8, packet_ms: u8) -> Box<dyn Codec> {
    open(&spec(frame_ms, packet_ms)).unwrap()
}

fn spec(frame_ms: u8, packet_ms: u8) -> CodecSpec {
    CodecSpec {
        frame_ms,
        packet_ms,
        ..CodecSpec::new(CodecKind::Ilbc, 8_000)
    }
}

fn encode(codec: &mut dyn Codec, sound: &[i16]) -> Vec<u8> {
    let mut payload = Vec::new();
    codec.encode(sound, &mut payload).unwrap();
    payload
}

fn decode(codec: &mut dyn Codec, payload: &[u8]) -> Vec<i16> {
    let mut sound = Vec::new();
    codec.decode(payload, &mut sound).unwrap();
    sound
}

fn decode_all(codec: &mut dyn Codec, packets: &[u8], octets: usize) -> Vec<i16> {
    let frames = packets.chunks_exact(octets);
    frames.flat_map(|frame| decode(codec, frame)).collect()
}

fn power(sound: impl IntoIterator<Item = f64>) -> f64 {
    sound.into_iter().map(|sample| sample * sample).sum()
}

/// Signal to noise, dB.
fn likeness(wanted: &[i16], got: &[i16]) -> f64 {
    let differences = wanted
        .iter()
        .zip(got)
        .map(|(w, g)| f64::from(*w) - f64::from(*g));
    10.0 * (power(wanted.iter().map(|it| f64::from(*it))) / power(differences).max(1.0)).log10()
}

#[test]
fn the_references_packets_sound_as_the_reference_decodes_them_losses_and_all() {
    for reference in &REFERENCES {
        let mut codec = codec(reference.ms, reference.ms);
        let mut sound = Vec::new();
        for (number, packet) in reference.packets.chunks_exact(reference.octets).enumerate() {
            if reference.lost.contains(&number) {
                assert!(codec.conceal(usize::from(reference.ms) * 8, &mut sound));
            } else {
                codec.decode(packet, &mut sound).unwrap();
            }
        }
        let wanted = samples(reference.decoded);
        assert_eq!(sound.len(), wanted.len());
        let likeness = likeness(&wanted, &sound);
        // What rounding in another order leaves.
        assert!(likeness > 70.0, "{} ms: {likeness} dB", reference.ms);
    }
}

#[test]
fn speech_is_encoded_as_well_as_the_reference_does_it() {
    let speech = samples(SPEECH);
    for reference in &REFERENCES {
        let delay = if reference.ms == 20 { 40 } else { 80 };
        let quality = |packets: &[u8]| {
            let mut decoder = codec(reference.ms, reference.ms);
            let sound = decode_all(&mut *decoder, packets, reference.octets);
            likeness(&speech, &sound[delay..])
        };
        let mut encoder = codec(reference.ms, reference.ms);
        let packets: Vec<u8> = speech
            .chunks_exact(usize::from(reference.ms) * 8)
            .flat_map(|frame| encode(&mut *encoder, frame))
            .collect();
        assert_eq!(packets.len(), reference.packets.len());
        let (ours, theirs) = (quality(&packets), quality(reference.packets));
        assert!(
            ours > theirs - 0.5,
            "{} ms: {ours} dB, reference {theirs} dB",
            reference.ms
        );
    }
}

#[test]
fn frames_in_one_packet_are_those_that_would_go_one_by_one() {
    let speech = samples(SPEECH);
    for reference in &REFERENCES {
        let frame = usize::from(reference.ms) * 8;
        let (mut single, mut several) = (
            codec(reference.ms, reference.ms),
            codec(reference.ms, 3 * reference.ms),
        );
        for sound in speech.chunks_exact(3 * frame) {
            let one_by_one: Vec<u8> = sound
                .chunks_exact(frame)
                .flat_map(|sound| encode(&mut *single, sound))
                .collect();
            let together = encode(&mut *several, sound);
            assert_eq!(together, one_by_one);
            assert_eq!(several.samples_in(&together), Some(3 * frame));
            let heard = decode_all(&mut *single, &one_by_one, reference.octets);
            assert_eq!(decode(&mut *several, &together), heard);
        }
    }
}

#[test]
fn a_packet_of_the_other_mode_than_agreed_is_understood() {
    for (heard, agreed) in [(&REFERENCES[0], 30), (&REFERENCES[1], 20)] {
        let mut codec = codec(agreed, agreed);
        let before = decode(&mut *codec, heard.packets.get(..heard.octets).unwrap());
        assert_eq!(before.len(), usize::from(heard.ms) * 8);
    }
}

#[test]
fn what_no_frames_fill_is_refused_and_changes_nothing() {
    let reference = &REFERENCES[0];
    let (mut codec, mut untouched) = (codec(20, 20), codec(20, 20));
    let packets = || reference.packets.chunks_exact(reference.octets);
    for length in [0, 1, 37, 39, 49, 51, 75, 9 * 38, 9 * 50, 950, 1_400] {
        let mut sound = Vec::new();
        let refusal = codec.decode(&vec![0x55; length], &mut sound);
        assert_eq!(refusal, Err(CodecError::BadPayload), "{length}");
        assert_eq!(
            (sound.len(), codec.samples_in(&vec![0x55; length])),
            (0, None)
        );
    }
    for packet in packets() {
        assert_eq!(decode(&mut *codec, packet), decode(&mut *untouched, packet));
    }
}

#[test]
fn a_frame_that_says_it_is_none_is_concealed() {
    let reference = &REFERENCES[0];
    let (said, heard) = reference.packets.split_at(20 * reference.octets);
    let (mut told, mut lost) = (codec(20, 20), codec(20, 20));
    decode_all(&mut *told, said, reference.octets);
    decode_all(&mut *lost, said, reference.octets);
    let mut empty = heard[..reference.octets].to_vec();
    *empty.last_mut().unwrap() |= 1;
    let mut concealed = Vec::new();
    assert!(lost.conceal(160, &mut concealed));
    assert_eq!(decode(&mut *told, &empty), concealed);
}

#[test]
fn concealment_gives_any_length_goes_on_in_the_voice_and_fades() {
    for reference in &REFERENCES {
        let mut whole = codec(reference.ms, reference.ms);
        let mut pieces = codec(reference.ms, reference.ms);
        let said = &reference.packets[..20 * reference.octets];
        let before = decode_all(&mut *whole, said, reference.octets);
        decode_all(&mut *pieces, said, reference.octets);

        let (mut at_once, mut by_pieces) = (Vec::new(), Vec::new());
        assert!(whole.conceal(8_000, &mut at_once));
        for length in [1, 79, 80, 500, 160, 7_180] {
            assert!(pieces.conceal(length, &mut by_pieces));
        }
        assert_eq!(at_once.len(), 8_000);
        assert_eq!(at_once, by_pieces);
        let loudness =
            |sound: &[i16]| power(sound.iter().map(|it| f64::from(*it))) / sound.len() as f64;
        let (spoken, concealed) = (
            loudness(&before[before.len() - 240..]),
            loudness(&at_once[..240]),
        );
        assert!(
            (0.1..4.0).contains(&(concealed / spoken)),
            "{spoken} {concealed}"
        );
        assert_eq!(loudness(&at_once[4_000..]), 0.0);
    }
}

#[test]
fn only_what_ilbc_has_is_opened_and_only_whole_frames_are_encoded() {
    for (frame_ms, packet_ms) in [
        (20, 30),
        (30, 20),
        (30, 40),
        (0, 20),
        (10, 20),
        (20, 0),
        (20, 180),
    ] {
        let refused = open(&spec(frame_ms, packet_ms)).err();
        assert!(
            matches!(refused, Some(CodecError::BadSpec(_))),
            "{frame_ms} {packet_ms}"
        );
    }
    let wide = CodecSpec {
        sample_rate: 16_000,
        ..spec(20, 20)
    };
    assert!(open(&wide).is_err());
    let mut payload = Vec::new();
    assert_eq!(
        codec(20, 20).encode(&[0; 100], &mut payload),
        Err(CodecError::Failed)
    );
    assert!(payload.is_empty());
}

#[test]
fn the_loudest_and_the_quietest_sounds_are_encoded() {
    for reference in &REFERENCES {
        let frame = usize::from(reference.ms) * 8;
        let square = |at: usize| {
            if (at / 40).is_multiple_of(2) {
                i16::MAX
            } else {
                i16::MIN
            }
        };
        let sounds: [Vec<i16>; 5] = [
            vec![0; frame * 10],
            vec![1; frame * 10],
            vec![i16::MIN; frame * 10],
            (0..frame * 10).map(square).collect(),
            (0..frame * 10)
                .map(|at| if at == frame { i16::MAX } else { 0 })
                .collect(),
        ];
        for sound in sounds {
            let (mut encoder, mut decoder) = (
                codec(reference.ms, reference.ms),
                codec(reference.ms, reference.ms),
            );
            for part in sound.chunks_exact(frame) {
                let payload = encode(&mut *encoder, part);
                assert_eq!(payload.len(), reference.octets);
                assert_eq!(decode(&mut *decoder, &payload).len(), frame);
            }
        }
    }
}

/// What a stranger may do to a decoder.
#[derive(Clone, Debug)]
enum Attack {
    Payload(Vec<u8>),
    Lose(usize),
}

fn attacks() -> impl Strategy<Value = Vec<Attack>> {
    let frames = prop_oneof![
        prop::collection::vec(any::<u8>(), 38),
        prop::collection::vec(any::<u8>(), 50),
        prop::collection::vec(prop::sample::select(vec![0_u8, 0xff, 0x7f, 0x80]), 38),
        prop::collection::vec(any::<u8>(), 0..410),
    ];
    let attack = prop_oneof![
        4 => frames.prop_map(Attack::Payload),
        1 => (0..500_usize).prop_map(Attack::Lose),
    ];
    prop::collection::vec(attack, 1..40)
}

proptest! {
    #[test]
    fn nothing_a_stranger_sends_stops_the_decoder_or_outlasts_the_next_words(attacks in attacks()) {
        let (mut attacked, mut fresh) = (codec(20, 20), codec(20, 20));
        for attack in attacks {
            let mut sound = Vec::new();
            match attack {
                Attack::Payload(payload) => {
                    let expected = attacked.samples_in(&payload);
                    let decoded = attacked.decode(&payload, &mut sound);
                    prop_assert_eq!(decoded.is_ok(), expected.is_some());
                    prop_assert_eq!(sound.len(), expected.unwrap_or(0));
                }
                Attack::Lose(samples) => {
                    prop_assert!(attacked.conceal(samples, &mut sound));
                    prop_assert_eq!(sound.len(), samples);
                }
            }
        }
        let reference = &REFERENCES[0];
        let heard = decode_all(&mut *attacked, reference.packets, reference.octets);
        let wanted = decode_all(&mut *fresh, reference.packets, reference.octets);
        let later = wanted.len() / 2;
        let likeness = likeness(&wanted[later..], &heard[later..]);
        prop_assert!(likeness > 40.0, "{likeness} dB");
    }
}
