//! G.729 beside an independent implementation, bcg729, and with sounds that no speech is.

#[path = "g729/bcg729.rs"]
mod bcg729;

use bcg729::{Bcg729, FRAME};
use sealtone_codec::{Codec, CodecKind, CodecSpec, load, open};

/// A sentence of espeak-ng's: 8 kHz, 16 bits, little end first.
static SPEECH: &[u8] = include_bytes!("ilbc/speech.pcm");

/// Samples that a decoder is behind what was encoded: what is looked ahead.
const DELAY: usize = 40;

fn speech() -> Vec<i16> {
    let (pairs, _) = SPEECH.as_chunks();
    let samples = pairs.iter().map(|pair| i16::from_le_bytes(*pair));
    let mut samples: Vec<i16> = samples.collect();
    samples.truncate(samples.len() / FRAME * FRAME);
    samples
}

fn codec() -> Option<Box<dyn Codec>> {
    load();
    open(&CodecSpec::new(CodecKind::G729, 8_000)).ok()
}

/// The frames of voice that we make of a sound.
fn encode(sound: &[i16]) -> Option<Vec<Vec<u8>>> {
    let mut codec = codec()?;
    let frames = sound.chunks_exact(FRAME).map(|samples| {
        let mut frame = Vec::new();
        codec.encode(samples, &mut frame).unwrap();
        frame
    });
    Some(frames.collect())
}

fn slices(frames: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    frames.iter().map(Vec::as_slice)
}

fn energy(sound: impl IntoIterator<Item = f64>) -> f64 {
    sound.into_iter().map(|sample| sample * sample).sum()
}

/// How far above the difference of two sounds the first one is, dB.
fn signal_to_difference(wanted: &[i16], heard: &[i16]) -> f64 {
    let difference = wanted.iter().zip(heard);
    let difference = energy(difference.map(|(w, h)| f64::from(*w) - f64::from(*h)));
    10.0 * (energy(wanted.iter().copied().map(f64::from)) / difference).log10()
}

#[test]
fn another_decoder_hears_our_encoder_as_well_as_its_own() {
    let (Some(other), sound) = (Bcg729::open(), speech()) else {
        return;
    };
    let Some(frames) = encode(&sound) else { return };
    assert!(frames.iter().all(|frame| frame.len() == 10));
    let [ours, its] = [frames, other.encode(&sound, false)].map(|frames| {
        let heard = other.decode(slices(&frames));
        signal_to_difference(&sound[..sound.len() - DELAY], &heard[DELAY..])
    });
    println!("{ours:.2} dB, bcg729's own {its:.2} dB");
    assert!(ours >= its, "{ours:.2} dB, bcg729's own {its:.2} dB");
}

/// The sound of frames as we decode them; of empty ones nothing came.
fn decode<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<i16>> {
    let mut codec = codec()?;
    let mut sound = Vec::new();
    for frame in frames {
        if frame.is_empty() {
            assert!(codec.conceal(FRAME, &mut sound));
        } else {
            codec.decode(frame, &mut sound).unwrap();
        }
    }
    Some(sound)
}

#[test]
fn we_decode_as_another_does_voice_and_silence_and_what_is_lost() {
    let Some(other) = Bcg729::open() else { return };
    // A pause of a second, of low noise, is in the middle.
    let mut sound = speech();
    let middle = sound.len() / 2 / FRAME * FRAME;
    let pause = (0..100 * FRAME as i32).map(|n| (n * 7_919 % 31 - 15) as i16);
    sound.splice(middle..middle, pause);
    for (name, dtx, lost, least) in [
        ("all of it", false, 0, 40.0),
        ("with silence", true, 0, 40.0),
        ("a frame of 20 lost", false, 20, 38.0),
        ("silence, and a frame of 20 lost", true, 20, 38.0),
    ] {
        let mut frames = other.encode(&sound, dtx);
        assert_eq!(dtx, frames.iter().any(|frame| frame.len() == 2));
        if lost > 0 {
            // Not the first, before which nobody has anything to conceal with.
            for frame in frames.iter_mut().skip(lost - 1).step_by(lost) {
                frame.clear();
            }
        }
        let Some(heard) = decode(slices(&frames)) else {
            return;
        };
        let near = signal_to_difference(&other.decode(slices(&frames)), &heard);
        println!("{name}: {near:.1} dB");
        assert!(near >= least, "{name}: {near:.1} dB");
    }
}

/// A name, the sample at each place, and the least and the most root mean square that is heard of it.
type Sound<'a> = (&'a str, &'a mut dyn FnMut(usize) -> i16, [f64; 2]);

#[test]
fn what_is_no_speech_is_encoded_too() {
    let Some(other) = Bcg729::open() else { return };
    let tone = |step: f64| move |n: usize| ((n as f64 * step).sin() * 30_000.0) as i16;
    let mut seed = 1_u32;
    let mut noise = move |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as i16
    };
    let sounds: [Sound<'_>; 8] = [
        ("silence", &mut |_| 0, [0.0, 6.0]),
        ("a lowest bit", &mut |n| (n % 2) as i16, [0.0, 6.0]),
        ("a constant", &mut |_| i16::MIN, [0.0, 4_000.0]),
        (
            "a square",
            &mut |n| if n / 20 % 2 == 0 { i16::MIN } else { i16::MAX },
            [9_000.0, 33_000.0],
        ),
        (
            "the highest tone",
            &mut |n| if n % 2 == 0 { i16::MIN } else { i16::MAX },
            [2_000.0, 33_000.0],
        ),
        ("a tone", &mut tone(0.3), [12_000.0, 30_000.0]),
        (
            "clicks",
            &mut |n| if n % 400 == 0 { i16::MAX } else { 0 },
            [10.0, 4_000.0],
        ),
        ("noise", &mut noise, [5_000.0, 25_000.0]),
    ];
    for (name, sample, [least, most]) in sounds {
        let sound: Vec<i16> = (0..100 * FRAME).map(sample).collect();
        let Some(frames) = encode(&sound) else { return };
        let heard = other.decode(slices(&frames));
        let later = &heard[50 * FRAME..];
        let level = energy(later.iter().copied().map(f64::from)) / later.len() as f64;
        let level = level.sqrt();
        println!("{name}: {level:.0}");
        assert!((least..=most).contains(&level), "{name}: {level:.0}");
    }
}
