//! A worker: one thread, its legs, its epoll set, its mailbox.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

mod codecs;
mod recording;
mod tending;

use crate::clock::{Clock, Micros};
use crate::codecs::{Link, LinkCounters, Notice};
use crate::command::{Command, Mailbox, Passage, PayloadMap, Plan};
use crate::event::EventQueue;
use crate::forward::{Legs, forward, forward_control, leg_at, warm};
use crate::leg::{Leg, Mouth, Target};
use crate::pool::Returns;
use crate::port::{Datagram, Received};
use crate::stats::Counter;
pub use recording::Tap;
use recording::Taps;

/// Ready sockets taken from the kernel at once.
const BATCH: usize = 512;
/// The mailbox's mark in the epoll set; legs have `slot * 2`, plus one for RTCP.
const MAILBOX: u64 = u64::MAX;
/// The mark of the codec process's socket.
const CODECS: u64 = u64::MAX - 1;
/// Every leg is tended once in this time.
const TEND_PERIOD: Micros = 200_000;
/// Slots whose address space is taken in advance, so that a growing table is seldom moved.
const RESERVED_SLOTS: usize = 4_096;
/// Under load a round is to find about so many packets: fewer make each cost more, more make them wait.
const ROUND_PACKETS: u64 = 50;
/// Rounds begin at least so far apart under load, unless the longest pause is shorter.
const SHORTEST_TICK: Micros = 250;
/// Packet rate is measured over this time.
const RATE_WINDOW: Micros = 20_000;
/// After so long without one round that emptied the ready list, the worker is behind and old packets
/// have to go. A shorter stall is made up for without loss.
const BEHIND_AFTER: Micros = 200_000;
/// Commands obeyed between two rounds of packets.
const COMMANDS: usize = 1_024;
/// A leg that another worker gives away is awaited for so long: many times what a round takes.
const PASSAGE: Micros = 1_000_000;
/// When behind: at most so many packets are read from a socket at a visit,
const DRAIN: usize = 32;
/// of which so many, the newest, are forwarded.
const FRESH: usize = 4;
/// Packets received before the first of them is sent. The kernel's ways in and out are each larger than
/// the processor's instruction cache: going through one for many packets, and then through the other,
/// costs less than changing between them for each packet.
const CHUNK: usize = 32;

/// How a worker waits.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Under load rounds begin at most so far apart; 0 never pauses.
    pub tick: Micros,
    /// Packets a second above which the worker pauses between rounds instead of waking for each.
    pub coalesce_pps: u64,
}

impl Pace {
    /// The time from round to round at `rate` packets a second, or `None` to wake for each packet.
    fn tick_at(self, rate: u64, ticking: bool) -> Option<Micros> {
        let threshold = if ticking {
            self.coalesce_pps * 3 / 4
        } else {
            self.coalesce_pps
        };
        (self.tick > 0 && rate > threshold).then(|| {
            let wanted = ROUND_PACKETS * 1_000_000 / rate;
            wanted.clamp(SHORTEST_TICK.min(self.tick), self.tick)
        })
    }
}

/// What a worker tells about itself; written by it alone.
#[derive(Debug, Default)]
pub struct WorkerCounters {
    /// Rounds through the ready sockets.
    pub rounds: Counter,
    /// Visits to ready sockets; one datagram each, unless behind.
    pub datagrams: Counter,
    /// Rounds in which the worker was behind and dropped old packets.
    pub behind: Counter,
    /// Legs it holds.
    pub legs: Counter,
    /// Legs ended because handling a packet of theirs failed an internal check.
    pub faults: Counter,
    /// What it counts of its codec process.
    pub codecs: Arc<LinkCounters>,
}

/// Whom a worker tells, by its number, that its codec process is gone.
pub type Supervision = Option<(usize, Sender<Notice>)>;

/// Everything a worker thread owns.
pub struct Worker {
    epoll: OwnedFd,
    legs: Legs,
    mailbox: Arc<Mailbox>,
    events: Arc<EventQueue>,
    counters: Arc<WorkerCounters>,
    returns: Returns,
    clock: Clock,
    pace: Pace,
    datagrams: [Datagram; CHUNK],
    /// For what comes to RTCP's own sockets.
    control: Datagram,
    now: Micros,
    /// The last round took all that a batch can hold: there is more.
    backlog: bool,
    /// When the ready list was last emptied.
    caught_up: Micros,
    window_start: Micros,
    window_packets: u64,
    /// When the present round began.
    woken: Micros,
    /// Under load: from the beginning of one round to that of the next.
    tick: Option<Micros>,
    next_tend: Micros,
    tend_part: usize,
    /// The slot being served, to be closed should serving it fail.
    serving: Option<u32>,
    /// To the codec process.
    link: Link,
    supervision: Supervision,
    /// The process has said something.
    codecs_ready: bool,
    /// The process's socket is watched for room too.
    awaits_room: bool,
    /// For what the process says.
    reports: Vec<u8>,
    /// Legs whose state with the process may have changed.
    unsettled: Vec<u32>,
    taps: Taps,
    /// A leg on its way to us, until when it is awaited. Commands after it wait; packets do not.
    awaited: Option<(u32, Arc<Passage>, Micros)>,
    stopped: bool,
}

