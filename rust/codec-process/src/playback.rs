//! Sounds played to a leg.

use std::rc::Rc;

use sealtone_codec::Resampler;

/// A sound, whole or still on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sound {
    pub(crate) rate: u32,
    /// Samples of the whole.
    pub(crate) samples: usize,
    pub(crate) pcm: Rc<Vec<i16>>,
}

impl Sound {
    fn is_whole(&self) -> bool {
        self.pcm.len() == self.samples
    }
}

/// What plays to a leg: sounds one after the other.
pub(crate) struct Playback {
    /// Told back at the end.
    pub(crate) playing: u32,
    repeat: bool,
    /// Mixed with what the leg hears.
    pub(crate) over: bool,
    sounds: Vec<u16>,
    next: usize,
    current: Option<Current>,
    /// At the rate of the mouth, not played yet.
    ready: Vec<i16>,
}

struct Current {
    sound: Sound,
    at: usize,
    resampler: Option<Resampler>,
}

/// Milliseconds of a sound resampled at a time.
const STEP_MS: usize = 20;

impl Playback {
    pub(crate) fn new(playing: u32, repeat: bool, over: bool, sounds: Vec<u16>) -> Self {
        Self {
            playing,
            repeat,
            over,
            sounds,
            next: 0,
            current: None,
            ready: Vec::new(),
        }
    }

    /// Mixes or puts the next samples into `sound`, which is at `rate` Hz. True when all have been played.
    pub(crate) fn play(&mut self, library: &[Option<Sound>], rate: u32, sound: &mut [i16]) -> bool {
        let mut ended = false;
        while self.ready.len() < sound.len() && !ended {
            ended = !self.prepare(library, rate);
        }
        if !self.over {
            sound.fill(0);
        }
        let count = self.ready.len().min(sound.len());
        for (sample, played) in sound.iter_mut().zip(self.ready.drain(..count)) {
            *sample = sample.saturating_add(played);
        }
        ended && self.next == self.sounds.len() && self.current.is_none()
    }

    /// Prepares a step of sound; false where none is to be had now.
    fn prepare(&mut self, library: &[Option<Sound>], rate: u32) -> bool {
        let Some(current) = &mut self.current else {
            return self.begin_next(library, rate);
        };
        let pcm = &current.sound.pcm;
        let step = current.sound.rate as usize * STEP_MS / 1_000;
        let end = (current.at + step).min(pcm.len());
        let part = &pcm[current.at..end];
        match &mut current.resampler {
            Some(resampler) => resampler.process(part, &mut self.ready),
            None => self.ready.extend_from_slice(part),
        }
        current.at = end;
        if end == pcm.len() {
            self.current = None;
        }
        true
    }

    fn begin_next(&mut self, library: &[Option<Sound>], rate: u32) -> bool {
        if self.next == self.sounds.len() {
            if !self.repeat || self.sounds.is_empty() {
                return false;
            }
            self.next = 0;
        }
        let number = usize::from(self.sounds[self.next]);
        let Some(sound) = library
            .get(number)
            .and_then(Option::as_ref)
            .filter(|sound| sound.is_whole())
        else {
            return false;
        };
        self.next += 1;
        if sound.samples == 0 {
            return self.next < self.sounds.len();
        }
        self.current = Some(Current {
            sound: sound.clone(),
            at: 0,
            resampler: (sound.rate != rate).then(|| Resampler::new(sound.rate, rate)),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(pcm: Vec<i16>) -> Option<Sound> {
        Some(Sound {
            rate: 8_000,
            samples: pcm.len(),
            pcm: Rc::new(pcm),
        })
    }

    fn played(
        playback: &mut Playback,
        library: &[Option<Sound>],
        ticks: usize,
    ) -> (Vec<i16>, Vec<bool>) {
        let mut all = Vec::new();
        let ends = (0..ticks)
            .map(|_| {
                let mut tick = [1_000; 160];
                let ended = playback.play(library, 8_000, &mut tick);
                all.extend(tick);
                ended
            })
            .collect();
        (all, ends)
    }

    #[test]
    fn sounds_follow_each_other_without_a_gap_and_the_end_is_told() {
        let library = [sound(vec![1; 200]), sound(vec![2; 200])];
        let mut playback = Playback::new(7, false, false, vec![0, 1]);
        let (all, ends) = played(&mut playback, &library, 3);
        let expected: Vec<i16> = [vec![1; 200], vec![2; 200], vec![0; 80]].concat();
        assert_eq!(all, expected);
        assert_eq!(ends, [false, false, true]);
    }

    #[test]
    fn a_repeated_sound_has_no_end() {
        let library = [sound(vec![3; 100])];
        let mut playback = Playback::new(7, true, false, vec![0]);
        let (all, ends) = played(&mut playback, &library, 50);
        assert!(all.iter().all(|&sample| sample == 3));
        assert!(!ends.contains(&true));
    }

    #[test]
    fn a_sound_played_over_another_is_mixed_with_it() {
        let library = [sound(vec![5; 80])];
        let mut playback = Playback::new(7, false, true, vec![0]);
        let (all, _) = played(&mut playback, &library, 1);
        assert_eq!(all, [vec![1_005; 80], vec![1_000; 80]].concat());
    }

    #[test]
    fn a_sound_that_is_still_to_come_is_waited_for() {
        let mut library = vec![None];
        let mut playback = Playback::new(7, false, false, vec![0]);
        assert_eq!(played(&mut playback, &library, 2).1, [false, false]);
        library[0] = sound(vec![4; 160]);
        let (all, ends) = played(&mut playback, &library, 2);
        assert_eq!(all, [vec![4; 160], vec![0; 160]].concat());
        assert_eq!(ends, [false, true]);
    }
}
