//! One stream's sound on its way from the decoder to who takes it: at the decoder's rate first, joined where it was
//! broken, then resampled.

use crate::conceal::{Concealment, HISTORY_MS};
use crate::resample::Resampler;
use crate::stretch::{join, lengthen, samples, shorten};

/// How long one sound passes into another where they do not go on from each other, milliseconds.
const JOIN_MS: u32 = 8;

/// Sound between decoder and outlet.
pub(crate) struct Voice {
    rate: u32,
    out_rate: u32,
    history: Vec<i16>,
    resampler: Resampler,
    concealment: Option<Concealment>,
    /// What is made next does not go on from what was made last.
    broken: bool,
    /// How the sound before a change of rate goes on, at the outlet's rate; it fades out under the new sound.
    tail: Vec<i16>,
    /// How much of the tail stands alone, since the new sound is still in the resampler.
    alone: usize,
    scratch: Vec<i16>,
}

impl Voice {
    pub(crate) fn new(rate: u32, out_rate: u32) -> Self {
        Self {
            rate,
            out_rate,
            history: Vec::new(),
            resampler: Resampler::new(rate, out_rate),
            concealment: None,
            broken: true,
            tail: Vec::new(),
            alone: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// The decoder's rate is another from now on, or the outlet's. What was before fades out.
    pub(crate) fn change(&mut self, rate: u32, out_rate: u32) {
        self.broken = true;
        if (rate, out_rate) == (self.rate, self.out_rate) {
            return;
        }
        let mut on = Vec::new();
        let length = samples(self.rate, JOIN_MS + 5);
        self.continuation(length, &mut on);
        let mut tail = Vec::new();
        self.resampler.process(&on, &mut tail);
        if out_rate != self.out_rate {
            let mut at_new_rate = Vec::new();
            Resampler::new(self.out_rate, out_rate).process(&tail, &mut at_new_rate);
            tail = at_new_rate;
        }
        let mut history = Vec::new();
        Resampler::new(self.rate, rate).process(&self.history, &mut history);
        self.resampler = Resampler::new(rate, out_rate);
        self.alone = (self.resampler.delay_us(rate) * u64::from(out_rate) / 1_000_000) as usize;
        tail.truncate(self.alone + samples(out_rate, JOIN_MS));
        self.tail = tail;
        self.history = history;
        self.concealment = None;
        (self.rate, self.out_rate) = (rate, out_rate);
        // The new sound begins under the tail, and needs no other join.
        self.broken = false;
    }

    /// What is made next does not go on from what was made last.
    pub(crate) fn break_off(&mut self) {
        self.broken = true;
    }

    /// Makes `count` samples of concealment of our own.
    pub(crate) fn conceal(&mut self, count: usize, out: &mut Vec<i16>) {
        let mut sound = std::mem::take(&mut self.scratch);
        sound.clear();
        self.continuation(count, &mut sound);
        self.emit(&sound, out);
        self.scratch = sound;
        self.broken = true;
    }

    fn continuation(&mut self, count: usize, sound: &mut Vec<i16>) {
        self.concealment
            .get_or_insert_with(|| Concealment::new(&self.history, self.rate))
            .extend(count, sound);
    }

    /// Gives out decoded sound, or noise; joined to what was before if that is broken off.
    pub(crate) fn give(&mut self, sound: &mut [i16], out: &mut Vec<i16>) {
        if self.broken && !sound.is_empty() {
            let mut tail = std::mem::take(&mut self.scratch);
            tail.clear();
            self.continuation(samples(self.rate, JOIN_MS).min(sound.len()), &mut tail);
            join(&tail, sound);
            self.scratch = tail;
            self.broken = false;
        }
        self.concealment = None;
        self.emit(sound, out);
    }

    /// Takes up to `most` samples out of the beginning of `sound`; says how many.
    pub(crate) fn shorten(&self, sound: &mut Vec<i16>, most: usize, least: f32) -> usize {
        if self.broken {
            return 0;
        }
        shorten(sound, self.rate, most, least)
    }

    /// Puts some samples in before `sound`; says how many.
    pub(crate) fn lengthen(&self, sound: &mut Vec<i16>, least: f32) -> usize {
        if self.broken {
            return 0;
        }
        lengthen(&self.history, sound, self.rate, least)
    }

    fn emit(&mut self, sound: &[i16], out: &mut Vec<i16>) {
        self.history.extend_from_slice(sound);
        let kept = samples(self.rate, HISTORY_MS);
        if self.history.len() > 2 * kept {
            self.history.drain(..self.history.len() - kept);
        }
        let from = out.len();
        self.resampler.process(sound, out);
        self.mix_tail(&mut out[from..]);
    }

    fn mix_tail(&mut self, sound: &mut [i16]) {
        let count = self.tail.len().min(sound.len());
        if count == 0 {
            return;
        }
        let alone = self.alone.min(count);
        sound[..alone].copy_from_slice(&self.tail[..alone]);
        let left = self.tail.len() - alone;
        let both = sound[alone..count].iter_mut().zip(&self.tail[alone..]);
        for (step, (sample, &tail)) in both.enumerate() {
            let weight = (step + 1) as f32 / (left + 1) as f32;
            let (from, to) = (f32::from(tail), f32::from(*sample));
            *sample = (from + (to - from) * weight) as i16;
        }
        self.tail.drain(..count);
        self.alone -= alone;
    }
}
