//! Voice activity: whether a frame is voice or the noise behind it (ITU-T G.729 clause B.3, with the hysteresis of
//! appendix II).

use std::f32::consts::PI;

use super::analysis::{LAGS, WINDOW};
use super::{FRAME, Lsf, ORDER};

/// Frames at a stream's beginning that the noise is first taken from.
const FIRST_FRAMES: u16 = 32;
/// Frames of which the quietest counts.
const REMEMBERED: usize = 128;
/// Below this, dB, a frame is no voice.
const QUIET: f32 = 15.0;
/// Frames that stay voice after voice.
const HANGOVER: u8 = 6;
/// Frames of noise after which a single one of voice is not believed unless it is louder.
const STEADY_NOISE: u8 = 10;
/// Frames in a row that are kept voice since they are as loud as voice was before.
const MOST_SMOOTHED: u8 = 4;
/// Frequencies that differ more from the noise's than this are not learnt from (of frequencies as parts of a circle).
const MOST_DISTORTION: f32 = 0.002_532_959;

/// A low-pass at 1 kHz, as the autocorrelation of its impulse response, times 2^15.
const LOW_BAND: [i16; LAGS] = [
    7869, 7011, 4838, 2299, 321, -660, -782, -484, -164, 3, 39, 21, 4,
];

/// How much of the means stays at each update, by how many there were: of the levels, of the zero crossings and of the
/// frequencies (clause B.3.7).
const KEPT: [(u8, [f32; 3]); 5] = [
    (20, [0.75, 0.8, 0.6]),
    (30, [0.95, 0.92, 0.65]),
    (40, [0.97, 0.94, 0.7]),
    (50, [0.99, 0.96, 0.75]),
    (60, [0.995, 0.99, 0.75]),
];
const KEPT_LATER: [f32; 3] = [0.998, 0.995, 0.75];

/// What is looked at in a frame.
#[derive(Clone, Copy, Default)]
struct Features {
    /// dB, and that below 1 kHz.
    level: f32,
    low_level: f32,
    /// Of each sample the part that has another sign than the one before.
    crossings: f32,
    lsf: Lsf,
}

impl Features {
    fn new(correlations: &[f32; LAGS], lsf: &Lsf, speech: &[f32]) -> Self {
        let mut low = correlations[0] * f32::from(LOW_BAND[0]);
        for (correlation, weight) in correlations.iter().zip(LOW_BAND).skip(1) {
            low += 2.0 * correlation * f32::from(weight);
        }
        let db = |energy: f32| 10.0 * (energy.max(1e-4) / WINDOW as f32).log10();
        let crossings = speech.windows(2).filter(|pair| pair[0] * pair[1] < 0.0);
        Self {
            level: db(correlations[0]),
            low_level: db(low / 32_768.0),
            crossings: crossings.count() as f32 / FRAME as f32,
            lsf: *lsf,
        }
    }

    /// Keeps parts of each, and takes the rest from another frame.
    fn learn(&mut self, other: &Self, [level, crossings, lsf]: [f32; 3]) {
        let mix = |kept: f32, own: f32, other: f32| kept * own + (1.0 - kept) * other;
        self.level = mix(level, self.level, other.level);
        self.low_level = mix(level, self.low_level, other.low_level);
        self.crossings = mix(crossings, self.crossings, other.crossings);
        self.lsf = std::array::from_fn(|k| mix(lsf, self.lsf[k], other.lsf[k]));
    }
}

pub struct VoiceActivity {
    /// Frames so far, up to more than are remembered.
    frames: u16,
    /// The levels of the last frames, and where the next goes.
    levels: [f32; REMEMBERED],
    next: usize,
    /// The noise: at first the sum of the frames that were loud enough, and how many those were.
    noise: Features,
    summed: u16,
    updates: u8,
    /// The last two decisions, the last one first, and the last level.
    was_voice: [bool; 2],
    last_level: f32,
    after_voice: u8,
    noise_frames: u8,
    /// Frames in a row that were kept voice; None right after the most of them.
    smoothed: Option<u8>,
}

impl VoiceActivity {
    pub fn new() -> Self {
        Self {
            frames: 0,
            levels: [f32::MAX; REMEMBERED],
            next: 0,
            noise: Features::default(),
            summed: 0,
            updates: 0,
            was_voice: [true; 2],
            last_level: 0.0,
            after_voice: 0,
            noise_frames: 0,
            smoothed: Some(0),
        }
    }

    /// Whether a frame is voice: by its autocorrelation under the lag window, its second reflection coefficient, its
    /// frequencies (radians), and its speech with the sample before.
    pub fn is_voice(
        &mut self,
        correlations: &[f32; LAGS],
        reflection: f32,
        lsf: &Lsf,
        speech: &[f32],
    ) -> bool {
        let frame = Features::new(correlations, lsf, speech);
        self.levels[self.next] = frame.level;
        self.next = (self.next + 1) % REMEMBERED;
        if self.frames == FIRST_FRAMES {
            self.begin();
        }
        let is_voice = if self.frames < FIRST_FRAMES {
            self.sum(&frame)
        } else {
            self.decide(&frame, reflection)
        };
        self.frames = (self.frames + 1).min(REMEMBERED as u16 + 2);
        self.was_voice = [is_voice, self.was_voice[0]];
        self.last_level = frame.level;
        is_voice
    }

