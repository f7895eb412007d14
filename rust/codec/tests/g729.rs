//! G.729 beside an independent implementation, bcg729, and with sounds that no speech is.

#[path = "g729/bcg729.rs"]
mod bcg729;

use bcg729::{Bcg729, FRAME};
use sealtone_codec::{Codec, CodecKind, CodecSpec, open};

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

fn codec(dtx: bool) -> Box<dyn Codec> {
    let spec = CodecSpec {
        dtx,
        packet_ms: 10,
        ..CodecSpec::new(CodecKind::G729, 8_000)
    };
    open(&spec).unwrap()
}

/// The frames that we make of a sound: of 10 octets, and with `dtx` also of 2 or none.
fn encode(sound: &[i16], dtx: bool) -> Vec<Vec<u8>> {
    let mut codec = codec(dtx);
    let frames = sound.chunks_exact(FRAME).map(|samples| {
        let mut frame = Vec::new();
        codec.encode(samples, &mut frame).unwrap();
        frame
    });
    frames.collect()
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
    let Some(other) = Bcg729::open() else { return };
    let sound = speech();
    let frames = encode(&sound, false);
    assert!(frames.iter().all(|frame| frame.len() == 10));
    let [ours, its] = [frames, other.encode(&sound, false)].map(|frames| {
        let heard = other.decode(slices(&frames));
        signal_to_difference(&sound[..sound.len() - DELAY], &heard[DELAY..])
    });
    println!("{ours:.2} dB, bcg729's own {its:.2} dB");
    assert!(ours >= its, "{ours:.2} dB, bcg729's own {its:.2} dB");
}

/// The sound of frames as we decode them; of empty ones nothing came.
fn decode<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Vec<i16> {
    let mut codec = codec(false);
    let mut sound = Vec::new();
    for frame in frames {
        if frame.is_empty() {
            assert!(codec.conceal(FRAME, &mut sound));
        } else {
            codec.decode(frame, &mut sound).unwrap();
        }
    }
    sound
}

#[test]
fn we_decode_as_another_does_voice_and_silence_and_what_is_lost() {
    let Some(other) = Bcg729::open() else { return };
    let (sound, _) = speech_and_pauses();
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
        let heard = decode(slices(&frames));
        let near = signal_to_difference(&other.decode(slices(&frames)), &heard);
        println!("{name}: {near:.1} dB");
        assert!(near >= least, "{name}: {near:.1} dB");
    }
}

/// Noise of that root mean square, nearly white.
fn noise(level: f64, samples: usize) -> Vec<i16> {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(seed >> 16) / 32_768.0 - 1.0
    };
    // Four evenly spread numbers have the variance 4 / 3.
    let sums = (0..samples).map(|_| (0..4).map(|_| next()).sum::<f64>());
    sums.map(|sum| (sum * level * 0.75_f64.sqrt()) as i16)
        .collect()
}

/// The root mean square of the pauses' noise.
const NOISE: f64 = 20.0;

/// Speech twice, in noise, with pauses of two seconds; and by frames whether it is a pause.
fn speech_and_pauses() -> (Vec<i16>, Vec<bool>) {
    let (speech, silence) = (speech(), vec![0; 200 * FRAME]);
    let parts = [&silence, &speech, &silence, &speech, &silence];
    let mut sound = parts.map(Vec::as_slice).concat();
    for (sample, noise) in sound.iter_mut().zip(noise(NOISE, 40 * 100 * FRAME)) {
        *sample = sample.saturating_add(noise);
    }
    let pauses = parts
        .iter()
        .enumerate()
        .flat_map(|(part, sound)| vec![part.is_multiple_of(2); sound.len() / FRAME]);
    let pauses = pauses.collect();
    (sound, pauses)
}

#[test]
fn pauses_are_left_out_and_heard_as_noise_of_their_level() {
    let (sound, pauses) = speech_and_pauses();
    let frames = encode(&sound, true);
    let of_pauses = || {
        frames
            .iter()
            .zip(&pauses)
            .filter(|(_, is_pause)| **is_pause)
    };
    let unsent = of_pauses().filter(|(frame, _)| frame.is_empty()).count();
    let told = of_pauses().filter(|(frame, _)| frame.len() == 2).count();
    println!(
        "of {} frames {unsent} are not sent, {told} tell of silence",
        of_pauses().count()
    );
    assert!(
        unsent * 10 >= of_pauses().count() * 6,
        "{unsent} of {}",
        of_pauses().count()
    );
    assert!((2..60).contains(&told), "{told}");

    let heard = decode(slices(&frames));
    let level = |sound: &[i16]| {
        let power = energy(sound.iter().copied().map(f64::from)) / sound.len() as f64;
        10.0 * power.log10()
    };
    // The second half of the last pause.
    let end = sound.len() - 100 * FRAME;
    let (wanted, made) = (level(&sound[end..]), level(&heard[end..]));
    println!("noise of {wanted:.1} dB is heard with {made:.1} dB");
    assert!(
        (wanted - made).abs() < 3.0,
        "{wanted:.1} dB became {made:.1} dB"
    );

    // What is said is not cut off.
    let whole = decode(slices(&encode(&sound, false)));
    for (at, (pause, frame)) in pauses.iter().zip(&frames).enumerate() {
        let samples = at * FRAME..(at + 1) * FRAME;
        if !pause && level(&whole[samples]) > 50.0 {
            assert_eq!(frame.len(), 10, "frame {at}");
        }
    }
}

#[test]
fn another_decoder_hears_our_silence_as_we_do() {
    let Some(other) = Bcg729::open() else { return };
    let (sound, pauses) = speech_and_pauses();
    let frames = encode(&sound, true);
    let near = signal_to_difference(&other.decode(slices(&frames)), &decode(slices(&frames)));
    println!("{near:.1} dB");
    assert!(near >= 35.0, "{near:.1} dB");

    // As much of the speech is sent as another encoder would, and no more of the pauses.
    let its = other.encode(&sound, true);
    let sent = |frames: &[Vec<u8>], pause: bool| {
        let frames = frames.iter().zip(&pauses);
        frames
            .filter(|(frame, is)| frame.len() == 10 && **is == pause)
            .count()
    };
    let [ours, its] = [&frames, &its].map(|frames| [true, false].map(|pause| sent(frames, pause)));
    println!("voice in pauses and in speech: {ours:?}, of bcg729 {its:?}");
    assert!(ours[0] <= its[0] + 20, "{ours:?} {its:?}");
    assert!(ours[1] + 10 >= its[1], "{ours:?} {its:?}");
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
        let frames = encode(&sound, false);
        let heard = other.decode(slices(&frames));
        let later = &heard[50 * FRAME..];
        let level = energy(later.iter().copied().map(f64::from)) / later.len() as f64;
        let level = level.sqrt();
        println!("{name}: {level:.0}");
        assert!((least..=most).contains(&level), "{name}: {level:.0}");
    }
}
