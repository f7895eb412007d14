//! Telephone events (RFC 4733) as payloads, and how presses are read out of them, each once. Both programs read them:
//! the media core where a call is relayed, the codec process where it is heard.

/// The event code of a hook flash (RFC 4733 section 3.2), the last one that is read.
pub const HOOK_FLASH: u8 = 16;

/// Without any packet for so long, an event is over: its end was lost.
const LOST_END_US: u64 = 200_000;
/// Events that were told of and whose repeated packets may still come.
const REMEMBERED: usize = 8;
/// A segment ends with a duration of 0xffff (RFC 4733 section 2.5.1.3); so much of it may have got lost.
const LAST_OF_SEGMENT: u16 = 0xf000;

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

/// A key that was pressed, or a hook flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// The event code, at most [`HOOK_FLASH`].
    pub code: u8,
    /// How long it was, milliseconds, as far as is known.
    pub duration_ms: u32,
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
    /// Hz.
    clock_rate: u32,
    last_us: u64,
}

impl Current {
    fn press(&self) -> Press {
        let units = u64::from(self.before) + u64::from(self.duration);
        Press {
            code: self.code,
            duration_ms: (units * 1_000 / u64::from(self.clock_rate)) as u32,
        }
    }

    /// Whether `event` is of the segment after this one. Its timestamp does not tell: some count it by the clock of
    /// the voice beside it, which need not be that of events.
    fn goes_on_with(&self, ssrc: u32, event: TelephoneEvent) -> bool {
        (self.ssrc, self.code) == (ssrc, event.code)
            && self.duration >= LAST_OF_SEGMENT
            && event.duration < self.duration
    }
}

/// Reads the events of a stream: out of many packets for each, of which some are lost, comes each press once.
#[derive(Debug, Default)]
pub struct EventReader {
    current: Option<Current>,
    /// SSRC and timestamp, the latest first.
    told: [Option<(u32, u32)>; REMEMBERED],
}

impl EventReader {
    /// Takes a packet that came at `at_us`, on any steady clock in microseconds. `clock_rate` is that of the payload
    /// type, Hz. Returns what has ended by it: the press before, where its end was lost, and its own.
    pub fn take(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        clock_rate: u32,
        payload: &[u8],
        at_us: u64,
    ) -> [Option<Press>; 2] {
        let known = TelephoneEvent::parse(payload)
            .filter(|event| event.code <= HOOK_FLASH && clock_rate > 0)
            .filter(|_| !self.told.contains(&Some((ssrc, timestamp))));
        let Some(event) = known else {
            return [None; 2];
        };
        let mut current = Current {
            ssrc,
            timestamp,
            code: event.code,
            before: 0,
            duration: event.duration,
            clock_rate,
            last_us: at_us,
        };
        let mut ended = [None; 2];
        if let Some(last) = self.current.take() {
            if (last.ssrc, last.timestamp) == (ssrc, timestamp) {
                current.before = last.before;
                current.duration = last.duration.max(event.duration);
                current.code = last.code;
            } else if last.ssrc == ssrc && (timestamp.wrapping_sub(last.timestamp) as i32) < 0 {
                // A straggler of one before, which was told of long ago.
                self.current = Some(last);
                return ended;
            } else if last.goes_on_with(ssrc, event) {
                self.remember(&last);
                current.before = last.before.saturating_add(u16::MAX.into());
            } else {
                ended[0] = Some(self.end(&last));
            }
        }
        if event.end {
            ended[1] = Some(self.end(&current));
        } else {
            self.current = Some(current);
        }
        ended
    }

    /// The press whose end was lost, once nothing has come of it for a while.
    pub fn expire(&mut self, now_us: u64) -> Option<Press> {
        let over = |current: &mut Current| now_us.saturating_sub(current.last_us) >= LOST_END_US;
        let current = self.current.take_if(over)?;
        Some(self.end(&current))
    }

