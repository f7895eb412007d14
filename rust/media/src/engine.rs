//! The engine as its owner sees it: calls, legs, plans, bridges, statistics.
//!
//! Every method returns at once: what it decides is posted to a worker, what it tells is read from
//! shared counters. Commands about one call take effect in the order given, each between two packets.

use std::hash::RandomState;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_setaffinity};

mod codecs;
mod config;
mod plan;
mod recordings;
mod registry;

pub use config::{EngineConfig, EngineError, EngineState, Key, LegPlan, OpenedLeg};
use config::{check, pool_config};
use registry::{CallEntry, LegEntry, Registry};

use crate::clock::{Clock, Micros};
use crate::codecs::{Sounds, Supervisor};
use crate::command::{Command, DROP, Mailbox, Passage, PayloadMap};
use crate::demux::{self, Kind};
use crate::event::{EventQueue, MediaEvent};
use crate::leg::Leg;
use crate::pool::Pool;
use crate::port::MAX_DATAGRAM;
use crate::record::Recordings;
use crate::stats::{LegCounters, LegStats};
use crate::worker::{Pace, Supervision, Worker, WorkerCounters};

/// Scheduling priority asked for the workers' threads.
const WORKER_NICE: i32 = -10;
/// How often posting to a full mailbox is tried again, a millisecond apart.
const POST_ATTEMPTS: u32 = 1_000;

/// The codec processes of an engine and the sounds it has.
#[derive(Default)]
struct Codecs {
    supervisor: Option<Supervisor>,
    sounds: Sounds,
    playings: u32,
}

