//! FLAC (RFC 9639) as a stream: 16-bit stereo in the streamable subset, with fixed predictors and Rice codes.
//!
//! The channels are coded apart: two people who talk to each other have nothing in common to save on. Total samples
//! and MD5 are left unknown (zero), since a stream cannot go back to its header (RFC 9639 8.2).

mod bits;

use bits::{BitWriter, crc8, crc16};

/// Most samples of a block in the streamable subset up to 48 kHz (RFC 9639 7).
const LARGEST_BLOCK: u32 = 4_608;
const MAX_ORDER: usize = 4;
const MAX_PARTITION_ORDER: u32 = 4;
/// Largest Rice parameter of the 4-bit kind (RFC 9639 9.2.7).
const MAX_RICE: u32 = 14;
const BITS: u32 = 16;

/// A FLAC stream, made as it goes.
#[derive(Debug)]
pub struct Flac {
    sample_rate: u32,
    block: u32,
    number: u64,
}

impl Flac {
    /// `sample_rate` in Hz, at most 655,350.
    pub fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate,
            block: (sample_rate / 5).clamp(16, LARGEST_BLOCK),
            number: 0,
        }
    }

    /// Samples of each channel in a block; only the last may have fewer.
    pub fn block(&self) -> usize {
        self.block as usize
    }

    /// Marker and STREAMINFO (RFC 9639 8.2).
    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"fLaC");
        out.extend_from_slice(&[0x80, 0, 0, 34]);
        let mut bits = BitWriter::default();
        bits.put(16, self.block);
        bits.put(16, self.block);
        bits.put(24, 0); // smallest and
        bits.put(24, 0); // largest frame: unknown
        bits.put(20, self.sample_rate);
        bits.put(3, 1); // channels less one
        bits.put(5, BITS - 1);
        bits.put(4, 0); // total samples, 36 bits
        bits.put(32, 0);
        out.append(&mut bits.finish());
        out.extend_from_slice(&[0; 16]);
    }

    /// One block of both channels (RFC 9639 9).
    pub fn write(&mut self, left: &[i16], right: &[i16], out: &mut Vec<u8>) {
        let mut bits = BitWriter::default();
        bits.put(16, 0xfff8); // sync code, fixed block size
        bits.put(4, 0b0111); // block size in 16 bits at the end of the header
        bits.put(4, 0); // sample rate as in STREAMINFO
        bits.put(4, 1); // left and right
        bits.put(3, 0b100); // 16 bits
        bits.put(1, 0);
        put_coded_number(&mut bits, self.number);
        bits.put(16, left.len() as u32 - 1);
        let crc = crc8(bits.octets());
        bits.put(8, u32::from(crc));
        put_subframe(&mut bits, left);
        put_subframe(&mut bits, right);
        bits.align();
        let crc = crc16(bits.octets());
        bits.put(16, u32::from(crc));
        out.append(&mut bits.finish());
        self.number += 1;
    }
}

/// A frame's number, in the manner of UTF-8 (RFC 9639 9.1.5).
fn put_coded_number(bits: &mut BitWriter, number: u64) {
    if number < 0x80 {
        bits.put(8, number as u32);
        return;
    }
    let following = (2..=6)
        .find(|&octets| number < 1 << (5 * octets + 1))
        .unwrap_or(7)
        - 1;
    let lead = (0xff00_u32 >> (following + 1)) & 0xff;
    let first = if following < 6 {
        (number >> (6 * following)) as u32
    } else {
        0
    };
    bits.put(8, lead | first);
    for index in (0..following).rev() {
        bits.put(8, 0x80 | ((number >> (6 * index)) as u32 & 0x3f));
    }
}

