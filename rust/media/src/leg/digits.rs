//! DTMF that a remote sends as events (RFC 4733), within a rate.

use sealtone_codec_protocol::{EventReader, LAST_DIGIT, Press};

use crate::bridge::Fields;
use crate::clock::{Micros, SECOND};
use crate::rate::Rate;

/// Digits told, per leg and second: nobody dials faster.
const RATE: u32 = 20;

/// A digit and how long it was, ms.
pub(super) type Digit = (u8, u16);

/// What of a leg's events is told.
#[derive(Debug, Default)]
pub(super) struct Digits {
    reader: EventReader,
    rate: Rate,
}

impl Digits {
    /// Takes the payload of an event, whose clock is `clock_rate`.
    pub(super) fn take(
        &mut self,
        packet: Fields,
        payload: &[u8],
        clock_rate: u32,
        now: Micros,
    ) -> [Option<Digit>; 2] {
        let (ssrc, timestamp) = (packet.ssrc, packet.timestamp);
        self.reader
            .take(ssrc, timestamp, clock_rate, payload, now)
            .map(|press| self.digit(press?, now))
    }

    /// The digit whose end never came.
    pub(super) fn expire(&mut self, now: Micros) -> Option<Digit> {
        let press = self.reader.expire(now)?;
        self.digit(press, now)
    }

    /// Somebody else reads this remote's events from now on, the one under way too.
    pub(super) fn forget(&mut self) {
        self.reader = EventReader::default();
    }

    fn digit(&mut self, press: Press, now: Micros) -> Option<Digit> {
        let duration_ms = press.duration_ms.min(u16::MAX.into()) as u16;
        (press.code <= LAST_DIGIT && self.admit(now)).then_some((press.code, duration_ms))
    }

    /// Whether one more digit may be told.
    pub(super) fn admit(&mut self, now: Micros) -> bool {
        self.rate.take(RATE, SECOND, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_told_within_a_rate_and_a_hook_flash_is_none() {
        let mut digits = Digits::default();
        let mut press = |code, timestamp| {
            let packet = Fields {
                ssrc: 1,
                sequence: 0,
                timestamp,
                marker: false,
            };
            digits.take(packet, &[code, 0x80, 0, 80], 8_000, 0)
        };
        assert_eq!(press(16, 0), [None; 2]);
        assert_eq!(press(5, 80), [None, Some((5, 10))]);
        let flood = (2..500).map(|n| press(1, n * 80)[1]);
        assert_eq!(flood.flatten().count(), RATE as usize - 1);
    }
}