    /// Whether a key is being pressed.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.current.is_some()
    }

    fn end(&mut self, event: &Current) -> Press {
        self.remember(event);
        event.press()
    }

    fn remember(&mut self, event: &Current) {
        self.told.rotate_right(1);
        self.told[0] = Some((event.ssrc, event.timestamp));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets(code: u8, end: bool, duration: u16) -> [u8; 4] {
        let volume = 10;
        TelephoneEvent {
            code,
            end,
            volume,
            duration,
        }
        .octets()
    }

    /// The packets of one digit as RFC 4733 has them: one each 20 ms, the last three times.
    fn packets(code: u8, timestamp: u32, ms: u16) -> Vec<(u32, [u8; 4])> {
        let steps = (160..ms * 8).step_by(160);
        steps
            .map(|duration| (timestamp, octets(code, false, duration)))
            .chain([(timestamp, octets(code, true, ms * 8)); 3])
            .collect()
    }

    /// A press of `units`, with a packet every 160, in as many segments as that takes.
    fn long_press(code: u8, start: u32, units: u32) -> Vec<(u32, [u8; 4])> {
        let mut all = Vec::new();
        let (mut timestamp, mut left) = (start, units);
        while left > 0xffff {
            let steps = (160..0xffff).step_by(160).chain([0xffff]);
            all.extend(steps.map(|duration| (timestamp, octets(code, false, duration))));
            timestamp = timestamp.wrapping_add(0xffff);
            left -= 0xffff;
        }
        let steps = (160..left as u16).step_by(160);
        all.extend(steps.map(|duration| (timestamp, octets(code, false, duration))));
        all.extend([(timestamp, octets(code, true, left as u16)); 3]);
        all
    }

    /// What is read of packets of one source that come every 20 ms, at 8000 Hz.
    fn read(packets: &[(u32, [u8; 4])]) -> Vec<(u8, u32)> {
        let mut reader = EventReader::default();
        let mut now_us = 0;
        let mut presses = Vec::new();
        for (timestamp, payload) in packets {
            now_us += 20_000;
            presses.extend(
                reader
                    .take(1, *timestamp, 8_000, payload, now_us)
                    .into_iter()
                    .flatten(),
            );
            presses.extend(reader.expire(now_us));
        }
        presses.extend(reader.expire(u64::MAX));
        presses
            .into_iter()
            .map(|press: Press| (press.code, press.duration_ms))
            .collect()
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
    }

    #[test]
    fn a_press_is_told_once_though_its_end_comes_three_times() {
        assert_eq!(read(&packets(5, 800, 60)), [(5, 60)]);
    }

    #[test]
    fn the_same_key_pressed_twice_is_two_presses_and_late_packets_are_none() {
        let presses = [
            (800, octets(1, true, 800)),
            (4_000, octets(1, true, 800)),
            (800, octets(1, true, 800)),
        ];
        assert_eq!(read(&presses), [(1, 100), (1, 100)]);
    }

    #[test]
    fn a_press_longer_than_a_segment_is_one_press_of_its_whole_length() {
        for seconds in [9, 17, 60] {
            let press = long_press(7, u32::MAX - 70_000, seconds * 8_000);
            assert_eq!(read(&press), [(7, seconds * 1_000)]);
        }
    }

    #[test]
    fn a_long_press_stays_one_where_packets_around_the_new_segment_are_lost() {
        let whole = long_press(7, 0, 80_000);
        let segment = whole
            .iter()
            .position(|&(timestamp, _)| timestamp > 0)
            .unwrap();
        for (from, to) in [
            (segment - 3, segment),
            (segment, segment + 3),
            (segment - 3, segment + 3),
        ] {
            let heard = [&whole[..from], &whole[to..]].concat();
            assert_eq!(read(&heard), [(7, 10_000)]);
        }
    }

    #[test]
    fn a_long_press_stays_one_where_timestamps_are_counted_by_the_clock_of_the_voice() {
        let press: Vec<_> = long_press(7, 0, 80_000)
            .into_iter()
            .map(|(timestamp, payload)| (6 * timestamp, payload))
            .collect();
        assert_eq!(read(&press), [(7, 10_000)]);
    }

    #[test]
    fn a_short_press_after_one_of_the_same_key_is_not_its_next_segment() {
        let presses = [long_press(7, 0, 60_000), packets(7, 65_535, 100)].concat();
        assert_eq!(read(&presses), [(7, 7_500), (7, 100)]);
    }

    #[test]
    fn an_end_that_was_lost_is_found_by_the_next_press_or_by_time_and_not_told_twice() {
        assert_eq!(
            read(&[(800, octets(1, false, 800)), (4_000, octets(2, true, 160))]),
            [(1, 100), (2, 20)]
        );
        let mut reader = EventReader::default();
        let all = packets(3, 77, 100);
        for (timestamp, payload) in &all[..3] {
            assert_eq!(
                reader.take(1, *timestamp, 8_000, payload, 40_000),
                [None; 2]
            );
        }
        assert!(reader.is_active());
        assert_eq!(reader.expire(40_000 + LOST_END_US - 1), None);
        let press = Press {
            code: 3,
            duration_ms: 60,
        };
        assert_eq!(reader.expire(40_000 + LOST_END_US), Some(press));
        assert_eq!(reader.take(1, 77, 8_000, &all[6].1, 250_000), [None; 2]);
        assert_eq!(reader.expire(u64::MAX), None);
    }

    #[test]
    fn other_events_and_short_payloads_are_no_presses() {
        assert_eq!(
            read(&[(1, octets(HOOK_FLASH, true, 800))]),
            [(HOOK_FLASH, 100)]
        );
        assert_eq!(read(&[(1, octets(HOOK_FLASH + 1, true, 800))]), []);
        let mut reader = EventReader::default();
        assert_eq!(reader.take(1, 1, 8_000, &[1, 0x80], 0), [None; 2]);
        assert_eq!(reader.take(1, 1, 0, &octets(1, true, 800), 0), [None; 2]);
    }

    proptest! {
        #[test]
        fn each_press_comes_once_whatever_is_lost_repeated_or_late(
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
            let mut told = Vec::new();
            for (index, &(at_us, (timestamp, payload))) in wire.iter().enumerate() {
                let fate = fates[index % fates.len()];
                told.extend(reader.expire(at_us));
                if fate == 0 || fate == 1 {
                    continue;
                }
                heard.insert(timestamp);
                for _ in 0..fate / 2 {
                    told.extend(reader.take(9, timestamp, 8_000, &payload, at_us).into_iter().flatten());
                }
            }
            told.extend(reader.expire(u64::MAX));
            let told: Vec<u8> = told.into_iter().map(|press: Press| press.code).collect();
            let wanted: Vec<u8> = codes
                .iter()
                .enumerate()
                .filter(|(index, _)| heard.contains(&(*index as u32 * 4_000)))
                .map(|(_, &code)| code)
                .collect();
            prop_assert_eq!(told, wanted);
        }

        #[test]
        fn no_payload_and_no_timestamp_upsets_it(
            packets in prop::collection::vec((any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..8)), 0..200),
        ) {
            let mut reader = EventReader::default();
            for (index, (ssrc, timestamp, payload)) in packets.iter().enumerate() {
                for press in reader.take(ssrc % 3, *timestamp, 8_000, payload, index as u64 * 1_000).into_iter().flatten() {
                    prop_assert!(press.code <= HOOK_FLASH);
                }
            }
        }
    }
}
