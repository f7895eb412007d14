//! Whose packets or sound is being worked on, where the server can read it after the process has died of that.

use std::sync::atomic::{AtomicU64, Ordering};

use sealtone_codec_protocol::LegId;

/// A word that outlives the process; without one nothing is marked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(Option<&'static AtomicU64>);

impl Mark {
    /// The word in the file that the server gave as descriptor 1.
    #[must_use]
    pub fn given() -> Self {
        Self(crate::sys::shared_word(1))
    }

    pub(crate) fn set(self, leg: LegId) {
        if let Some(word) = self.0 {
            word.store(leg, Ordering::Relaxed);
        }
    }

    pub(crate) fn clear(self) {
        self.set(0);
    }
}
