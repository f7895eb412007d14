//! A worker and its codec process: which legs it hears, for which it speaks, and what comes of that.
//!
//! What the process has to know follows from what each leg is joined to, what plays to it and what records it.
//! [`Worker::settle_all`] compares that with what it has been told; so it is told the difference, and everything when it
//! has been started anew.

use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use sealtone_codec_protocol::{LegId, MAX_BATCH, Order, Report, reports};

use super::{CODECS, Worker};
use crate::codecs::Notice;
use crate::event::{MediaEvent, What};
use crate::forward::leg_at;
use crate::leg::{Mouth, Playing, Target};

/// Datagrams of the process read in a round.
const DATAGRAMS: usize = 32;

impl Worker {
    /// The legs whose state with the process may have changed.
    pub(super) fn unsettle(&mut self, slot: u32) {
        if !self.unsettled.contains(&slot) {
            self.unsettled.push(slot);
        }
    }

    pub(super) fn transcode(&mut self, a: u32, b: u32) {
        let joined = |worker: &mut Self, leg: u32, other: u32| {
            leg_at(&mut worker.legs, leg).is_some_and(|leg| leg.target == Target::Codecs(other))
        };
        if joined(self, a, b) && joined(self, b, a) {
            return;
        }
        self.release(a);
        self.release(b);
        if leg_at(&mut self.legs, a).is_none() || leg_at(&mut self.legs, b).is_none() {
            return;
        }
        for (leg, other) in [(a, b), (b, a)] {
            if let Some(leg) = leg_at(&mut self.legs, leg) {
                leg.join(Target::Codecs(other), None);
            }
            self.unsettle(leg);
        }
    }

    pub(super) fn play(&mut self, slot: u32, playing: Option<Playing>) {
        if let Some(leg) = leg_at(&mut self.legs, slot) {
            leg.play(playing);
            self.unsettle(slot);
        }
    }

    /// Has the process send a digit to a leg that it speaks for.
    pub(super) fn send_digit(&mut self, slot: u32, digit: u8, duration_ms: u16) {
        self.settle_all();
        if let Some(leg) = leg_at(&mut self.legs, slot)
            && leg.mouth == Mouth::Codecs
        {
            let leg = leg.codec_id(slot);
            self.link.order(&Order::Digit {
                leg,
                digit,
                duration_ms,
            });
        }
    }

    /// Tells the process what has changed of the unsettled legs and of those they are joined to.
    pub(super) fn settle_all(&mut self) {
        let slots = std::mem::take(&mut self.unsettled);
        // Whom a leg hears has to be known before it hears.
        for settle in [Self::set_up, Self::direct] {
            for &slot in &slots {
                let partner = self.partner(slot).filter(|&partner| partner != slot);
                settle(self, slot);
                if let Some(partner) = partner {
                    settle(self, partner);
                }
            }
        }
    }

    fn partner(&self, slot: u32) -> Option<u32> {
        match self.legs.get(slot as usize)?.as_ref()?.target {
            Target::Leg(other) | Target::Codecs(other) => Some(other),
            Target::Echo => Some(slot),
            Target::None => None,
        }
    }

    /// Whether the process speaks for a leg, and whom that leg then hears.
    fn spoken_for(&self, slot: u32) -> Option<Option<u32>> {
        let leg = self.legs.get(slot as usize)?.as_ref()?;
        if leg.is_sealed() || leg.is_silenced() {
            return None;
        }
        match (leg.target, leg.playing()) {
            (Target::Codecs(other), _) => Some(Some(other)),
            (Target::Leg(other), Some(playing)) => Some(playing.over.then_some(other)),
            (Target::Echo, Some(playing)) => Some(playing.over.then_some(slot)),
            (Target::None, Some(_)) => Some(None),
            (_, None) => None,
        }
    }

    pub(super) fn codec_id(&self, slot: u32) -> Option<LegId> {
        let leg = self.legs.get(slot as usize)?.as_ref()?;
        Some(leg.codec_id(slot))
    }

