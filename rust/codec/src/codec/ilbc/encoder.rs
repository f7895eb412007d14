//! The encoder (RFC 3951 section 3).

use super::codebook::decode_around;
use super::filter::{analyse, high_pass_before_encoder};
use super::frame::Frame;
use super::search::search;
use super::{LONGEST, Lsf, Mode, ORDER, STATE, SUBBLOCK, lsf, prediction, start_state};
use crate::codec::linear_prediction::{HighPass, energy};

/// Samples kept of the frames before: what the analysis of 20 ms looks back on.
const LOOK_BACK: usize = 80;

/// An encoder of one stream.
pub struct Encoder {
    mode: Mode,
    high_pass: HighPass,
    /// The last samples of the frame before, filtered.
    past: [f32; LOOK_BACK],
    /// The last set of line spectral frequencies of the frame before, and what became of it by quantisation.
    lsf: Lsf,
    quantised_lsf: Lsf,
}

impl Encoder {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            high_pass: high_pass_before_encoder(),
            past: [0.0; LOOK_BACK],
            lsf: lsf::MEAN,
            quantised_lsf: lsf::MEAN,
        }
    }

    /// Encodes one frame's sound and appends its octets.
    pub fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) {
        let mode = self.mode;
        let mut speech = [0.0; LOOK_BACK + LONGEST];
        let speech = &mut speech[..LOOK_BACK + mode.samples()];
        speech[..LOOK_BACK].copy_from_slice(&self.past);
        for (sample, &heard) in speech[LOOK_BACK..].iter_mut().zip(sound) {
            *sample = f32::from(heard);
        }
        self.high_pass.pass(&mut speech[LOOK_BACK..]);
        self.past.copy_from_slice(&speech[mode.samples()..]);

        let mut frame = Frame::empty();
        let looked_back = match mode {
            Mode::Ms20 => LOOK_BACK,
            Mode::Ms30 => 60,
        };
        let sets = prediction::analyse(mode, &speech[LOOK_BACK - looked_back..], &self.lsf);
        frame.lsf = sets.map(|set| lsf::quantise(&set));
        let quantised_sets = frame.lsf.map(lsf::dequantise);
        let filters = prediction::filters(mode, &self.quantised_lsf, &quantised_sets);
        let weights = prediction::weighting(&prediction::filters(mode, &self.lsf, &sets));
        self.lsf = sets[mode.lsf_sets() - 1];
        self.quantised_lsf = quantised_sets[mode.lsf_sets() - 1];

        let mut residual = [0.0; LONGEST];
        let residual = &mut residual[..mode.samples()];
        for (subblock, part) in residual.chunks_exact_mut(SUBBLOCK).enumerate() {
            let begin = LOOK_BACK + subblock * SUBBLOCK;
            let heard = &speech[begin - ORDER..begin + SUBBLOCK];
            analyse(&filters[subblock], heard, part);
        }

        let first = loudest_pair(mode, residual);
        frame.start = first as u8 + 1;
        let scalar = mode.state_samples();
        let pair = &residual[first * SUBBLOCK..first * SUBBLOCK + STATE];
        let scalar_first = energy(&pair[..scalar]) > energy(&pair[STATE - scalar..]);
        frame.scalar_first = u8::from(scalar_first);
        let offset = if scalar_first { 0 } else { STATE - scalar };
        (frame.scale, frame.state) = start_state::quantise(
            &pair[offset..offset + scalar],
            &filters[first],
            [&weights[first], &weights[first + 1]],
            if scalar_first {
                SUBBLOCK
            } else {
                scalar - SUBBLOCK
            },
        );

        let mut decoded = [0.0; LONGEST];
        let begin = first * SUBBLOCK + offset;
        start_state::dequantise(
            frame.scale,
            &frame.state,
            &filters[first],
            &mut decoded[begin..begin + scalar],
        );
        decode_around(mode, &mut frame, &mut decoded, |stretch, memory, stages| {
            let mut target = [0.0; SUBBLOCK];
            let target = &mut target[..stretch.samples];
            stretch.read(residual, target);
            let weight = &weights[stretch.subblock()];
            *stages = search(memory, target, weight, stretch.narrowed);
        });
        frame.pack(mode, payload);
    }
}

/// The first of the two neighbouring sub-blocks that are loudest together, their outer ends and the frame's counting for
/// less (section 3.5.1).
fn loudest_pair(mode: Mode, residual: &[f32]) -> usize {
    const ENDS: usize = 5;
    let place_weights: &[f32] = match mode {
        Mode::Ms20 => &[0.9, 1.0, 0.9],
        Mode::Ms30 => &[0.8, 0.9, 1.0, 0.9, 0.8],
    };
    let mut loudest = (f32::NEG_INFINITY, 0);
    for (first, weight) in place_weights.iter().enumerate() {
        let pair = &residual[first * SUBBLOCK..first * SUBBLOCK + STATE];
        let ends: f32 = (0..ENDS)
            .map(|k| {
                let (front, back) = (pair[k], pair[STATE - 1 - k]);
                (k as f32 + 1.0) / 6.0 * (front * front + back * back)
            })
            .sum();
        let loudness = weight * (energy(&pair[ENDS..STATE - ENDS]) + ends);
        if loudness > loudest.0 {
            loudest = (loudness, first);
        }
    }
    loudest.1
}