struct WorkerHandle {
    mailbox: Arc<Mailbox>,
    counters: Arc<WorkerCounters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The media engine: workers, ports and the register of calls.
pub struct Engine {
    clock: Clock,
    silence: Micros,
    hasher: RandomState,
    workers: Vec<WorkerHandle>,
    registry: Mutex<Registry>,
    events: Arc<EventQueue>,
    pool: Pool,
    codecs: Mutex<Codecs>,
    recordings: Mutex<Option<Recordings>>,
    /// Commands wait for [`Engine::wake`].
    gathering: AtomicBool,
}

impl Engine {
    /// Starts the workers.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a configuration that cannot be, [`EngineError::Start`] when the
    /// system does not give threads or descriptors, [`EngineError::Ports`].
    pub fn start(config: &EngineConfig) -> Result<Self, EngineError> {
        check(config)?;
        let clock = Clock::start();
        let pool = Pool::start(pool_config(config), clock).map_err(EngineError::Start)?;
        let events = Arc::new(EventQueue::new().map_err(start_error)?);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if config.workers == 0 {
            cores
        } else {
            config.workers
        };
        let mut engine = Self {
            clock,
            silence: config.silence,
            hasher: RandomState::new(),
            workers: Vec::new(),
            registry: Mutex::new(Registry {
                next_id: 1,
                vacant: vec![Vec::new(); count],
                slots: vec![0; count],
                load: vec![0; count],
                ..Registry::default()
            }),
            events,
            pool,
            codecs: Mutex::default(),
            recordings: Mutex::new(None),
            gathering: AtomicBool::new(false),
        };
        let mailboxes = (0..count)
            .map(|_| Mailbox::new().map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .map_err(start_error)?;
        let supervisor = match &config.codec_process {
            Some(program) => Some(
                Supervisor::start(program.clone(), mailboxes.clone())
                    .map_err(EngineError::Start)?,
            ),
            None => None,
        };
        for (index, mailbox) in mailboxes.into_iter().enumerate() {
            let supervision = supervisor
                .as_ref()
                .map(|supervisor| (index, supervisor.notices()));
            let handle = engine.start_worker(index, mailbox, supervision, config)?;
            engine.workers.push(handle);
        }
        engine.lock_codecs().supervisor = supervisor;
        for &ip in &config.local_ips {
            engine.pool.prepare(ip).map_err(EngineError::Ports)?;
        }
        Ok(engine)
    }

    fn start_worker(
        &self,
        index: usize,
        mailbox: Arc<Mailbox>,
        supervision: Supervision,
        config: &EngineConfig,
    ) -> Result<WorkerHandle, EngineError> {
        let counters = Arc::new(WorkerCounters::default());
        let pace = Pace {
            tick: config.tick,
            coalesce_pps: config.coalesce_pps,
        };
        let worker = Worker::new(
            Arc::clone(&mailbox),
            Arc::clone(&self.events),
            Arc::clone(&counters),
            self.pool.returns(),
            self.clock,
            pace,
            supervision,
        )
        .map_err(start_error)?;
        let cpu = config.cpus.get(index % config.cpus.len().max(1)).copied();
        let thread = std::thread::Builder::new()
            .name(format!("sealtone-media{index}"))
            .spawn(move || {
                if let Some(cpu) = cpu {
                    let mut set = CpuSet::new();
                    set.set(cpu);
                    // A core that is not ours to use leaves the worker unpinned, which works as well.
                    let _ = sched_setaffinity(None, &set);
                }
                // Late media is lost media: it goes before the control plane on a busy core, where that is permitted.
                let _ = setpriority_process(None, WORKER_NICE);
                worker.run();
            })
            .map_err(EngineError::Start)?;
        Ok(WorkerHandle {
            mailbox,
            counters,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The descriptor that is readable while there are events.
    #[must_use]
    pub fn event_descriptor(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Takes the events that are there.
    #[must_use]
    pub fn events(&self) -> Vec<MediaEvent> {
        self.events.drain()
    }

    /// Microseconds on the engine's clock, the one of `last_rx_us`.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Opens a call on the worker with the fewest.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn open_call(&self) -> Result<u64, EngineError> {
        let mut registry = self.registry()?;
        let worker = (0..registry.load.len())
            .min_by_key(|&index| registry.load[index])
            .unwrap_or(0);
        registry.load[worker] += 1;
        let id = registry.new_id();
        registry.calls.insert(
            id,
            CallEntry {
                worker,
                legs: Vec::with_capacity(2),
            },
        );
        Ok(id)
    }

    /// Opens a leg on a bound port of `ip`. It is deaf and mute until [`Engine::update_leg`].
    ///
    /// # Errors
    /// [`EngineError::Unknown`] call, [`EngineError::Ports`], [`EngineError::Busy`].
    pub fn open_leg(&self, call: u64, ip: IpAddr) -> Result<OpenedLeg, EngineError> {
        if !self.registry()?.calls.contains_key(&call) {
            return Err(EngineError::Unknown);
        }
        // Outside the lock: with an empty stock this binds sockets.
        let port = self.pool.take(ip).map_err(EngineError::Ports)?;
        let number = port.number;
        let counters = Arc::new(LegCounters::default());
        let mut registry = self.registry()?;
        let Some(worker) = registry.calls.get(&call).map(|call| call.worker) else {
            self.pool
                .returns()
                .close(ip, number, vec![port.rtp, port.rtcp]);
            return Err(EngineError::Unknown);
        };
        let id = registry.new_id();
        let slot = registry.take_slot(worker);
        let leg = Box::new(Leg::new(id, port, Arc::clone(&counters), self.silence));
        let entry = LegEntry {
            call,
            slot,
            ip,
            number,
            open: true,
            has_rtcp_socket: true,
            sealed: false,
            rx: None,
            tx: None,
            counters,
        };
        // It must be open before it has a plan: what comes earlier is thrown away then, and never waits for the plan.
        if let Err(refused) = self.hand_over(worker, Command::Open(slot, leg)) {
            registry.vacant[worker].push(slot);
            if let Command::Open(_, leg) = refused {
                let (ip, number, sockets) = leg.into_sockets();
                self.pool.returns().close(ip, number, sockets);
            }
            return Err(EngineError::Busy);
        }
        registry.legs.insert(id, Box::new(entry));
        if let Some(call) = registry.calls.get_mut(&call) {
            call.legs.push(id);
        }
        Ok(OpenedLeg {
            id,
            ip,
            rtp_port: number,
            rtcp_port: number + 1,
        })
    }

    /// Takes a leg into another call, with its port, plan, keys and counters. What it is joined to and what plays to
    /// it ends.
    ///
    /// # Errors
    /// [`EngineError::Unknown`] leg or call, [`EngineError::Busy`]: the leg stays where it is.
    pub fn move_leg(&self, leg: u64, call: u64) -> Result<(), EngineError> {
        let mut registry = self.registry()?;
        let to = registry
            .calls
            .get(&call)
            .ok_or(EngineError::Unknown)?
            .worker;
        let (from, entry) = registry.open_leg(leg)?;
        let (left, slot) = (entry.call, entry.slot);
        let slot = if from == to {
            self.post(from, Command::Unbridge(slot))?;
            self.post(from, Command::Play(slot, None))?;
            slot
        } else {
            self.pass_over(&mut registry, (from, slot), to)?
        };
        if let Some(entry) = registry.legs.get_mut(&leg) {
            entry.call = call;
            entry.slot = slot;
        }
        if let Some(left) = registry.calls.get_mut(&left) {
            left.legs.retain(|&other| other != leg);
        }
        if let Some(call) = registry.calls.get_mut(&call) {
            call.legs.push(leg);
        }
        Ok(())
    }

    /// From one worker to another; the slot there. Every leg that is awaited is sent by a command posted, under
    /// the registry's lock, before any later arrival, so that workers never wait for each other.
    fn pass_over(
        &self,
        registry: &mut Registry,
        (from, slot): (usize, u32),
        to: usize,
    ) -> Result<u32, EngineError> {
        let arrival = registry.take_slot(to);
        let passage = Arc::new(Passage::default());
        let sent = self
            .post(to, Command::Arrive(arrival, Arc::clone(&passage)))
            .and_then(|()| self.post(from, Command::Depart(slot, Arc::clone(&passage))));
        if sent.is_err() {
            passage.put(None);
            registry.vacant[to].push(arrival);
        } else {
            registry.vacant[from].push(slot);
        }
        sent.map(|()| arrival)
    }

    /// Joins two legs of one call: what either accepts goes to the other. `map_a` gives the payload
    /// type at B for each at A that passes, `map_b` the other way; without a map they stay the same.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::ForeignLeg`], [`EngineError::Busy`].
    pub fn bridge(
        &self,
        a: u64,
        b: u64,
        map_a: Option<&[(u8, u8)]>,
        map_b: Option<&[(u8, u8)]>,
    ) -> Result<(), EngineError> {
        let (map_a, map_b) = (payload_map(map_a)?, payload_map(map_b)?);
        let mut registry = self.registry()?;
        let (map_a, map_b) = (
            map_a.map(|map| registry.maps.of(map)),
            map_b.map(|map| registry.maps.of(map)),
        );
        let (worker, entry) = registry.open_leg(a)?;
        let (call, slot_a) = (entry.call, entry.slot);
        let (_, entry) = registry.open_leg(b)?;
        if entry.call != call || a == b {
            return Err(EngineError::ForeignLeg);
        }
        self.post(worker, Command::Bridge(slot_a, entry.slot, map_a, map_b))
    }

    /// Ends the bridge or echo of a leg.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Busy`].
    pub fn unbridge(&self, leg: u64) -> Result<(), EngineError> {
        let mut registry = self.registry()?;
        let (worker, entry) = registry.open_leg(leg)?;
        self.post(worker, Command::Unbridge(entry.slot))
    }

    /// Sends a leg's packets back to it.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Busy`].
    pub fn echo(&self, leg: u64) -> Result<(), EngineError> {
        let mut registry = self.registry()?;
        let (worker, entry) = registry.open_leg(leg)?;
        self.post(worker, Command::Echo(entry.slot))
    }

    /// Sends a ZRTP packet from a leg's RTP socket to its remote, also while the gates for media are
    /// closed. It is dropped where there is no remote to send to, and on a sealed leg.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for what is no ZRTP packet or too long, [`EngineError::Unknown`],
    /// [`EngineError::Busy`].
    pub fn send_packet(&self, leg: u64, packet: &[u8]) -> Result<(), EngineError> {
        if packet.len() > MAX_DATAGRAM || demux::classify(packet) != Kind::Zrtp {
            return Err(EngineError::Invalid(
                "a ZRTP packet of at most 2048 octets is expected",
            ));
        }
        let mut registry = self.registry()?;
        let (worker, entry) = registry.open_leg(leg)?;
        self.post(worker, Command::SendPacket(entry.slot, packet.into()))
    }

    /// Ends a leg: its remote gets an RTCP BYE and nothing after it. Its statistics stay until the
    /// call is closed.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Busy`].
    pub fn close_leg(&self, leg: u64) -> Result<(), EngineError> {
        let mut registry = self.registry()?;
        self.close_in(&mut registry, leg)
    }

    /// Ends a call with the legs it still has and returns the final statistics of all it had.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Busy`].
    pub fn close_call(&self, call: u64) -> Result<Vec<(u64, LegStats)>, EngineError> {
        let mut registry = self.registry()?;
        let legs = registry
            .calls
            .get(&call)
            .ok_or(EngineError::Unknown)?
            .legs
            .clone();
        for &leg in &legs {
            if registry.legs.get(&leg).is_some_and(|entry| entry.open) {
                self.close_in(&mut registry, leg)?;
            }
        }
        if let Some(entry) = registry.calls.remove(&call) {
            registry.load[entry.worker] -= 1;
        }
        let stats = |leg| {
            registry
                .legs
                .remove(&leg)
                .map(|entry| (leg, entry.counters.snapshot()))
        };
        Ok(legs.into_iter().filter_map(stats).collect())
    }

    fn close_in(&self, registry: &mut Registry, leg: u64) -> Result<(), EngineError> {
        let (worker, entry) = registry.open_leg(leg)?;
        let slot = entry.slot;
        self.post(worker, Command::Close(slot))?;
        entry.open = false;
        registry.vacant[worker].push(slot);
        Ok(())
    }

    /// A leg's statistics, also after it is closed, until its call is.
    ///
    /// # Errors
    /// [`EngineError::Unknown`].
    pub fn leg_stats(&self, leg: u64) -> Result<LegStats, EngineError> {
        let registry = self.lock();
        registry
            .legs
            .get(&leg)
            .map(|entry| entry.counters.snapshot())
            .ok_or(EngineError::Unknown)
    }

    /// Totals over the engine.
    #[must_use]
    pub fn state(&self) -> EngineState {
        let registry = self.lock();
        let sum = |read: fn(&WorkerCounters) -> u64| {
            self.workers
                .iter()
                .map(|worker| read(&worker.counters))
                .sum()
        };
        EngineState {
            calls: registry.calls.len(),
            legs: registry.legs.values().filter(|entry| entry.open).count(),
            datagrams: sum(|counters| counters.datagrams.get()),
            rounds: sum(|counters| counters.rounds.get()),
            behind: sum(|counters| counters.behind.get()),
            faults: sum(|counters| counters.faults.get()),
            codec_packets: sum(|counters| counters.codecs.packets.get()),
            codec_dropped: sum(|counters| counters.codecs.dropped.get()),
            codec_lost: sum(|counters| counters.codecs.lost.get()),
            codec_refused: sum(|counters| counters.codecs.refused.get()),
            events_dropped: self.events.dropped(),
            ports: self.pool.state(),
        }
    }

    /// Ends every leg and the workers. A second time does nothing.
    pub fn stop(&self) {
        {
            let mut registry = self.lock();
            registry.stopped = true;
            registry.calls.clear();
            registry.legs.clear();
        }
        for index in 0..self.workers.len() {
            let thread = self.workers[index]
                .thread
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(thread) = thread
                && self.post(index, Command::Stop).is_ok()
            {
                self.workers[index].mailbox.wake();
                let _ = thread.join();
            }
        }
        // Outside the lock: it waits for the processes' end.
        let supervisor = self.lock_codecs().supervisor.take();
        drop(supervisor);
        self.stop_recordings();
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> Result<MutexGuard<'_, Registry>, EngineError> {
        let registry = self.lock();
        if registry.stopped {
            Err(EngineError::Stopped)
        } else {
            Ok(registry)
        }
    }

    /// From now on a command waits until [`Engine::wake`], or until its worker wakes for another reason: those that
    /// follow each other share one wake-up, which costs more than they do.
    pub fn gather_commands(&self) {
        self.gathering.store(true, Ordering::Relaxed);
    }

    /// Has the workers obey what was gathered.
    pub fn wake(&self) {
        for worker in &self.workers {
            worker.mailbox.wake();
        }
    }

    /// Posts a command; waits a little when the worker is flooded with them.
    fn post(&self, worker: usize, command: Command) -> Result<(), EngineError> {
        let mut command = command;
        for _ in 0..POST_ATTEMPTS {
            let posted = self.hand_over(worker, command);
            match posted {
                Ok(()) => return Ok(()),
                Err(refused) => command = refused,
            }
            self.workers[worker].mailbox.wake();
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(EngineError::Busy)
    }

    fn hand_over(&self, worker: usize, command: Command) -> Result<(), Command> {
        let mailbox = &self.workers[worker].mailbox;
        if self.gathering.load(Ordering::Relaxed) {
            mailbox.leave(command)
        } else {
            mailbox.post(command)
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn payload_map(pairs: Option<&[(u8, u8)]>) -> Result<Option<PayloadMap>, EngineError> {
    let Some(pairs) = pairs else {
        return Ok(None);
    };
    let mut map = [DROP; 128];
    for &(from, to) in pairs {
        if from > 127 || to > 127 {
            return Err(EngineError::Invalid("a payload type is 0 to 127"));
        }
        map[usize::from(from)] = to;
    }
    Ok(Some(map))
}

fn start_error(errno: rustix::io::Errno) -> EngineError {
    EngineError::Start(errno.into())
}