    /// A frame is voice, whatever it sounds like: nothing is learnt from it, and those after it are as after voice. So
    /// its end, which is encoded with the next frame, is sent too.
    pub fn stay_voice(&mut self) {
        self.was_voice = [true; 2];
        self.after_voice = 0;
        self.noise_frames = 0;
    }

    /// Of one of the first frames.
    fn sum(&mut self, frame: &Features) -> bool {
        let is_voice = frame.level >= QUIET;
        if is_voice {
            self.summed += 1;
            self.noise.level += frame.level;
            self.noise.crossings += frame.crossings;
            for (sum, frequency) in self.noise.lsf.iter_mut().zip(frame.lsf) {
                *sum += frequency;
            }
        }
        is_voice
    }

    /// Makes means of the sums; without any frame that was loud enough, the first ones begin again.
    fn begin(&mut self) {
        if self.summed == 0 {
            self.frames = 0;
            return;
        }
        let count = f32::from(self.summed);
        let level = self.noise.level / count;
        self.noise = Features {
            level: level - 10.0,
            low_level: level - 12.0,
            crossings: self.noise.crossings / count,
            lsf: self.noise.lsf.map(|sum| sum / count),
        };
    }

    fn decide(&mut self, frame: &Features, reflection: f32) -> bool {
        let distortion = self.distortion(frame);
        let mut is_voice = frame.level >= QUIET && self.differs(frame, distortion);
        if is_voice {
            self.after_voice = 0;
        } else if self.after_voice < HANGOVER {
            self.after_voice += 1;
            is_voice = true;
        }
        is_voice |=
            self.was_voice[0] && frame.level > self.noise.level + 2.0 && frame.level > QUIET;

        let is_as_loud = (frame.level - self.last_level).abs() <= 3.0;
        self.smoothed = match self.smoothed {
            Some(frames) if !is_voice && self.was_voice == [true; 2] && is_as_loud => {
                is_voice = true;
                (frames < MOST_SMOOTHED).then_some(frames + 1)
            }
            Some(frames) => Some(frames),
            None => Some(0),
        };

        if !is_voice {
            self.noise_frames = self.noise_frames.saturating_add(1);
        } else if self.noise_frames > STEADY_NOISE && frame.level - self.last_level <= 3.0 {
            is_voice = false;
            self.noise_frames = 0;
            self.after_voice = HANGOVER;
        }
        if is_voice {
            self.noise_frames = 0;
        }

        self.learn(frame, reflection, distortion);
        is_voice
    }

    fn distortion(&self, frame: &Features) -> f32 {
        let differences = (0..ORDER).map(|k| frame.lsf[k] - self.noise.lsf[k]);
        differences
            .map(|difference| difference * difference)
            .sum::<f32>()
            / (4.0 * PI * PI)
    }

    /// Whether a frame lies outside what noise is, in one of thirteen directions (clause B.3.5). The fourteenth, of a low band
    /// that is weaker than the noise's (the twelfth there), is left out: it takes half of all white noise for voice.
    fn differs(&self, frame: &Features, distortion: f32) -> bool {
        let level = self.noise.level - frame.level;
        let low = self.noise.low_level - frame.low_level;
        let crossings = self.noise.crossings - frame.crossings;
        distortion > 0.001_75 * crossings + 0.000_85
            || distortion > -0.004_545_455 * crossings + 0.001_159_091
            || level < -25.0 * crossings - 5.0
            || level < 20.0 * crossings - 6.0
            || level < -4.7
            || level < 8_800.0 * distortion - 12.2
            || distortion > 0.000_9
            || level < 25.0 * crossings - 7.0
            || level < -29.090_91 * crossings - 4.818_2
            || level < -5.3
            || low < 14_000.0 * distortion - 15.5
            || low < -1.5 * level - 9.0
            || low < 0.714_285 * level - 2.142_857
    }

    /// Follows the noise, whatever was decided (clause B.3.7).
    fn learn(&mut self, frame: &Features, reflection: f32, distortion: f32) {
        if frame.level < self.noise.level + 3.0 && reflection < 0.75 {
            self.updates = self.updates.saturating_add(1);
            let kept = KEPT.iter().find(|(below, _)| self.updates < *below);
            let kept = kept.map_or(KEPT_LATER, |(_, kept)| *kept);
            self.noise.learn(frame, kept);
        }
        if usize::from(self.frames) > REMEMBERED {
            let quietest = self.levels.iter().copied().fold(f32::MAX, f32::min);
            let is_under = self.noise.level < quietest && distortion < MOST_DISTORTION;
            if is_under || self.noise.level > quietest + 10.0 {
                self.noise.level = quietest;
                self.updates = 0;
            }
        }
    }
}
