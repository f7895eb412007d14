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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::Mixer;
    use crate::outbox::Outbox;
    use sealtone_codec_protocol::Order;

    #[test]
    fn whatever_is_done_for_a_leg_is_done_under_its_mark_and_nothing_else_is() {
        let word: &AtomicU64 = Box::leak(Box::default());
        let (mut mixer, mut out) = (Mixer::new(Mark(Some(word))), Outbox::default());
        let hear = |leg| Order::Hear { leg, source: None };
        let stop = Order::StopRecording { recording: 1 };
        let marks = [hear(5), Order::Close { leg: 6 }, stop, hear(7)].map(|order| {
            mixer.obey(order, 0, &mut out);
            word.load(Ordering::Relaxed)
        });
        assert_eq!(marks, [5, 6, 0, 7]);
        mixer.advance(1, &mut out);
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }
}
