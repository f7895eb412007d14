//! A worker's recordings: which legs the codec process records, and where what it makes of them goes.

use std::sync::Arc;

use sealtone_codec_protocol::{Order, RecordingFormat};

use super::Worker;
use crate::forward::leg_at;
use crate::record::Intake;

/// Why a recording ends with the process that makes it.
const PROCESS_LOST: &str = "The process that decodes the call ended, and the recording with it.";
const NO_PROCESS: &str = "The process that decodes calls is not there.";

/// A recording of legs of one worker.
#[derive(Debug)]
pub struct Tap {
    /// The recording's number.
    pub recording: u64,
    /// The slots of the left channel's leg, and of the right one's.
    pub legs: [Option<u32>; 2],
    /// What kind of file.
    pub format: RecordingFormat,
    /// Where its octets go.
    pub intake: Arc<Intake>,
}

/// The recordings, and those that the process has not been told of.
#[derive(Debug, Default)]
pub(super) struct Taps {
    running: Vec<Tap>,
    untold: Vec<u64>,
    /// Told to end; their last octets are to come.
    ending: Vec<(u64, Arc<Intake>)>,
}

impl Worker {
    /// Begins one, as soon as the process knows its legs.
    pub(super) fn record(&mut self, tap: Tap) {
        if self.link.socket().is_none() {
            return tap.intake.end(NO_PROCESS);
        }
        let slots = || tap.legs.into_iter().flatten();
        if slots().any(|slot| leg_at(&mut self.legs, slot).is_none()) {
            return tap.intake.end("");
        }
        for slot in slots() {
            if let Some(leg) = leg_at(&mut self.legs, slot) {
                leg.record(true);
            }
            self.unsettle(slot);
        }
        self.taps.untold.push(tap.recording);
        self.taps.running.push(tap);
    }

    /// Tells the process of recordings whose legs it has been told of.
    pub(super) fn tell_recordings(&mut self) {
        for recording in std::mem::take(&mut self.taps.untold) {
            let Some(tap) = self
                .taps
                .running
                .iter()
                .find(|tap| tap.recording == recording)
            else {
                continue;
            };
            let [left, right] = tap
                .legs
                .map(|slot| slot.and_then(|slot| self.codec_id(slot)));
            if let Some(left) = left {
                self.link.order(&Order::Record {
                    recording,
                    left,
                    right,
                    format: tap.format,
                });
            }
        }
    }

    /// Ends one: what the process still has of it is waited for.
    pub(super) fn stop_recording(&mut self, recording: u64) {
        let Some(index) = self
            .taps
            .running
            .iter()
            .position(|tap| tap.recording == recording)
        else {
            return;
        };
        let was_told = !self.taps.untold.contains(&recording);
        self.taps.untold.retain(|&other| other != recording);
        let tap = self.taps.running.swap_remove(index);
        for slot in tap.legs.into_iter().flatten() {
            if let Some(leg) = leg_at(&mut self.legs, slot) {
                leg.record(false);
                self.unsettle(slot);
            }
        }
        if was_told && self.link.socket().is_some() {
            self.link.order(&Order::StopRecording { recording });
            self.taps.ending.push((recording, tap.intake));
        } else {
            tap.intake.end("");
        }
    }

    /// A leg goes, and with it what records it.
    pub(super) fn stop_recordings_of(&mut self, slot: u32) {
        while let Some(recording) = self
            .taps
            .running
            .iter()
            .find(|tap| tap.legs.contains(&Some(slot)))
            .map(|tap| tap.recording)
        {
            self.stop_recording(recording);
        }
    }

    /// The process is gone, and with it what it had not given us.
    pub(super) fn lose_recordings(&mut self) {
        while let Some(tap) = self.taps.running.first() {
            tap.intake.end(PROCESS_LOST);
            let recording = tap.recording;
            self.stop_recording(recording);
        }
        for (_, intake) in self.taps.ending.drain(..) {
            intake.end(PROCESS_LOST);
        }
    }

    /// The next octets of one. What the disk does not take ends it.
    pub(super) fn take_recorded(&mut self, recording: u64, octets: &[u8]) {
        let taps = &self.taps;
        let running = taps.running.iter().map(|tap| (tap.recording, &tap.intake));
        let ending = taps.ending.iter().map(|(number, intake)| (*number, intake));
        let found = running
            .chain(ending)
            .find(|(number, _)| *number == recording);
        if let Some((_, intake)) = found
            && !intake.put(octets.to_vec())
        {
            self.stop_recording(recording);
        }
    }

    /// The process has ended one.
    pub(super) fn take_recording_end(&mut self, recording: u64, reason: &str) {
        if let Some(tap) = self
            .taps
            .running
            .iter()
            .find(|tap| tap.recording == recording)
        {
            tap.intake.end(reason);
            self.stop_recording(recording);
        }
        self.taps.ending.retain(|(number, intake)| {
            if *number == recording {
                intake.end(reason);
            }
            *number != recording
        });
    }
}
