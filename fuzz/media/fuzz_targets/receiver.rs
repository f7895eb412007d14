//! The jitter buffer and what stands around it: whatever comes, and whenever, each block of sound is as long as was asked
//! for, and what is decoded ahead with other streams is heard as if it were not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_codec::{Arrival, CodecKind, CodecSpec, Receiver, ReceiverConfig};

const RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];
/// G.711 and G.722 have no state but what is written here, so that streams can be compared.
const FORMATS: [(u8, CodecKind, u32); 6] = [
    (0, CodecKind::Pcmu, 8_000),
    (9, CodecKind::G722, 8_000),
    (101, CodecKind::TelephoneEvent, 8_000),
    (13, CodecKind::ComfortNoise, 8_000),
    (102, CodecKind::TelephoneEvent, 48_000),
    (8, CodecKind::Pcma, 8_000),
];

fn config(choice: u8) -> ReceiverConfig {
    let known = 3 + usize::from(choice >> 2 & 3);
    let formats = FORMATS.iter().take(known);
    ReceiverConfig {
        formats: formats
            .map(|&(payload_type, kind, clock)| (payload_type, CodecSpec::new(kind, clock)))
            .collect(),
        sample_rate: RATES[usize::from(choice & 3)],
        detect_tones: choice & 16 != 0,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, script)) = data.split_first() else {
        return;
    };
    let mut sample_rate = config(choice).sample_rate;
    let mut alone = Receiver::new(config(choice));
    let mut together = [(); 2].map(|()| Receiver::new(config(choice)));
    let (mut now_us, mut sequence, mut timestamp, mut ssrc) = (1_000_000_u64, 0_u16, 0_u32, 7);
    let octets: Vec<u8> = (0..=255).cycle().take(2_200).collect();
    for &[operation, a, b, c, d, e] in script.as_chunks::<6>().0 {
        match operation & 7 {
            // Packets that come more or less in order, or not at all.
            0..=3 => {
                sequence = sequence.wrapping_add_signed(1 + i16::from(a as i8 / 32));
                timestamp = timestamp.wrapping_add_signed(160 + i32::from(b as i8) / 32 * 160);
                if operation & 0x30 == 0x30 {
                    sequence = sequence.wrapping_add(u16::from_le_bytes([c, d]));
                    timestamp = timestamp.wrapping_add(u32::from_le_bytes([a, b, c, d]));
                }
                ssrc += u32::from(operation & 0xc0 == 0xc0);
                let length = if c < 200 {
                    160
                } else {
                    usize::from(c - 200) * 40
                };
                let from = usize::from(d) % (octets.len() - length + 1);
                let arrival = Arrival {
                    sequence,
                    timestamp,
                    payload_type: FORMATS[usize::from(e) % FORMATS.len()].0,
                    marker: operation & 8 != 0,
                    ssrc,
                    at_us: now_us,
                    payload: &octets[from..from + length],
                };
                alone.push(&arrival);
                together.iter_mut().for_each(|one| one.push(&arrival));
            }
            4..=6 => {
                now_us += u64::from(a) * 100 + u64::from(b & 1) * 20_000;
                let samples = (sample_rate / 1_000) as usize * usize::from(1 + c % 60);
                let mut able: Vec<_> = together
                    .iter_mut()
                    .filter_map(|one| one.can_be_ahead(samples, now_us).then_some(one))
                    .collect();
                Receiver::decode_together(&mut able);
                let mut expected = Vec::new();
                alone.pull(samples, &mut expected, now_us);
                assert_eq!(expected.len(), samples);
                let digits = alone.digits();
                for one in &mut together {
                    let mut sound = Vec::new();
                    one.pull(samples, &mut sound, now_us);
                    assert_eq!(sound, expected);
                    assert_eq!(one.digits(), digits);
                }
            }
            _ => {
                now_us += u64::from(u16::from_le_bytes([b, c])) * 1_000;
                let choice = if d & 1 == 0 { a } else { choice };
                sample_rate = config(choice).sample_rate;
                alone.reconfigure(config(choice));
                together
                    .iter_mut()
                    .for_each(|one| one.reconfigure(config(choice)));
            }
        }
    }
    assert_eq!(alone.stats(), together[0].stats());
});
