//! The packet indices of the streams (SSRCs) under one key: roll-over counters and replay windows.

use core::num::NonZero;

use super::SrtpError;

/// Streams that one key serves in one direction. RTP and RTCP count apart.
pub const MAX_STREAMS: usize = 64;

/// Packets before the newest one whose reception is remembered.
pub const REPLAY_WINDOW: u64 = 128;

const MAX_RTP_INDEX: u64 = (1 << 48) - 1;

/// One stream: its newest index and which of the indices before it have been used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// Bit n: index `highest - n` was used. Bit 0 is always set, which spares `Option<Stream>` a word.
    used: NonZero<u128>,
    highest: u64,
    ssrc: u32,
}

impl Stream {
    /// A stream of which only the packet `index` was used.
    pub(super) fn first(ssrc: u32, index: u64) -> Self {
        Self {
            used: NonZero::<u128>::MIN,
            highest: index,
            ssrc,
        }
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// See [`estimate`].
    #[inline]
    pub(super) fn estimate(&self, sequence: u16) -> Result<u64, SrtpError> {
        estimate(self.highest, sequence)
    }

    /// Whether `index` is still unused.
    ///
    /// # Errors
    /// [`SrtpError::Replayed`], or [`SrtpError::TooOld`] when the window does not reach back that far.
    #[inline]
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        if index > self.highest {
            return Ok(());
        }
        let behind = self.highest - index;
        if behind >= REPLAY_WINDOW {
            Err(SrtpError::TooOld)
        } else if self.used.get() >> behind & 1 == 1 {
            Err(SrtpError::Replayed)
        } else {
            Ok(())
        }
    }

    /// Marks `index`, which [`Self::check`] has passed, as used.
    #[inline]
    pub(super) fn mark(&mut self, index: u64) {
        if index > self.highest {
            let ahead = index - self.highest;
            self.used = NonZero::<u128>::MIN
                | if ahead < REPLAY_WINDOW {
                    self.used.get() << ahead
                } else {
                    0
                };
            self.highest = index;
        } else {
            self.used |= 1 << (self.highest - index);
        }
    }
}

/// The 48-bit index of a packet with `sequence` in a stream whose newest index is `highest`: the one nearest to it,
/// as RFC 3711 section 3.3.1 and appendix A have it.
///
/// # Errors
/// [`SrtpError::TooOld`] when it would lie before the stream's start, [`SrtpError::KeyExhausted`] when it would lie
/// past the last index a key may have.
#[inline]
pub(super) fn estimate(highest: u64, sequence: u16) -> Result<u64, SrtpError> {
    let newest = highest as u16;
    let distance = match sequence.wrapping_sub(newest) as i16 {
        // Equally far both ways: the RFC looks at which half the newest is in.
        i16::MIN if newest < 0x8000 => 0x8000,
        near => i64::from(near),
    };
    match highest.checked_add_signed(distance) {
        None => Err(SrtpError::TooOld),
        Some(index) if index > MAX_RTP_INDEX => Err(SrtpError::KeyExhausted),
        Some(index) => Ok(index),
    }
}

/// The streams under one key. The one that was used last is found first and stands beside the key.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    current: Option<Stream>,
    /// Seldom any, so that it need not grow well.
    others: Box<[Stream]>,
}

impl Streams {
    #[inline]
    pub(super) fn get(&self, ssrc: u32) -> Option<Stream> {
        match self.current {
            Some(stream) if stream.ssrc == ssrc => Some(stream),
            _ => self
                .others
                .iter()
                .copied()
                .find(|stream| stream.ssrc == ssrc),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none() && self.others.is_empty()
    }

    /// Refuses when there is no room for one more stream.
    pub(super) fn check_room(&self) -> Result<(), SrtpError> {
        if self.others.len() + usize::from(self.current.is_some()) < MAX_STREAMS {
            Ok(())
        } else {
            Err(SrtpError::TooManyStreams)
        }
    }

    /// Keeps the new state of a stream; the caller has made sure of room for a new one.
    #[inline]
    pub(super) fn put(&mut self, stream: Stream) {
        match &mut self.current {
            Some(current) if current.ssrc == stream.ssrc => *current = stream,
            _ => self.put_other(stream),
        }
    }

    #[cold]
    fn put_other(&mut self, stream: Stream) {
        let Some(left) = self.current.replace(stream) else {
            return;
        };
        match self
            .others
            .iter_mut()
            .find(|other| other.ssrc == stream.ssrc)
        {
            Some(place) => *place = left,
            None => {
                let others = core::mem::take(&mut self.others).into_iter();
                self.others = others.chain([left]).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 section 3.3.1 and appendix A, written out as the RFC has it.
    fn by_the_rfc(roc: i64, newest: i64, sequence: i64) -> i64 {
        let guess = if newest < 0x8000 {
            if sequence - newest > 0x8000 {
                roc - 1
            } else {
                roc
            }
        } else if newest - 0x8000 > sequence {
            roc + 1
        } else {
            roc
        };
        (guess << 16) + sequence
    }

    #[test]
    fn the_estimated_index_is_that_of_the_rfc() {
        let near: Vec<u32> = (0..4)
            .chain(0x7ffd..0x8003)
            .chain(0xfffd..0x1_0000)
            .chain((0..0x1_0000).step_by(911))
            .collect();
        for roc in [0, 1, 77, 0xffff_ffff_u64] {
            for newest in &near {
                for sequence in &near {
                    let expected = by_the_rfc(roc as i64, i64::from(*newest), i64::from(*sequence));
                    let found = estimate(roc << 16 | u64::from(*newest), *sequence as u16);
                    match found {
                        Ok(index) => assert_eq!(index as i64, expected),
                        Err(SrtpError::TooOld) => assert!(expected < 0),
                        Err(_) => assert!(expected > MAX_RTP_INDEX as i64),
                    }
                }
            }
        }
    }

    #[test]
    fn the_window_agrees_with_a_set_of_all_indices() {
        let mut stream = Stream::first(1, 1000);
        let mut used = std::collections::HashSet::from([1000_u64]);
        let mut state = 12_345_u64;
        for _ in 0..200_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let step = (state >> 33) % 300;
            let index = (stream.highest() + 140).saturating_sub(step);
            let expected = if index > stream.highest() {
                Ok(())
            } else if stream.highest() - index >= REPLAY_WINDOW {
                Err(SrtpError::TooOld)
            } else if used.contains(&index) {
                Err(SrtpError::Replayed)
            } else {
                Ok(())
            };
            assert_eq!(stream.check(index), expected);
            if expected.is_ok() {
                stream.mark(index);
                used.insert(index);
            }
        }
    }
}