fn put_subframe(bits: &mut BitWriter, sound: &[i16]) {
    if sound.iter().all(|&sample| sample == sound[0]) {
        bits.put(8, 0); // constant
        bits.put_signed(BITS, i32::from(sound[0]));
        return;
    }
    let order = best_order(sound);
    let residual = residual(sound, order);
    let plan = plan_rice(&residual, order, sound.len());
    if plan.bits + u64::from(BITS) * order as u64 >= u64::from(BITS) * sound.len() as u64 {
        bits.put(8, 0b10); // verbatim
        for &sample in sound {
            bits.put_signed(BITS, i32::from(sample));
        }
        return;
    }
    bits.put(8, (0b1000 | order as u32) << 1);
    for &sample in &sound[..order] {
        bits.put_signed(BITS, i32::from(sample));
    }
    bits.put(2, 0); // Rice codes with 4-bit parameters
    bits.put(4, plan.partition_order);
    let mut rest = residual.as_slice();
    for (index, &parameter) in plan.parameters.iter().enumerate() {
        let length =
            partition(sound.len(), plan.partition_order) - if index == 0 { order } else { 0 };
        let (part, after) = rest.split_at(length);
        rest = after;
        bits.put(4, parameter);
        for &value in part {
            let folded = fold(value);
            bits.put_unary(folded >> parameter);
            bits.put(parameter, folded & ((1 << parameter) - 1));
        }
    }
}

/// The fixed predictor with the smallest residual (RFC 9639 9.2.5).
fn best_order(sound: &[i16]) -> usize {
    let most = MAX_ORDER.min(sound.len().saturating_sub(1));
    (0..=most)
        .min_by_key(|&order| {
            residual(sound, order)
                .iter()
                .map(|value| u64::from(value.unsigned_abs()))
                .sum::<u64>()
        })
        .unwrap_or(0)
}

/// What a fixed predictor leaves: differences of differences.
fn residual(sound: &[i16], order: usize) -> Vec<i32> {
    let mut values: Vec<i32> = sound.iter().map(|&sample| i32::from(sample)).collect();
    for _ in 0..order {
        values = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    values
}

struct RicePlan {
    partition_order: u32,
    parameters: Vec<u32>,
    bits: u64,
}

/// Into how many parts the residual is cut, each with the parameter that suits it best.
fn plan_rice(residual: &[i32], order: usize, samples: usize) -> RicePlan {
    (0..=MAX_PARTITION_ORDER)
        .filter(|&cut| samples.is_multiple_of(1 << cut) && partition(samples, cut) > order)
        .map(|cut| {
            let mut parameters = Vec::with_capacity(1 << cut);
            let (mut total, mut rest) = (0, residual);
            for index in 0..1 << cut {
                let length = partition(samples, cut) - if index == 0 { order } else { 0 };
                let (part, after) = rest.split_at(length);
                rest = after;
                let (parameter, bits) = best_parameter(part);
                parameters.push(parameter);
                total += 4 + bits;
            }
            RicePlan {
                partition_order: cut,
                parameters,
                bits: total,
            }
        })
        .min_by_key(|plan| plan.bits)
        .unwrap_or(RicePlan {
            partition_order: 0,
            parameters: vec![0],
            bits: u64::MAX / 2,
        })
}

fn partition(samples: usize, partition_order: u32) -> usize {
    samples >> partition_order
}

fn best_parameter(part: &[i32]) -> (u32, u64) {
    let bits = |parameter: u32| {
        let quotients: u64 = part
            .iter()
            .map(|&value| u64::from(fold(value) >> parameter))
            .sum();
        quotients + part.len() as u64 * u64::from(parameter + 1)
    };
    let sum: u64 = part.iter().map(|&value| u64::from(fold(value))).sum();
    let mean = sum / (part.len() as u64).max(1);
    // The best parameter is near the logarithm of the mean.
    let near = (64 - mean.leading_zeros()).min(MAX_RICE);
    (near.saturating_sub(2)..=(near + 1).min(MAX_RICE))
        .map(|parameter| (parameter, bits(parameter)))
        .min_by_key(|&(_, bits)| bits)
        .unwrap_or((0, 0))
}

/// Signed to unsigned: 0, -1, 1, -2 become 0, 1, 2, 3.
fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}