impl Worker {
    /// A worker without legs.
    ///
    /// # Errors
    /// No descriptor could be had.
    pub fn new(
        mailbox: Arc<Mailbox>,
        events: Arc<EventQueue>,
        counters: Arc<WorkerCounters>,
        returns: Returns,
        clock: Clock,
        pace: Pace,
        supervision: Supervision,
    ) -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            mailbox.descriptor(),
            EventData::new_u64(MAILBOX),
            EventFlags::IN,
        )?;
        let link = Link::new(clock.now(), Arc::clone(&counters.codecs));
        Ok(Self {
            epoll,
            legs: Legs::with_capacity(RESERVED_SLOTS),
            mailbox,
            events,
            counters,
            returns,
            clock,
            pace,
            datagrams: std::array::from_fn(|_| Datagram::default()),
            control: Datagram::default(),
            now: 0,
            backlog: false,
            caught_up: 0,
            window_start: 0,
            window_packets: 0,
            woken: 0,
            tick: None,
            next_tend: 0,
            tend_part: 0,
            serving: None,
            link,
            supervision,
            codecs_ready: false,
            awaits_room: false,
            reports: Vec::new(),
            unsettled: Vec::new(),
            taps: Taps::default(),
            awaited: None,
            stopped: false,
        })
    }

    /// Runs until told to stop. A leg whose handling fails an internal check is ended; the others go on.
    pub fn run(mut self) {
        let empty = Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(MAILBOX),
        };
        let mut ready = [empty; BATCH];
        while !self.stopped {
            if catch_unwind(AssertUnwindSafe(|| self.round(&mut ready))).is_err() {
                self.counters.faults.add(1);
                if let Some(slot) = self.serving.take() {
                    self.release(slot);
                    self.remove(slot);
                }
            }
        }
    }

    fn round(&mut self, ready: &mut [Event; BATCH]) {
        let count = self.wait(ready);
        self.now = self.clock.now();
        self.woken = self.now;
        self.backlog = count == BATCH;
        if !self.backlog {
            self.caught_up = self.now;
        }
        let behind = self.now.saturating_sub(self.caught_up) > BEHIND_AFTER;
        self.counters.behind.add(u64::from(behind));
        let mut served = 0;
        for chunk in ready[..count].chunks(CHUNK) {
            if served > 0 {
                self.now = self.clock.now();
            }
            served += self.serve(chunk, behind);
        }
        self.serving = None;
        self.measure(served);
        if self.codecs_ready {
            self.hear_codecs();
        }
        self.obey();
        self.flush_codecs();
        if self.now >= self.next_tend {
            self.tend();
        }
    }

    /// Waits for ready sockets. Under load that is for the next tick, so that one wake-up serves many;
    /// in quiet it ends with the next packet.
    fn wait(&mut self, ready: &mut [Event]) -> usize {
        const AT_ONCE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if let Some(tick) = self.tick {
            let pause = (self.woken + tick).saturating_sub(self.clock.now());
            if pause > 0 && !self.backlog {
                std::thread::sleep(Duration::from_micros(pause));
            }
            return epoll::wait(&self.epoll, &mut *ready, Some(&AT_ONCE)).unwrap_or(0);
        }
        if self.awaited.is_some() || !self.mailbox.prepare_to_sleep() {
            return epoll::wait(&self.epoll, &mut *ready, Some(&AT_ONCE)).unwrap_or(0);
        }
        let until_tend = (self.counters.legs.get() > 0).then(|| {
            let micros = self.next_tend.saturating_sub(self.clock.now());
            Timespec {
                tv_sec: 0,
                tv_nsec: (micros.min(TEND_PERIOD) * 1_000) as i64,
            }
        });
        let count = epoll::wait(&self.epoll, &mut *ready, until_tend.as_ref()).unwrap_or(0);
        self.mailbox.awake();
        count
    }

    /// Follows the packet rate and decides whether to pause between rounds.
    fn measure(&mut self, served: u64) {
        self.counters.rounds.add(1);
        self.counters.datagrams.add(served);
        self.window_packets += served;
        let elapsed = self.now.saturating_sub(self.window_start);
        if elapsed >= RATE_WINDOW {
            let rate = self.window_packets * 1_000_000 / elapsed;
            self.tick = self.pace.tick_at(rate, self.tick.is_some());
            self.window_start = self.now;
            self.window_packets = 0;
        }
    }

    /// One visit to each of some ready sockets: one packet, so that no socket can starve another. What is
    /// left keeps the socket ready, and the kernel puts it at the end of its list. Returns the visits.
    #[inline]
    fn serve(&mut self, ready: &[Event], behind: bool) -> u64 {
        warm(
            &self.legs,
            ready.iter().map(|event| (event.data.u64() >> 1) as u32),
        );
        let mut waiting = [0_u32; CHUNK];
        let (mut received, mut visits) = (0, 0);
        for event in ready {
            let mark = event.data.u64();
            if mark >= CODECS {
                self.codecs_ready |= mark == CODECS;
                continue;
            }
            visits += 1;
            let slot = (mark >> 1) as u32;
            if mark & 1 == 1 {
                self.serve_control(slot);
            } else if behind {
                self.serve_behind(slot);
            } else if let Some(leg) = leg_at(&mut self.legs, slot)
                && leg.receive(&mut self.datagrams[received]) == Received::Datagram
            {
                waiting[received] = slot;
                received += 1;
            }
        }
        for (slot, datagram) in waiting.into_iter().zip(&mut self.datagrams[..received]) {
            self.serving = Some(slot);
            forward(
                &mut self.legs,
                slot,
                datagram,
                self.now,
                &self.events,
                &mut self.link,
            );
        }
        visits
    }

    fn serve_control(&mut self, slot: u32) {
        self.serving = Some(slot);
        let datagram = &mut self.control;
        if let Some(leg) = leg_at(&mut self.legs, slot)
            && leg.receive_control(datagram) == Received::Datagram
        {
            forward_control(&mut self.legs, slot, datagram, self.now, &self.events);
        }
    }

    /// A visit when behind: reading is six times cheaper than sending, so the queue is read empty and
    /// only its newest packets go on. Delay stays bounded, and no backlog is left when the load ends.
    #[cold]
    fn serve_behind(&mut self, slot: u32) {
        self.serving = Some(slot);
        let Some(leg) = leg_at(&mut self.legs, slot) else {
            return;
        };
        let mut received = 0;
        for _ in 0..DRAIN {
            match leg.receive(&mut self.datagrams[received % FRESH]) {
                Received::Datagram => received += 1,
                Received::Again => {}
                Received::Nothing => break,
            }
        }
        let stale = received.saturating_sub(FRESH);
        leg.counters.overload_drops.add(stale as u64);
        for place in stale..received {
            let datagram = &mut self.datagrams[place % FRESH];
            forward(
                &mut self.legs,
                slot,
                datagram,
                self.now,
                &self.events,
                &mut self.link,
            );
        }
    }

    // ---- commands ----

    fn obey(&mut self) {
        if !self.welcome() {
            return;
        }
        for _ in 0..COMMANDS {
            let Some(command) = self.mailbox.take() else {
                return;
            };
            match command {
                Command::Open(slot, leg) => self.open(slot, *leg),
                Command::Update(slot, plan) => self.update(slot, *plan),
                Command::Bridge(a, b, map_a, map_b) => self.bridge(a, b, map_a, map_b),
                Command::Unbridge(slot) => self.release(slot),
                Command::Echo(slot) => {
                    self.release(slot);
                    if let Some(leg) = leg_at(&mut self.legs, slot) {
                        leg.join(Target::Echo, None);
                    }
                    self.unsettle(slot);
                }
                Command::Transcode(a, b) => self.transcode(a, b),
                Command::Digit(slot, digit, duration_ms) => {
                    self.send_digit(slot, digit, duration_ms);
                }
                Command::Play(slot, playing) => self.play(slot, playing),
                Command::Record(tap) => self.record(*tap),
                Command::StopRecording(recording) => self.stop_recording(recording),
                Command::Codecs(socket, culprit) => self.open_codecs(socket, culprit),
                Command::Sound(sound) => self.link.add_sound(sound),
                Command::SendPacket(slot, packet) => {
                    if let Some(leg) = leg_at(&mut self.legs, slot) {
                        leg.send_own_packet(&packet);
                    }
                }
                Command::Depart(slot, passage) => self.depart(slot, &passage),
                Command::Arrive(slot, passage) => {
                    self.awaited = Some((slot, passage, self.now + PASSAGE));
                    if !self.welcome() {
                        return;
                    }
                }
                Command::Close(slot) => self.close(slot),
                Command::Stop => {
                    (0..self.legs.len() as u32).for_each(|slot| self.close(slot));
                    self.stopped = true;
                    return;
                }
            }
        }
    }

    fn open(&mut self, slot: u32, leg: Leg) {
        leg.discard_waiting();
        let mark = u64::from(slot) << 1;
        self.watch(leg.rtp_socket(), mark);
        if let Some(rtcp) = leg.rtcp_socket() {
            self.watch(rtcp, mark | 1);
        }
        let index = slot as usize;
        if self.legs.len() <= index {
            self.legs.resize_with(index + 1, || None);
        }
        self.legs[index] = Some(leg);
        self.counters.legs.add(1);
    }

    fn watch(&self, socket: &OwnedFd, mark: u64) {
        // Fails only without kernel memory; the leg is then deaf, and reported as silent.
        let _ = epoll::add(
            &self.epoll,
            socket,
            EventData::new_u64(mark),
            EventFlags::IN,
        );
    }

    fn update(&mut self, slot: u32, plan: Plan) {
        let Some(leg) = leg_at(&mut self.legs, slot) else {
            return;
        };
        let new_socket = plan.rtcp_socket.is_some();
        let (unused, restarts) = leg.apply(plan, self.now);
        let target = leg.target;
        if leg.copied
            || leg.mouth == Mouth::Codecs
            || leg.playing().is_some()
            || leg.is_heard_for_tones()
        {
            self.unsettle(slot);
        }
        if let Some(socket) = unused {
            let _ = epoll::delete(&self.epoll, &socket);
            self.returns.discard(socket);
        }
        if new_socket
            && let Some(socket) = self.legs[slot as usize].as_ref().and_then(Leg::rtcp_socket)
        {
            self.watch(socket, u64::from(slot) << 1 | 1);
        }
        if restarts {
            let hearer = match target {
                Target::Leg(other) | Target::Codecs(other) => other,
                Target::Echo | Target::None => slot,
            };
            // What the codec process makes goes on whatever it is made of.
            if let Some(leg) = leg_at(&mut self.legs, hearer)
                && leg.mouth == Mouth::Relay
            {
                leg.resync();
            }
        }
    }

    fn bridge(
        &mut self,
        a: u32,
        b: u32,
        map_a: Option<Arc<PayloadMap>>,
        map_b: Option<Arc<PayloadMap>>,
    ) {
        self.release(a);
        self.release(b);
        if leg_at(&mut self.legs, b).is_none() {
            return;
        }
        let Some(leg) = leg_at(&mut self.legs, a) else {
            return;
        };
        leg.join(Target::Leg(b), map_a);
        if let Some(leg) = leg_at(&mut self.legs, b) {
            leg.join(Target::Leg(a), map_b);
        }
        self.unsettle(a);
    }

    /// Ends a leg's bridge on both sides, so that no target ever points at a slot given to another leg.
    fn release(&mut self, slot: u32) {
        let Some(leg) = leg_at(&mut self.legs, slot) else {
            return;
        };
        let target = leg.target;
        leg.join(Target::None, None);
        let touched = leg.copied || leg.mouth == Mouth::Codecs;
        if let Target::Leg(other) | Target::Codecs(other) = target
            && let Some(leg) = leg_at(&mut self.legs, other)
        {
            leg.join(Target::None, None);
            if touched || leg.copied || leg.mouth == Mouth::Codecs {
                self.unsettle(other);
            }
        }
        if touched {
            self.unsettle(slot);
        }
    }

    fn close(&mut self, slot: u32) {
        self.release(slot);
        if let Some(leg) = leg_at(&mut self.legs, slot) {
            leg.tend(self.now, &self.events);
            leg.say_goodbye(self.now);
        }
        self.remove(slot);
    }

    fn depart(&mut self, slot: u32, passage: &Passage) {
        self.release(slot);
        let leg = self.take(slot);
        if let Some(unwanted) = passage.put(leg.map(Box::new)) {
            let (ip, number, sockets) = unwanted.into_sockets();
            self.returns.close(ip, number, sockets);
        }
    }

    /// Takes in the leg that is awaited; false while it is not there.
    fn welcome(&mut self) -> bool {
        let Some((slot, passage, until)) = &self.awaited else {
            return true;
        };
        let Some(arrived) = passage.take(self.now >= *until) else {
            return false;
        };
        let slot = *slot;
        self.awaited = None;
        if let Some(leg) = arrived {
            self.open(slot, *leg);
        }
        true
    }

    fn remove(&mut self, slot: u32) {
        if let Some(leg) = self.take(slot) {
            let (ip, number, sockets) = leg.into_sockets();
            self.returns.close(ip, number, sockets);
        }
    }

    /// Takes a leg out of the table and off the watch.
    fn take(&mut self, slot: u32) -> Option<Leg> {
        self.forget(slot);
        let leg = self.legs.get_mut(slot as usize).and_then(Option::take)?;
        for socket in [Some(leg.rtp_socket()), leg.rtcp_socket()]
            .into_iter()
            .flatten()
        {
            let _ = epoll::delete(&self.epoll, socket);
        }
        self.counters.legs.set(self.counters.legs.get() - 1);
        Some(leg)
    }
}
