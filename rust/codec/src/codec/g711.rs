//! G.711: eight bits a sample, by table.

use crate::codec::{Codec, CodecError};

/// PCMU or PCMA.
pub struct G711 {
    decode: &'static [i16; 256],
    /// By the upper 14 bits of a sample.
    encode: &'static [u8; 16_384],
}

static MU_DECODE: [i16; 256] = mu_decode_table();
static MU_ENCODE: [u8; 16_384] = encode_table(true);
static A_DECODE: [i16; 256] = a_decode_table();
static A_ENCODE: [u8; 16_384] = encode_table(false);

impl G711 {
    /// PCMU.
    #[must_use]
    pub fn mu_law() -> Self {
        Self {
            decode: &MU_DECODE,
            encode: &MU_ENCODE,
        }
    }

    /// PCMA.
    #[must_use]
    pub fn a_law() -> Self {
        Self {
            decode: &A_DECODE,
            encode: &A_ENCODE,
        }
    }
}

impl Codec for G711 {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        let table = self.encode;
        payload.extend(
            sound
                .iter()
                .map(|&sample| table[usize::from((sample as u16) >> 2)]),
        );
        Ok(())
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        let table = self.decode;
        sound.extend(payload.iter().map(|&octet| table[usize::from(octet)]));
        Ok(())
    }

    fn conceal(&mut self, _samples: usize, _sound: &mut Vec<i16>) -> bool {
        false
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        Some(payload.len())
    }
}

/// G.711 table 2a, turned round: sign, exponent and mantissa all inverted on the wire.
const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0_i16; 256];
    let mut octet = 0;
    while octet < 256 {
        let inverted = !(octet as u8);
        let exponent = (inverted >> 4) & 7;
        let mantissa = (inverted & 15) as i32;
        let magnitude = (((mantissa << 3) + 132) << exponent) - 132;
        table[octet] = if inverted & 0x80 == 0 {
            magnitude
        } else {
            -magnitude
        } as i16;
        octet += 1;
    }
    table
}

/// G.711 table 1a: even bits inverted on the wire.
const fn a_decode_table() -> [i16; 256] {
    let mut table = [0_i16; 256];
    let mut octet = 0;
    while octet < 256 {
        let plain = (octet as u8) ^ 0x55;
        let exponent = (plain >> 4) & 7;
        let mantissa = (plain & 15) as i32;
        let magnitude = if exponent == 0 {
            (mantissa << 4) + 8
        } else {
            ((mantissa << 4) + 264) << (exponent - 1)
        };
        table[octet] = if plain & 0x80 == 0 {
            -magnitude
        } else {
            magnitude
        } as i16;
        octet += 1;
    }
    table
}

const fn encode_table(mu_law: bool) -> [u8; 16_384] {
    let mut table = [0_u8; 16_384];
    let mut index = 0;
    while index < 16_384 {
        let sample = ((index << 2) as u16) as i16;
        table[index] = if mu_law {
            mu_encode(sample)
        } else {
            a_encode(sample)
        };
        index += 1;
    }
    table
}

const fn mu_encode(sample: i16) -> u8 {
    let (sign, positive) = if sample < 0 {
        (0x80_u8, !(sample as i32))
    } else {
        (0, sample as i32)
    };
    let biased = (if positive > 32_635 { 32_635 } else { positive }) + 132;
    let exponent = (24 - (biased as u32).leading_zeros()) as u8;
    let mantissa = ((biased >> (exponent + 3)) & 15) as u8;
    !(sign | (exponent << 4) | mantissa)
}

const fn a_encode(sample: i16) -> u8 {
    let (sign, positive) = if sample < 0 {
        (0_u8, !(sample as i32))
    } else {
        (0x80, sample as i32)
    };
    let exponent = if positive < 256 {
        0
    } else {
        (24 - (positive as u32).leading_zeros()) as u8
    };
    let shift = if exponent == 0 { 4 } else { exponent + 3 };
    let mantissa = ((positive >> shift) & 15) as u8;
    (sign | (exponent << 4) | mantissa) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_comes_back_from_its_own_sound() {
        for (name, mut codec) in [("PCMU", G711::mu_law()), ("PCMA", G711::a_law())] {
            for octet in 0..=255_u8 {
                let (mut sound, mut again) = (Vec::new(), Vec::new());
                codec.decode(&[octet], &mut sound).unwrap();
                codec.encode(&sound, &mut again).unwrap();
                // µ-law has two zeros, which sound alike.
                let same = again == [octet] || (name == "PCMU" && octet == 0x7f && again == [0xff]);
                assert!(same, "{name} {octet:#x} became {again:x?}");
            }
        }
    }

    #[test]
    fn known_octets_have_their_known_sound() {
        let (mut mu, mut a) = (Vec::new(), Vec::new());
        G711::mu_law()
            .decode(&[0x00, 0x80, 0xff, 0x7f], &mut mu)
            .unwrap();
        G711::a_law()
            .decode(&[0xd5, 0x55, 0xaa, 0x2a], &mut a)
            .unwrap();
        assert_eq!(mu, [-32_124, 32_124, 0, 0]);
        assert_eq!(a, [8, -8, 32_256, -32_256]);
    }
}