    /// Sets a leg's switches, and the process's leg up where it is needed.
    fn set_up(&mut self, slot: u32) {
        let spoken_for = self.spoken_for(slot);
        let heard_by = self
            .partner(slot)
            .and_then(|partner| self.spoken_for(partner));
        let barred = leg_at(&mut self.legs, slot).is_none_or(|leg| leg.is_barred());
        let heard = heard_by == Some(Some(slot));
        let up = self.link.socket().is_some();
        let Some(leg) = leg_at(&mut self.legs, slot) else {
            return;
        };
        let listened_to = heard || leg.is_recorded() || leg.is_heard_for_tones();
        leg.copied = listened_to && !barred && !leg.is_sealed();
        // What would play over or in place of a relayed call waits for the process; the call does not.
        let speaks = spoken_for.is_some() && (up || matches!(leg.target, Target::Codecs(_)));
        leg.set_mouth(if speaks { Mouth::Codecs } else { Mouth::Relay });
        let wanted = spoken_for.is_some() || leg.copied;
        if up && wanted && (!leg.told().set_up || leg.told().outdated) {
            let formats = leg.formats();
            self.link.order(&Order::SetUp {
                leg: leg.codec_id(slot),
                formats: formats.receive.clone(),
                transmit: formats.transmit.clone(),
            });
            (leg.told().set_up, leg.told().outdated) = (true, false);
        }
    }

    /// Tells the process what a leg hears and what plays to it, or to forget it.
    fn direct(&mut self, slot: u32) {
        let spoken_for = self.spoken_for(slot);
        let source = spoken_for
            .flatten()
            .and_then(|source| self.codec_id(source));
        let mouth = spoken_for.map(|_| source);
        let up = self.link.socket().is_some();
        let Some(leg) = leg_at(&mut self.legs, slot).filter(|_| up) else {
            return;
        };
        let id = leg.codec_id(slot);
        if mouth.is_none() && !leg.copied {
            if leg.forget_told() {
                self.link.order(&Order::Close { leg: id });
            }
            return;
        }
        if leg.told().mouth != mouth {
            self.link.order(&match mouth {
                Some(source) => Order::Hear { leg: id, source },
                None => Order::Hush { leg: id },
            });
            leg.told().mouth = mouth;
        }
        let playing = leg.playing().map(|playing| playing.number);
        if leg.told().playing != playing {
            self.link.order(&match leg.playing() {
                Some(playing) => Order::Play {
                    leg: id,
                    playing: playing.number,
                    repeat: playing.repeat,
                    over: playing.over,
                    sounds: playing.sounds.clone(),
                },
                None => Order::StopPlaying { leg: id },
            });
            leg.told().playing = playing;
        }
    }

    /// A leg goes: the process is to forget it.
    pub(super) fn forget(&mut self, slot: u32) {
        self.stop_recordings_of(slot);
        if let Some(leg) = leg_at(&mut self.legs, slot) {
            let id = leg.codec_id(slot);
            leg.play(None);
            leg.copied = false;
            leg.set_mouth(Mouth::Relay);
            if leg.forget_told() {
                self.link.order(&Order::Close { leg: id });
            }
        }
    }

    /// Tells the process how much of what it makes for a leg gets lost.
    pub(super) fn tell_loss(&mut self, slot: u32) {
        if let Some(leg) = leg_at(&mut self.legs, slot)
            && let Some(percent) = leg.untold_loss()
        {
            let leg = leg.codec_id(slot);
            self.link.order(&Order::ExpectLoss { leg, percent });
        }
    }

    // ---- the process ----

    /// A process is there, and knows nothing yet. A leg over which processes have died again and again is heard
    /// through codecs no more.
    pub(super) fn open_codecs(&mut self, socket: OwnedFd, culprit: Option<LegId>) {
        if let Some(id) = culprit
            && let Some(leg) = leg_at(&mut self.legs, id as u32)
            && leg.codec_id(id as u32) == id
        {
            leg.blame(self.now);
        }
        let _ = epoll::add(
            &self.epoll,
            &socket,
            EventData::new_u64(CODECS),
            EventFlags::IN,
        );
        if let Some(former) = self.link.close() {
            let _ = epoll::delete(&self.epoll, &former);
        }
        self.link.open(socket);
        self.awaits_room = false;
        for slot in 0..self.legs.len() as u32 {
            if let Some(leg) = leg_at(&mut self.legs, slot) {
                leg.forget_told();
                if leg.mouth == Mouth::Codecs {
                    leg.resync();
                }
                if leg.copied || leg.mouth == Mouth::Codecs || leg.playing().is_some() {
                    self.unsettled.push(slot);
                }
            }
        }
        self.settle_all();
    }

