//! What the owner has heard and played through codecs.

use std::sync::{MutexGuard, PoisonError};

use sealtone_codec_protocol::Availability;

use super::{Codecs, Engine, EngineError, Registry};
use crate::command::Command;
use crate::leg::Playing;

impl Engine {
    pub(super) fn lock_codecs(&self) -> MutexGuard<'_, Codecs> {
        self.codecs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every codec with why it cannot be used, empty where it can; or why none can.
    ///
    /// # Errors
    /// [`EngineError::NoCodecs`].
    pub fn available_codecs(&self) -> Result<Vec<Availability>, EngineError> {
        let codecs = self.lock_codecs();
        let available = match &codecs.supervisor {
            Some(supervisor) => supervisor.available.clone(),
            None => {
                return Err(EngineError::NoCodecs(
                    "no codec process is configured".to_owned(),
                ));
            }
        };
        available.map_err(|why| EngineError::NoCodecs(why.to_string()))
    }

    /// Whether Landlock stands around the codec processes.
    #[must_use]
    pub fn has_landlock(&self) -> bool {
        let codecs = self.lock_codecs();
        codecs
            .supervisor
            .as_ref()
            .is_some_and(|supervisor| supervisor.landlock)
    }

    fn require_codecs(&self) -> Result<(), EngineError> {
        self.available_codecs().map(|_: Vec<Availability>| ())
    }

    /// Joins two legs of one call through codecs, by their plans' formats. What either was joined to ends.
    ///
    /// # Errors
    /// [`EngineError::NoCodecs`], [`EngineError::Unknown`], [`EngineError::ForeignLeg`], [`EngineError::Invalid`]
    /// where one is sealed, [`EngineError::Busy`].
    pub fn transcode(&self, a: u64, b: u64) -> Result<(), EngineError> {
        self.require_codecs()?;
        let mut registry = self.registry()?;
        let (worker, call, slot_a) = unsealed(&mut registry, a)?;
        let (_, other, slot_b) = unsealed(&mut registry, b)?;
        if call != other || a == b {
            return Err(EngineError::ForeignLeg);
        }
        self.post(worker, Command::Transcode(slot_a, slot_b))
    }

    /// Plays sounds to a leg, one after the other, in place of what it would hear or mixed with that. What played
    /// before ends. Returns the number of the event that tells the end.
    ///
    /// # Errors
    /// [`EngineError::NoCodecs`], [`EngineError::Unknown`], [`EngineError::Invalid`] for a sound that is not loaded
    /// and where the leg is sealed, [`EngineError::Busy`].
    pub fn play(
        &self,
        leg: u64,
        sounds: &[String],
        repeat: bool,
        over: bool,
    ) -> Result<u32, EngineError> {
        self.require_codecs()?;
        let mut registry = self.registry()?;
        let (worker, _, slot) = unsealed(&mut registry, leg)?;
        let mut codecs = self.lock_codecs();
        let numbers: Option<Vec<u16>> = sounds
            .iter()
            .map(|name| codecs.sounds.number(name))
            .collect();
        let sounds = numbers
            .filter(|numbers| {
                !numbers.is_empty() && numbers.len() <= sealtone_codec_protocol::MAX_SOUNDS
            })
            .ok_or(EngineError::Invalid("a sound that is not loaded, or none"))?;
        codecs.playings = codecs.playings.wrapping_add(1);
        let number = codecs.playings;
        drop(codecs);
        let playing = Playing {
            number,
            repeat,
            over,
            sounds,
        };
        self.post(worker, Command::Play(slot, Some(playing)))?;
        Ok(number)
    }

    /// Ends what plays to a leg; that is not told.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Busy`].
    pub fn stop_playing(&self, leg: u64) -> Result<(), EngineError> {
        let mut registry = self.registry()?;
        let (worker, entry) = registry.open_leg(leg)?;
        self.post(worker, Command::Play(entry.slot, None))
    }

    /// Sends a digit (RFC 4733 event code, 0-15) to a leg that is heard through codecs or played to: as an event
    /// where that was agreed on, else as a tone. To a leg that is relayed nothing is sent.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] digit or sealed leg, [`EngineError::Unknown`], [`EngineError::Busy`].
    pub fn send_digit(&self, leg: u64, digit: u8, duration_ms: u16) -> Result<(), EngineError> {
        if digit > 15 {
            return Err(EngineError::Invalid("a digit is 0-9, *, #, A-D"));
        }
        let mut registry = self.registry()?;
        let (worker, _, slot) = unsealed(&mut registry, leg)?;
        self.post(worker, Command::Digit(slot, digit, duration_ms))
    }

    /// Loads a sound that legs can be played: mono, 16 bits a sample, little-endian.
    ///
    /// # Errors
    /// [`EngineError::Invalid`], [`EngineError::Busy`].
    pub fn load_sound(&self, name: &str, rate: u32, pcm: &[u8]) -> Result<(), EngineError> {
        let sound = self
            .lock_codecs()
            .sounds
            .add(name, rate, pcm)
            .map_err(EngineError::Invalid)?;
        for worker in 0..self.workers.len() {
            self.post(worker, Command::Sound(std::sync::Arc::clone(&sound)))?;
        }
        Ok(())
    }
}

/// Worker, call and slot of a leg that is not sealed.
pub(super) fn unsealed(
    registry: &mut Registry,
    leg: u64,
) -> Result<(usize, u64, u32), EngineError> {
    let (worker, entry) = registry.open_leg(leg)?;
    if entry.sealed {
        return Err(EngineError::Invalid(
            "a sealed leg is neither decoded nor played to",
        ));
    }
    Ok((worker, entry.call, entry.slot))
}
