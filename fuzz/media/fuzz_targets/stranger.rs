//! A stream of a stranger's payloads, and what must hold of a codec that is given it, and sounds that no voice makes.

use sealtone_codec::{Codec, CodecKind, CodecSpec, load, open};

/// Reads the input as a clock rate, a rate of sound, whether silence is left out, and records of what happens next: two
/// octets, of which the upper five bits say how a payload is used and the rest how long it is.
pub fn stream(kind: CodecKind, clock_rates: &[u32], sample_rates: &[u32], data: &[u8]) {
    load();
    let Some((&[choice, packet], mut rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mut spec = CodecSpec::new(kind, clock_rates[usize::from(choice) % clock_rates.len()]);
    if !sample_rates.is_empty() {
        spec.sample_rate = sample_rates[usize::from(choice) % sample_rates.len()];
    }
    spec.dtx = choice & 0x80 != 0;
    let mut codec = open(&spec).expect("is installed");
    let most = spec.sample_rate as usize * 120 / 1_000;
    // What was lost may be of any length, a hostile one too.
    let lost = usize::from(packet) * spec.sample_rate as usize / 1_600;
    let mut sound = Vec::new();
    while let Some((&[high, low], records)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([high, low]) & 0x7ff).min(records.len());
        let payload;
        (payload, rest) = records.split_at(length);
        sound.clear();
        if high & 0x80 != 0 {
            let concealed = codec.conceal(lost, &mut sound);
            assert_eq!(sound.len(), if concealed { lost } else { 0 });
            sound.clear();
        }
        if high & 0x40 != 0 {
            let repaired = codec.decode_fec(payload, lost, &mut sound);
            assert_eq!(sound.len(), if repaired { lost } else { 0 });
            sound.clear();
        }
        let said = codec.samples_in(payload);
        match codec.decode(payload, &mut sound) {
            Ok(()) => {
                assert!(sound.len() <= most);
                assert_eq!(said, Some(sound.len()));
            }
            Err(_) => assert!(sound.is_empty()),
        }
        codec.leave_out_silence(high & 0x08 == 0);
        if high & 0x20 != 0 {
            encode(&mut *codec, &spec, &sound);
        }
        if high & 0x10 != 0 {
            let samples = payload.as_chunks().0.iter().copied();
            let noise: Vec<i16> = samples.map(i16::from_le_bytes).collect();
            encode(&mut *codec, &spec, &noise);
        }
    }
}

/// Encodes the whole packets of some sound: each is a payload of this codec's, or, where silence is left out, less.
fn encode(codec: &mut dyn Codec, spec: &CodecSpec, sound: &[i16]) {
    let samples = spec.packet_samples();
    for packet in sound.chunks_exact(samples) {
        let mut payload = Vec::new();
        codec.encode(packet, &mut payload).expect("a whole packet");
        let said = codec.samples_in(&payload);
        if spec.dtx {
            assert!(said.is_none_or(|said| said <= samples));
            assert!(said.is_some() || payload.is_empty());
        } else {
            assert_eq!(said, Some(samples));
        }
    }
}