    /// The process is gone, or is to go: it has left its orders unread, or said what cannot be read.
    #[cold]
    fn lose_codecs(&mut self) {
        let Some(socket) = self.link.close() else {
            return;
        };
        let _ = epoll::delete(&self.epoll, &socket);
        self.lose_recordings();
        self.link.counters.lost.add(1);
        for slot in 0..self.legs.len() as u32 {
            if leg_at(&mut self.legs, slot).is_some_and(|leg| leg.playing().is_some()) {
                self.unsettled.push(slot);
            }
        }
        if let Some((worker, notices)) = &self.supervision {
            let _ = notices.send(Notice::Lost(*worker));
            self.events.push(MediaEvent {
                leg: 0,
                what: What::CodecsLost(*worker),
            });
        }
    }

    /// Sends the process what was gathered in this round.
    pub(super) fn flush_codecs(&mut self) {
        if !self.unsettled.is_empty() {
            self.settle_all();
        }
        self.tell_recordings();
        if !self.link.flush() {
            return self.lose_codecs();
        }
        let wants_room = self.link.wants_room();
        if wants_room != self.awaits_room
            && let Some(socket) = self.link.socket()
        {
            let flags = if wants_room {
                EventFlags::IN | EventFlags::OUT
            } else {
                EventFlags::IN
            };
            let _ = epoll::modify(&self.epoll, socket, EventData::new_u64(CODECS), flags);
        }
        self.awaits_room = wants_room;
    }

    /// Takes what the process has made and heard.
    pub(super) fn hear_codecs(&mut self) {
        self.codecs_ready = false;
        let mut datagram = std::mem::take(&mut self.reports);
        // After a fault in here it is gone.
        datagram.resize(MAX_BATCH, 0);
        for _ in 0..DATAGRAMS {
            let Some(length) = self.link.receive(&mut datagram) else {
                break;
            };
            let readable = length > 0
                && reports(&datagram[..length])
                    .all(|report| report.is_ok_and(|report| self.take_report(&report)));
            if !readable {
                self.lose_codecs();
                break;
            }
        }
        self.reports = datagram;
    }

    /// False for what no process of ours says.
    fn take_report(&mut self, report: &Report<'_>) -> bool {
        let id = match report {
            Report::Send(sent) => sent.leg,
            Report::Digit { leg, .. }
            | Report::Played { leg, .. }
            | Report::Statistics { leg, .. }
            | Report::Fault { leg, .. } => *leg,
            Report::Recorded { recording, data } => {
                self.take_recorded(*recording, data);
                return true;
            }
            Report::RecordingEnded {
                recording, reason, ..
            } => {
                self.take_recording_end(*recording, reason);
                return true;
            }
            Report::Hello { .. } => return false,
        };
        let slot = id as u32;
        // Of a leg that has closed meanwhile there may be some still.
        let Some(leg) = leg_at(&mut self.legs, slot).filter(|leg| leg.codec_id(slot) == id) else {
            return true;
        };
        match report {
            Report::Send(sent) => {
                self.serving = Some(slot);
                if !leg.send_made(sent, &mut self.control, self.now) {
                    self.link.counters.refused.add(1);
                }
                self.serving = None;
            }
            Report::Digit {
                digit, duration_ms, ..
            } => leg.take_digit(*digit, *duration_ms, self.now, &self.events),
            Report::Played { playing, .. } if leg.has_played(*playing, &self.events) => {
                self.unsettle(slot);
            }
            Report::Statistics { statistics, .. } => leg.take_statistics(statistics),
            Report::Fault { reason, .. } => leg.tell_fault(reason, self.now, &self.events),
            _ => {}
        }
        true
    }
}
