//! What the owner has recorded.

use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use sealtone_codec_protocol::{CodecKind, RecordingFormat};

use super::codecs::unsealed;
use super::{Engine, EngineError};
use crate::command::Command;
use crate::event::{MediaEvent, What};
use crate::record::{Destination, Recipient, Recordings};
use crate::worker::Tap;

impl Engine {
    /// Records what two legs of one call send, the first on the left, however they are joined. Returns the number of
    /// the event that tells the end, whatever ends it: [`Engine::stop_recording`], the end of a leg, a fault.
    ///
    /// # Errors
    /// [`EngineError::NoCodecs`], [`EngineError::Unknown`], [`EngineError::ForeignLeg`], [`EngineError::Invalid`]
    /// where a leg is sealed, or for a key that is none, [`EngineError::Busy`], [`EngineError::Start`].
    pub fn start_recording(
        &self,
        left: u64,
        right: Option<u64>,
        path: &Path,
        format: RecordingFormat,
        recipients: &[String],
    ) -> Result<u64, EngineError> {
        self.require_codec(format)?;
        let recipients: Result<Vec<Recipient>, _> = recipients
            .iter()
            .map(|text| Recipient::parse(text))
            .collect();
        let recipients =
            recipients
                .ok()
                .filter(|keys| !keys.is_empty())
                .ok_or(EngineError::Invalid(
                    "a recording needs public keys of age (X25519)",
                ))?;
        let mut registry = self.registry()?;
        let (worker, call, left_slot) = unsealed(&mut registry, left)?;
        let right_slot = match right {
            Some(right) => {
                let (_, other, slot) = unsealed(&mut registry, right)?;
                if other != call || right == left {
                    return Err(EngineError::ForeignLeg);
                }
                Some(slot)
            }
            None => None,
        };
        let recording = self.with_recordings(|recordings| {
            recordings.open(Destination {
                path: path.to_owned(),
                recipients,
            })
        })?;
        let tap = Tap {
            recording: recording.id,
            legs: [Some(left_slot), right_slot],
            format,
            intake: Arc::clone(&recording.intake),
        };
        if let Err(error) = self.post(worker, Command::Record(Box::new(tap))) {
            recording.intake.end(&error.to_string());
            return Err(error);
        }
        Ok(recording.id)
    }

    /// Ends a recording, where it has not ended already; its event follows.
    ///
    /// # Errors
    /// [`EngineError::Busy`].
    pub fn stop_recording(&self, recording: u64) -> Result<(), EngineError> {
        for worker in 0..self.workers.len() {
            self.post(worker, Command::StopRecording(recording))?;
        }
        Ok(())
    }

    /// Finishes what the workers' end has left.
    pub(super) fn stop_recordings(&self) {
        let recordings = self.lock_recordings().take();
        drop(recordings);
    }

    fn require_codec(&self, format: RecordingFormat) -> Result<(), EngineError> {
        let codecs = self.available_codecs()?;
        let missing = codecs
            .into_iter()
            .find(|codec| codec.kind == CodecKind::Opus && !codec.missing.is_empty());
        match missing {
            Some(opus) if format == RecordingFormat::OggOpus => {
                Err(EngineError::NoCodecs(opus.missing))
            }
            _ => Ok(()),
        }
    }

    fn with_recordings<T>(&self, step: impl FnOnce(&Recordings) -> T) -> Result<T, EngineError> {
        let mut recordings = self.lock_recordings();
        if let Some(recordings) = recordings.as_ref() {
            return Ok(step(recordings));
        }
        let events = Arc::clone(&self.events);
        let started = Recordings::start(move |ended| {
            events.push(MediaEvent {
                leg: ended.recording,
                what: What::RecordingEnded {
                    reason: ended.reason,
                    octets: ended.octets,
                    milliseconds: (ended.seconds * 1_000.0) as u64,
                },
            });
        })
        .map_err(EngineError::Start)?;
        Ok(step(recordings.insert(started)))
    }

    fn lock_recordings(&self) -> MutexGuard<'_, Option<Recordings>> {
        self.recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
