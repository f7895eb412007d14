//! Recordings: two mono streams become the two channels of one file, container octets as they are made.
//!
//! How it works, and its rules:
//!
//! 1. The left channel is leg A's phone, the right leg B's. Both stand on one time line; where nothing came is silence.
//! 2. Octets come out in small steps, so that whoever stores them loses little: an Ogg page each 200 ms, a FLAC block
//!    of as much at most, WAV samples at once.
//! 3. A file is a stream: nothing goes back to its beginning.

mod flac;
mod ogg;
mod timeline;
mod wav;

use std::fmt;

use crate::codec::CodecError;
use crate::resample::Resampler;
use flac::Flac;
use ogg::OggOpus;
pub use timeline::{Side, Timeline};

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Ogg Opus (RFC 7845).
    Opus,
    /// 16-bit PCM in WAV.
    Wav,
    /// FLAC (RFC 9639).
    Flac,
}

/// Why a recording cannot begin or go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The codec of the file is missing, or failed.
    Codec(CodecError),
    /// The sample rate is none that a file of this kind has.
    SampleRate(u32),
}

impl fmt::Display for RecordError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(error) => write!(out, "{error}"),
            Self::SampleRate(rate) => write!(out, "a recording has no sample rate of {rate} Hz"),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<CodecError> for RecordError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

/// One thing for each channel.
struct Channels<T>(T, T);

enum Container {
    Opus(Box<OggOpus>),
    Wav,
    Flac(Flac),
}

/// One recording.
pub struct Recorder {
    sample_rate: u32,
    timeline: Timeline,
    container: Container,
    /// Of each side: the rate its sound has now, and what brings it to the file's.
    resamplers: [Option<(u32, Resampler)>; 2],
    out: Vec<u8>,
}

impl Recorder {
    /// `sample_rate` of the file: 8000, 12000, 16000, 24000 or 48000 Hz, best the higher of the two legs' sound.
    /// `serial` is a random number (Ogg). Times are microseconds on any one clock.
    ///
    /// # Errors
    /// The rate is none of these, or Opus is not on this machine.
    pub fn new(
        format: Format,
        sample_rate: u32,
        serial: u32,
        started_us: u64,
    ) -> Result<Self, RecordError> {
        if ![8_000, 12_000, 16_000, 24_000, 48_000].contains(&sample_rate) {
            return Err(RecordError::SampleRate(sample_rate));
        }
        let mut out = Vec::new();
        let container = match format {
            Format::Opus => {
                let mut opus = OggOpus::new(sample_rate, serial)?;
                opus.begin(&mut out);
                Container::Opus(Box::new(opus))
            }
            Format::Wav => {
                wav::begin(sample_rate, &mut out);
                Container::Wav
            }
            Format::Flac => {
                let flac = Flac::new(sample_rate);
                flac.begin(&mut out);
                Container::Flac(flac)
            }
        };
        Ok(Self {
            sample_rate,
            timeline: Timeline::new(sample_rate, started_us),
            container,
            resamplers: [None, None],
            out,
        })
    }

    /// Sound of one side at `sample_rate`, whose first sample belongs to `at_us`. The rate may change at any time.
    pub fn put(&mut self, side: Side, at_us: u64, sample_rate: u32, sound: &[i16]) {
        if sample_rate == self.sample_rate {
            self.resamplers[side as usize] = None;
            self.timeline.put(side, at_us, sound);
            return;
        }
        let known = &mut self.resamplers[side as usize];
        let (_, resampler) = match known {
            Some(pair) if pair.0 == sample_rate => pair,
            _ => known.insert((sample_rate, Resampler::new(sample_rate, self.sample_rate))),
        };
        let mut resampled = Vec::with_capacity(sound.len() * 2);
        resampler.process(sound, &mut resampled);
        self.timeline.put(side, at_us, &resampled);
    }

    /// Writes what is complete by `now_us`. To be called some times a second.
    ///
    /// # Errors
    /// The encoder failed: the recording is over.
    pub fn advance(&mut self, now_us: u64) -> Result<(), RecordError> {
        self.timeline.advance(now_us);
        let step = match &self.container {
            Container::Opus(opus) => opus.packet_samples(),
            Container::Flac(flac) => flac.block(),
            Container::Wav => self.timeline.ready().max(1),
        };
        let (mut left, mut right) = (Vec::new(), Vec::new());
        while self.timeline.ready() >= step {
            left.clear();
            right.clear();
            self.timeline.take(step, &mut left, &mut right);
            match &mut self.container {
                Container::Opus(opus) => opus.write(&left, &right, &mut self.out)?,
                Container::Flac(flac) => flac.write(&left, &right, &mut self.out),
                Container::Wav => wav::write(&left, &right, &mut self.out),
            }
        }
        Ok(())
    }

    /// Writes all that is there, and the end of the file.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn finish(&mut self, now_us: u64) -> Result<(), RecordError> {
        self.timeline.close();
        self.advance(now_us)?;
        self.timeline.close();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        self.timeline.take(usize::MAX, &mut left, &mut right);
        match &mut self.container {
            Container::Opus(opus) => opus.finish(&left, &right, &mut self.out)?,
            Container::Flac(flac) if !left.is_empty() => flac.write(&left, &right, &mut self.out),
            Container::Flac(_) => {}
            Container::Wav => wav::write(&left, &right, &mut self.out),
        }
        Ok(())
    }

    /// Takes the octets made since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Sound written so far, seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.timeline.taken() as f64 / f64::from(self.sample_rate)
    }
}
