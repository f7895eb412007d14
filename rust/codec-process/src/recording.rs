//! Recordings in the codec process: what legs are heard to say becomes the octets of files.

use std::collections::HashMap;

use sealtone_codec::record::{Format, Recorder, Side};
use sealtone_codec_protocol::{LegId, MAX_DATA, RecordingFormat, Report};

use crate::leg::{Leg, Legs};
use crate::outbox::Outbox;

/// Recordings at once at most.
const MAX_RECORDINGS: usize = 4_096;
/// The rates that files have, Hz.
const RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];

/// All recordings, by number.
#[derive(Default)]
pub(crate) struct Recordings(HashMap<u64, Recorder>);

impl Recordings {
    /// Begins one of legs that are there; where it cannot, that is told as its end.
    pub(crate) fn begin(
        &mut self,
        recording: u64,
        legs: [Option<LegId>; 2],
        format: RecordingFormat,
        all: &mut Legs,
        now: u64,
        out: &mut Outbox,
    ) {
        let rates = legs
            .iter()
            .flatten()
            .filter_map(|id| all.get(id).map(Leg::natural_rate));
        let highest = rates.max().unwrap_or(RATES[0]);
        let rate = RATES
            .into_iter()
            .find(|&rate| rate >= highest)
            .unwrap_or(48_000);
        let format = match format {
            RecordingFormat::OggOpus => Format::Opus,
            RecordingFormat::Wav => Format::Wav,
            RecordingFormat::Flac => Format::Flac,
        };
        let full = self.0.len() >= MAX_RECORDINGS;
        // An Ogg stream's serial number tells the streams of one file apart, of which there is one.
        let recorder = Recorder::new(format, rate, recording as u32, now);
        let objection = match recorder {
            Ok(recorder) if !full => {
                self.0.insert(recording, recorder);
                for (channel, id) in legs.into_iter().enumerate() {
                    if let Some(leg) = id.and_then(|id| all.get_mut(&id)) {
                        leg.recordings.push((recording, channel));
                    }
                }
                return self.hand_over(recording, out);
            }
            Ok(_) => "Too many calls are being recorded.".to_owned(),
            Err(error) => format!("The recording cannot be made: {error}."),
        };
        tell_end(recording, &objection, 0.0, out);
    }

    /// What a leg was heard to say: `sound` at `rate`, which began at `at`.
    pub(crate) fn hear(
        &mut self,
        recordings: &[(u64, usize)],
        at: u64,
        rate: u32,
        sound: &[i16],
        out: &mut Outbox,
    ) {
        for &(recording, channel) in recordings {
            let Some(recorder) = self.0.get_mut(&recording) else {
                continue;
            };
            let side = if channel == 0 {
                Side::Left
            } else {
                Side::Right
            };
            recorder.put(side, at, rate, sound);
            let went = recorder.advance(at);
            self.hand_over(recording, out);
            if let Err(error) = went {
                let seconds = self.0.remove(&recording).map_or(0.0, |gone| gone.seconds());
                tell_end(
                    recording,
                    &format!("The recording cannot go on: {error}."),
                    seconds,
                    out,
                );
            }
        }
    }

    /// Ends one: its last octets and its end are told.
    pub(crate) fn end(&mut self, recording: u64, all: &mut Legs, now: u64, out: &mut Outbox) {
        for leg in all.values_mut() {
            leg.recordings.retain(|&(other, _)| other != recording);
        }
        let Some(recorder) = self.0.get_mut(&recording) else {
            return;
        };
        let reason = recorder.finish(now).err();
        let seconds = recorder.seconds();
        self.hand_over(recording, out);
        self.0.remove(&recording);
        let reason = reason.map_or_else(String::new, |error| {
            format!("The recording's end is missing: {error}.")
        });
        tell_end(recording, &reason, seconds, out);
    }

    fn hand_over(&mut self, recording: u64, out: &mut Outbox) {
        let octets = self
            .0
            .get_mut(&recording)
            .map(Recorder::take)
            .unwrap_or_default();
        for data in octets.chunks(MAX_DATA) {
            out.add(&Report::Recorded { recording, data });
        }
    }
}

fn tell_end(recording: u64, reason: &str, seconds: f64, out: &mut Outbox) {
    out.add(&Report::RecordingEnded {
        recording,
        reason,
        milliseconds: (seconds * 1_000.0) as u64,
    });
}
