//! The decoder (RFC 3951 section 4).

use super::codebook::decode_around;
use super::concealment::Concealment;
use super::enhancer::Enhancer;
use super::filter::{high_pass_after_decoder, synthesise};
use super::frame::Frame;
use super::{
    Filters, LONGEST, Lsf, MOST_SUBBLOCKS, Mode, ORDER, STATE, SUBBLOCK, lsf, prediction,
    start_state,
};
use crate::codec::linear_prediction::HighPass;

/// No residual of speech of 16 bits comes near; a frame made up by somebody may.
const LOUDEST_RESIDUAL: f32 = 1.0e6;

/// A decoder of one stream.
pub struct Decoder {
    mode: Mode,
    lsf: Lsf,
    /// Of the frame before: the enhancer is late by one or two sub-blocks.
    filters: Filters,
    concealment: Concealment,
    enhancer: Enhancer,
    /// Pitch of the last frame, samples.
    lag: usize,
    /// Whether the frame before was lost.
    lost: bool,
    /// The last samples that the synthesis put out.
    past: [f32; ORDER],
    high_pass: HighPass,
}

impl Decoder {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            lsf: lsf::MEAN,
            filters: [[0.0; ORDER]; MOST_SUBBLOCKS],
            concealment: Concealment::new(),
            enhancer: Enhancer::new(),
            lag: 20,
            lost: false,
            past: [0.0; ORDER],
            high_pass: high_pass_after_decoder(),
        }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Decodes one frame's octets and appends its sound. A frame that says it is none is concealed.
    pub fn decode(&mut self, octets: &[u8], sound: &mut Vec<i16>) {
        match Frame::unpack(self.mode, octets) {
            Some(frame) => self.hear(frame, sound),
            None => self.conceal(sound),
        }
    }

    /// Appends the sound of one frame in place of a lost one.
    pub fn conceal(&mut self, sound: &mut Vec<i16>) {
        let mut residual = [0.0; LONGEST];
        let residual = &mut residual[..self.mode.samples()];
        let filter = self.concealment.conceal(self.lag, residual);
        self.put_out(residual, [filter; MOST_SUBBLOCKS], true, sound);
    }

    fn hear(&mut self, mut frame: Frame, sound: &mut Vec<i16>) {
        let mode = self.mode;
        let sets = frame.lsf.map(lsf::dequantise);
        let filters = prediction::filters(mode, &self.lsf, &sets);
        self.lsf = sets[mode.lsf_sets() - 1];

        let first = usize::from(frame.start) - 1;
        let scalar = mode.state_samples();
        let offset = if frame.scalar_first == 1 {
            0
        } else {
            STATE - scalar
        };
        let begin = first * SUBBLOCK + offset;
        let mut residual = [0.0; LONGEST];
        start_state::dequantise(
            frame.scale,
            &frame.state,
            &filters[first],
            &mut residual[begin..begin + scalar],
        );
        decode_around(mode, &mut frame, &mut residual, |_, _, _| {});
        let residual = &mut residual[..mode.samples()];
        for sample in residual.iter_mut() {
            if !sample.is_finite() || sample.abs() > LOUDEST_RESIDUAL {
                *sample = 0.0;
            }
        }
        self.concealment
            .hear(residual, &filters[mode.subblocks() - 1]);
        self.put_out(residual, filters, false, sound);
    }

    /// Enhances a residual, makes sound of it, and remembers what the next frame needs.
    fn put_out(&mut self, residual: &[f32], filters: Filters, lost: bool, sound: &mut Vec<i16>) {
        let mode = self.mode;
        let mut enhanced = [0.0; ORDER + LONGEST];
        let enhanced = &mut enhanced[..ORDER + mode.samples()];
        enhanced[..ORDER].copy_from_slice(&self.past);
        self.lag = self
            .enhancer
            .enhance(mode, residual, self.lost, &mut enhanced[ORDER..]);
        let late = Enhancer::delay(mode) / SUBBLOCK;
        let due = self.filters[mode.subblocks() - late..mode.subblocks()].iter();
        for (subblock, filter) in due.chain(&filters).take(mode.subblocks()).enumerate() {
            let begin = subblock * SUBBLOCK;
            synthesise(filter, &mut enhanced[begin..begin + ORDER + SUBBLOCK]);
        }
        self.past.copy_from_slice(&enhanced[mode.samples()..]);
        self.filters = filters;
        self.lost = lost;
        self.high_pass.pass(&mut enhanced[ORDER..]);
        // What is too loud, `as` makes the largest sample.
        sound.extend(enhanced[ORDER..].iter().map(|sample| sample.round() as i16));
    }
}
