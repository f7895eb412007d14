//! One stream's sound on its way from the decoder to who takes it: at the decoder's rate first, joined where it was
//! broken, then resampled.

use crate::conceal::{Concealment, HISTORY_MS};
use crate::resample::Resampler;
use crate::stretch::{join, lengthen, samples, shorten};

/// How long one sound passes into another where they do not go on from each other, milliseconds.
const JOIN_MS: u32 = 4;
/// The same where the sample rate changes, milliseconds.
const CHANGE_MS: u32 = 8;

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

    /// The decoder's rate and the outlet's, Hz.
    pub(crate) fn rates(&self) -> (u32, u32) {
        (self.rate, self.out_rate)
    }

    /// The decoder's rate is another from now on, or the outlet's. `out` is what was made and not yet taken; it comes to
    /// be at the outlet's new rate. What was before fades out under what comes.
    pub(crate) fn change(&mut self, rate: u32, out_rate: u32, out: &mut Vec<i16>) {
        self.broken = true;
        if (rate, out_rate) == (self.rate, self.out_rate) {
            return;
        }
        let known_us = microseconds(self.history.len(), self.rate);
        let mut whole = std::mem::take(&mut self.history);
        let mut history = Vec::new();
        Resampler::new(self.rate, rate).process(&whole, &mut history);
        let more = samples(self.rate, CHANGE_MS + 15);
        Concealment::new(&whole, self.rate).extend(more, &mut whole);
        let mut converter = Resampler::new(self.rate, out_rate);
        let mut converted = Vec::new();
        converter.process(&whole, &mut converted);
        // Where in it is what comes after all that was made.
        let end_us = (known_us + converter.delay_us(self.rate))
            .saturating_sub(self.resampler.delay_us(self.rate));
        let end = (end_us * u64::from(out_rate) / 1_000_000) as usize;
        if out_rate != self.out_rate {
            let count = out.len() as u64 * u64::from(out_rate) / u64::from(self.out_rate);
            let count = count as usize;
            out.clear();
            out.resize(count.saturating_sub(end), 0);
            let from = end.saturating_sub(count).min(converted.len());
            out.extend_from_slice(&converted[from..end.min(converted.len())]);
        }
        self.resampler = Resampler::new(rate, out_rate);
        self.alone = (self.resampler.delay_us(rate) * u64::from(out_rate) / 1_000_000) as usize;
        let length = self.alone + samples(out_rate, CHANGE_MS);
        self.tail = converted.into_iter().skip(end).take(length).collect();
        self.alone = self.alone.min(self.tail.len());
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

fn microseconds(samples: usize, rate: u32) -> u64 {
    samples as u64 * 1_000_000 / u64::from(rate)
}
