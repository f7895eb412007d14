//! The media core's side of the codec processes, one for each worker.
//!
//! A worker gives its process the packets of the legs that are heard through codecs and sends what comes back, through
//! the same gates as what it relays. Nothing here waits for a process: where its socket is full, packets are dropped
//! and counted. A process that ends is started again, and its worker tells it anew what it has to know. What a
//! process says is read like anything that comes from outside: it has read packets of strangers.

mod link;
mod process;
mod supervisor;

use std::collections::HashMap;
use std::sync::Arc;

pub use link::{Link, LinkCounters};
pub use process::CodecProcess;
pub use supervisor::{Notice, Supervisor};

use crate::codecs::process::Unusable;

/// A sound that can be played to legs.
#[derive(Debug)]
pub struct Sound {
    /// Its number with the processes.
    pub number: u16,
    /// Sample rate, Hz.
    pub rate: u32,
    /// Mono, 16 bits a sample, little-endian.
    pub pcm: Vec<u8>,
}

/// The sounds of an engine by their names.
#[derive(Debug, Default)]
pub struct Sounds(HashMap<String, Arc<Sound>>);

impl Sounds {
    /// Takes a sound in, in place of one of the same name.
    ///
    /// # Errors
    /// What is wrong with it, or there are too many.
    pub fn add(&mut self, name: &str, rate: u32, pcm: &[u8]) -> Result<Arc<Sound>, &'static str> {
        if !(8_000..=48_000).contains(&rate) || pcm.len() % 2 == 1 || pcm.len() > MAX_SOUND {
            return Err("a sound has 8000 to 48000 Hz, 16 bits a sample, and at most 8 MiB");
        }
        let number = match self.0.get(name) {
            Some(former) => former.number,
            None if self.0.len() < sealtone_codec_protocol::MAX_SOUNDS => self.0.len() as u16,
            None => return Err("at most 256 sounds can be loaded"),
        };
        let sound = Arc::new(Sound {
            number,
            rate,
            pcm: pcm.to_vec(),
        });
        self.0.insert(name.to_owned(), Arc::clone(&sound));
        Ok(sound)
    }

    /// A sound's number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u16> {
        self.0.get(name).map(|sound| sound.number)
    }
}

/// Octets of one sound at most.
const MAX_SOUND: usize = 8 * 1_024 * 1_024;

/// What the codec processes can do here: for each codec nothing, or why not; or why there is no process at all.
pub type Available = Result<Vec<sealtone_codec_protocol::Availability>, Unusable>;
