//! DTMF as telephone events (RFC 4733): reading them, each once, and writing them.

use std::collections::VecDeque;

/// A key that somebody pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0`-`9`, `*`, `#`, `A`-`D`; `!` is a hook flash (event 16).
    pub digit: char,
    /// How long it was pressed, milliseconds, as far as is known.
    pub duration_ms: u32,
}

/// The digits in the order of their event codes (RFC 4733 section 3.2).
const DIGITS: [char; 17] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D', '!',
];

/// Without any packet for so long, an event is over: its end was lost.
const LOST_END_US: u64 = 150_000;
/// Events that were told of and whose repeated packets may still come.
const REMEMBERED: usize = 8;
/// Digits that wait to be fetched; more are dropped.
const MOST_WAITING: usize = 64;

/// The event code of a digit, in either case of its letter.
#[must_use]
pub fn code_of(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS
        .iter()
        .position(|&known| known == digit)
        .map(|code| code as u8)
}

/// The digit of an event code.
#[must_use]
pub fn digit_of(code: u8) -> Option<char> {
    DIGITS.get(usize::from(code)).copied()
}

/// One event's payload (RFC 4733 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Which.
    pub code: u8,
    /// Whether it is over.
    pub end: bool,
    /// Minus dBm0, 0 to 63.
    pub volume: u8,
    /// Timestamp units since it began.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload; None where it is too short.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low, ..] = payload else {
            return None;
        };
        Some(Self {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// Its four octets.
    #[must_use]
    pub fn octets(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        let flags = (u8::from(self.end) << 7) | (self.volume & 0x3f);
        [self.code, flags, high, low]
    }
}

/// The event at hand.
#[derive(Clone, Copy, Debug)]
struct Current {
    ssrc: u32,
    /// Where the present segment began (RFC 4733 section 2.5.1.3: a long event is sent in several).
    timestamp: u32,
    code: u8,
    /// Of segments before this one, timestamp units.
    before: u32,
    duration: u16,
    clock_rate: u32,
    last_us: u64,
}

/// Reads the events of a stream: out of many packets for each, of which some are lost, comes each digit once.
#[derive(Default)]
pub struct EventReader {
    current: Option<Current>,
    told: VecDeque<(u32, u32)>,
    waiting: VecDeque<Digit>,
}

impl EventReader {
    /// Takes a packet. `clock_rate` is the payload type's, Hz.
    ///
    /// Returns whether it was an event that is known.
    pub fn receive(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        clock_rate: u32,
        payload: &[u8],
        at_us: u64,
    ) -> bool {
        let Some(event) = TelephoneEvent::parse(payload) else {
            return false;
        };
        if digit_of(event.code).is_none() || clock_rate == 0 {
            return false;
        }
        if self.told.contains(&(ssrc, timestamp)) {
            return true;
        }
        let mut current = Current {
            ssrc,
            timestamp,
            code: event.code,
            before: 0,
            duration: event.duration,
            clock_rate,
            last_us: at_us,
        };
        if let Some(last) = self.current.take() {
            if (last.ssrc, last.timestamp) == (ssrc, timestamp) {
                current.before = last.before;
                current.duration = last.duration.max(event.duration);
                current.code = last.code;
            } else if last.ssrc == ssrc && (timestamp.wrapping_sub(last.timestamp) as i32) < 0 {
                // A straggler of one before, which was told of long ago.
                self.current = Some(last);
                return true;
            } else if last.code == event.code
                && timestamp == last.timestamp.wrapping_add(u32::from(last.duration))
                && last.duration >= 0xff00
            {
                self.remember(last.ssrc, last.timestamp);
                current.before = last.before.saturating_add(u32::from(last.duration));
            } else {
                self.tell(last);
            }
        }
        if event.end {
            self.tell(current);
        } else {
            self.current = Some(current);
        }
        true
    }

    /// The time goes on: an event whose end was lost ends.
    pub fn handle_timeout(&mut self, now_us: u64) {
        if let Some(current) = self.current
            && now_us > current.last_us + LOST_END_US
        {
            self.current = None;
            self.tell(current);
        }
    }

    /// Whether a key is being pressed.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.current.is_some()
    }

    /// The digits since the last time.
    pub fn digits(&mut self) -> impl Iterator<Item = Digit> + '_ {
        self.waiting.drain(..)
    }

    fn tell(&mut self, event: Current) {
        self.remember(event.ssrc, event.timestamp);
        let units = u64::from(event.before) + u64::from(event.duration);
        if let Some(digit) = digit_of(event.code)
            && self.waiting.len() < MOST_WAITING
        {
            self.waiting.push_back(Digit {
                digit,
                duration_ms: (units * 1_000 / u64::from(event.clock_rate)) as u32,
            });
        }
    }

    fn remember(&mut self, ssrc: u32, timestamp: u32) {
        if self.told.len() == REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back((ssrc, timestamp));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The packets of one digit as RFC 4733 has them: one each 20 ms, the last three times.
    fn packets(code: u8, timestamp: u32, ms: u16) -> Vec<(u32, [u8; 4])> {
        let mut all = Vec::new();
        let event = |duration, end| {
            TelephoneEvent {
                code,
                end,
                volume: 10,
                duration,
            }
            .octets()
        };
        for duration in (160..ms * 8).step_by(160) {
            all.push((timestamp, event(duration, false)));
        }
        all.extend([(timestamp, event(ms * 8, true)); 3]);
        all
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let event = TelephoneEvent {
            code: 11,
            end: true,
            volume: 10,
            duration: 0x1234,
        };
        assert_eq!(event.octets(), [11, 0x8a, 0x12, 0x34]);
        assert_eq!(TelephoneEvent::parse(&event.octets()), Some(event));
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
        assert_eq!(code_of('a').and_then(digit_of), Some('A'));
    }

    #[test]
    fn a_long_press_in_two_segments_is_one_digit() {
        let mut reader = EventReader::default();
        let event = |duration, end| {
            TelephoneEvent {
                code: 5,
                end,
                volume: 0,
                duration,
            }
            .octets()
        };
        reader.receive(1, 1_000, 8_000, &event(0xffff, false), 0);
        let next = 1_000 + 0xffff;
        reader.receive(1, next, 8_000, &event(160, false), 20_000);
        reader.receive(1, next, 8_000, &event(8_000, true), 40_000);
        let digits: Vec<_> = reader.digits().collect();
        assert_eq!(
            digits,
            [Digit {
                digit: '5',
                duration_ms: 9_191
            }]
        );
    }

    #[test]
    fn an_end_that_was_lost_is_found_by_time_and_not_told_twice() {
        let mut reader = EventReader::default();
        let all = packets(3, 77, 100);
        for (index, (timestamp, payload)) in all[..3].iter().enumerate() {
            reader.receive(1, *timestamp, 8_000, payload, index as u64 * 20_000);
        }
        assert!(reader.is_active());
        reader.handle_timeout(100_000);
        assert_eq!(reader.digits().count(), 0);
        reader.handle_timeout(200_001);
        let digits: Vec<_> = reader.digits().collect();
        assert_eq!(
            digits,
            [Digit {
                digit: '3',
                duration_ms: 60
            }]
        );
        reader.receive(1, 77, 8_000, &all[6].1, 210_000);
        assert_eq!(reader.digits().count(), 0);
    }

    proptest! {
        #[test]
        fn each_digit_comes_once_whatever_is_lost_repeated_or_late(
            codes in prop::collection::vec(0_u8..16, 1..8),
            fates in prop::collection::vec(0_u8..6, 100),
        ) {
            let mut reader = EventReader::default();
            let mut wire = Vec::new();
            for (index, &code) in codes.iter().enumerate() {
                for (at, packet) in packets(code, index as u32 * 4_000, 100).into_iter().enumerate() {
                    wire.push((index as u64 * 500_000 + at as u64 * 20_000, packet));
                }
            }
            let mut heard = std::collections::HashSet::new();
            for (index, &(at_us, (timestamp, payload))) in wire.iter().enumerate() {
                let fate = fates[index % fates.len()];
                reader.handle_timeout(at_us);
                if fate == 0 || fate == 1 {
                    continue;
                }
                heard.insert(timestamp);
                for _ in 0..fate / 2 {
                    reader.receive(9, timestamp, 8_000, &payload, at_us);
                }
            }
            reader.handle_timeout(u64::MAX);
            let told: String = reader.digits().map(|digit| digit.digit).collect();
            let wanted: String = codes
                .iter()
                .enumerate()
                .filter(|(index, _)| heard.contains(&(*index as u32 * 4_000)))
                .filter_map(|(_, &code)| digit_of(code))
                .collect();
            prop_assert_eq!(told, wanted);
        }

        #[test]
        fn no_payload_and_no_timestamp_upsets_it(
            packets in prop::collection::vec((any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..8)), 0..200),
        ) {
            let mut reader = EventReader::default();
            for (index, (ssrc, timestamp, payload)) in packets.iter().enumerate() {
                reader.receive(ssrc % 3, *timestamp, 8_000, payload, index as u64 * 1_000);
            }
            prop_assert!(reader.digits().count() <= MOST_WAITING);
        }
    }
}
