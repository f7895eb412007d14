//! DTMF that a remote sends as events (RFC 4733), told once each.

use sealtone_codec_protocol::LAST_DIGIT;

use crate::clock::{Micros, SECOND};
use crate::rate::Rate;

/// Digits told, per leg and second: nobody dials faster.
const RATE: u32 = 20;
/// An event whose end never came is over when nothing came of it for so long.
const ENDED_AFTER: Micros = 200_000;

/// The event that packets are about, and whether it has been told.
#[derive(Debug, Default)]
pub(super) struct DigitReader {
    present: Option<Present>,
    rate: Rate,
}

#[derive(Clone, Copy, Debug)]
struct Present {
    ssrc: u32,
    timestamp: u32,
    digit: u8,
    /// In units of the RTP clock, as the newest packet says.
    duration: u16,
    at: Micros,
    told: bool,
}

/// A digit and how long it was, ms.
pub(super) type Digit = (u8, u16);

impl DigitReader {
    /// Takes a packet of the stream `ssrc`, whose payload is of RFC 4733 (section 2.3) with an RTP clock of
    /// `clock_rate`. Of the packets of one event, which share a timestamp, those that end it come three times.
    pub(super) fn take(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        payload: &[u8],
        clock_rate: u32,
        now: Micros,
    ) -> [Option<Digit>; 2] {
        let Some(&[digit, flags, high, low]) = payload.first_chunk::<4>() else {
            return [None; 2];
        };
        if digit > LAST_DIGIT {
            return [None; 2];
        }
        let duration = u16::from_be_bytes([high, low]);
        let mut told = [None; 2];
        match &mut self.present {
            Some(present) if present.ssrc == ssrc && present.timestamp == timestamp => {
                present.duration = present.duration.max(duration);
                present.at = now;
            }
            Some(present)
                if present.ssrc == ssrc
                    && (timestamp.wrapping_sub(present.timestamp) as i32) < 0 =>
            {
                return told;
            }
            _ => {
                told[0] = self.finish(clock_rate, now);
                self.present = Some(Present {
                    ssrc,
                    timestamp,
                    digit,
                    duration,
                    at: now,
                    told: false,
                });
            }
        }
        if flags & 0x80 != 0 {
            told[1] = self.finish(clock_rate, now);
        }
        told
    }

    /// The digit whose end never came.
    pub(super) fn expire(&mut self, clock_rate: u32, now: Micros) -> Option<Digit> {
        let over = self
            .present
            .is_some_and(|present| !present.told && now.saturating_sub(present.at) >= ENDED_AFTER);
        if over {
            self.finish(clock_rate, now)
        } else {
            None
        }
    }

    fn finish(&mut self, clock_rate: u32, now: Micros) -> Option<Digit> {
        let present = self.present.as_mut().filter(|present| !present.told)?;
        present.told = true;
        let milliseconds = u32::from(present.duration) * 1_000 / clock_rate.max(1);
        let digit = (present.digit, milliseconds.min(u32::from(u16::MAX)) as u16);
        self.admit(now).then_some(digit)
    }

    /// Whether one more digit may be told.
    pub(super) fn admit(&mut self, now: Micros) -> bool {
        self.rate.take(RATE, SECOND, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(digit: u8, end: bool, duration: u16) -> [u8; 4] {
        let [high, low] = duration.to_be_bytes();
        [digit, u8::from(end) << 7 | 10, high, low]
    }

    fn read(packets: &[(u32, [u8; 4])]) -> Vec<Digit> {
        let mut reader = DigitReader::default();
        let take = |&(timestamp, payload): &(u32, [u8; 4])| {
            reader.take(1, timestamp, &payload, 8_000, 20_000)
        };
        packets.iter().flat_map(take).flatten().collect()
    }

    #[test]
    fn a_digit_is_told_once_though_its_end_comes_three_times() {
        let press = [
            (800, packet(5, false, 160)),
            (800, packet(5, false, 320)),
            (800, packet(5, true, 480)),
            (800, packet(5, true, 480)),
            (800, packet(5, true, 480)),
        ];
        assert_eq!(read(&press), [(5, 60)]);
    }

    #[test]
    fn the_same_digit_pressed_twice_is_two_digits_and_late_packets_are_none() {
        let presses = [
            (800, packet(1, true, 800)),
            (4_000, packet(1, true, 800)),
            (800, packet(1, true, 800)),
        ];
        assert_eq!(read(&presses), [(1, 100), (1, 100)]);
    }

    #[test]
    fn a_digit_whose_end_is_lost_is_told_with_the_next_or_by_and_by() {
        assert_eq!(
            read(&[(800, packet(1, false, 800)), (4_000, packet(2, true, 160))]),
            [(1, 100), (2, 20)]
        );
        let mut reader = DigitReader::default();
        assert_eq!(
            reader.take(1, 1, &packet(3, false, 400), 8_000, 0),
            [None; 2]
        );
        assert_eq!(reader.expire(8_000, ENDED_AFTER - 1), None);
        assert_eq!(reader.expire(8_000, ENDED_AFTER), Some((3, 50)));
        assert_eq!(reader.expire(8_000, 9 * ENDED_AFTER), None);
    }

    #[test]
    fn other_events_and_short_payloads_are_no_digits_and_a_flood_is_limited() {
        assert_eq!(read(&[(1, packet(16, true, 100))]), []);
        assert_eq!(
            DigitReader::default().take(1, 1, &[1, 0x80], 8_000, 0),
            [None; 2]
        );
        let flood: Vec<_> = (0..500).map(|n| (n * 10, packet(1, true, 80))).collect();
        assert_eq!(read(&flood).len(), RATE as usize);
    }
}
