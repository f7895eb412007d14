//! The way of one packet through the engine, whole.

use crate::clock::Micros;
use crate::codecs::Link;
use crate::command::DROP;
use crate::demux::{self, Kind};
use crate::event::EventQueue;
use crate::leg::{Leg, Sealed, Target};
use crate::port::Datagram;

/// The legs of one worker, by slot.
pub type Legs = Vec<Option<Leg>>;

/// The leg in a slot.
#[inline]
pub fn leg_at(legs: &mut Legs, slot: u32) -> Option<&mut Leg> {
    legs.get_mut(slot as usize)?.as_mut()
}

/// Takes a datagram that `port::receive` got for the leg in `slot` to where it belongs.
///
/// No lock, no allocation and no reference count on the way of an RTP packet.
#[inline]
pub fn forward(
    legs: &mut Legs,
    slot: u32,
    datagram: &mut Datagram,
    now: Micros,
    events: &EventQueue,
    codecs: &mut Link,
) {
    let Some(leg) = leg_at(legs, slot) else {
        return;
    };
    if leg.is_sealed() {
        return pass(legs, slot, datagram, true, now, events);
    }
    match demux::classify(datagram.content()) {
        Kind::Rtp => {}
        Kind::Rtcp => return leg.accept_control(datagram, true, now, events),
        other => return leg.hand_up(other, datagram, now, events),
    }
    // Source, SRTP tag and decryption, latch, statistics, gates, payload type.
    let Some(heard) = leg.accept(datagram, now, events) else {
        return;
    };
    if heard.aside {
        leg.look_aside(slot, &heard, datagram, now, events, codecs);
        if heard.payload_type == DROP {
            leg.count_unsent();
            return;
        }
    }
    let out = match leg.target {
        Target::Echo => leg,
        Target::Leg(other) => match leg_at(legs, other) {
            Some(other) => other,
            None => return,
        },
        Target::None | Target::Codecs(_) => return,
    };
    // Gates, new numbers, encryption, the wire.
    out.send(&heard, datagram, now);
}

/// As [`forward`], for a datagram of the RTCP port.
pub fn forward_control(
    legs: &mut Legs,
    slot: u32,
    datagram: &mut Datagram,
    now: Micros,
    events: &EventQueue,
) {
    match leg_at(legs, slot) {
        Some(leg) if leg.is_sealed() => pass(legs, slot, datagram, false, now, events),
        Some(leg) => leg.accept_control(datagram, false, now, events),
        None => {}
    }
}

/// The way of a packet of a sealed leg: it passes as it is, to another sealed leg or nowhere.
#[inline(never)]
fn pass(
    legs: &mut Legs,
    slot: u32,
    datagram: &Datagram,
    on_rtp_port: bool,
    now: Micros,
    events: &EventQueue,
) {
    let Some(leg) = leg_at(legs, slot) else {
        return;
    };
    // Source, kind, latch, statistics, and the receive gate or ZRTP's rate.
    let Some(passing) = leg.accept_sealed(datagram, on_rtp_port, now, events) else {
        return;
    };
    let Target::Leg(other) = leg.target else {
        return;
    };
    // Sealed too? The send gate, the wire.
    let passed =
        leg_at(legs, other).is_some_and(|out| out.send_sealed(passing, datagram.content()));
    if passed
        && passing == Sealed::Zrtp
        && let Some(leg) = leg_at(legs, slot)
    {
        leg.show_zrtp(datagram, now, events);
    }
}

/// Reads what serving will need of some legs and of those that hear them. With many calls it has left the
/// cache since their last packets, and independent reads wait for memory together rather than in turn.
#[inline]
pub fn warm(legs: &Legs, slots: impl Iterator<Item = u32>) {
    let mut sum = 0;
    for slot in slots {
        if let Some(Some(leg)) = legs.get(slot as usize) {
            sum ^= leg.warm_in();
            if let Target::Leg(other) = leg.target
                && let Some(Some(other)) = legs.get(other as usize)
            {
                sum ^= other.warm_out();
            }
        }
    }
    std::hint::black_box(sum);
}
