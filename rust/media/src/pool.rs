//! The stock of bound ports: taken in constant time, refilled and closed on a thread of its own.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::Errno;

use crate::clock::{Clock, Micros, SECOND};
use crate::port::{self, Port, SocketOptions};

/// Local addresses the engine may be asked to use; a further one is refused.
const MAX_ADDRESSES: usize = 16;
/// A port taken by another program is left alone for so long.
const FOREIGN_PAUSE: Micros = 30 * SECOND;
/// Attempts at opening an RTCP port again, a millisecond apart.
const REOPEN_ATTEMPTS: u32 = 100;
/// Between two looks at the errands, where none is urgent.
const ERRAND_PAUSE: Duration = Duration::from_millis(50);
/// Pairs not bound in advance, so that a nearly empty range is not emptied by the stock.
const KEPT_FREE: usize = 8;
/// Attempts at binding before a range full of foreign ports counts as exhausted.
const MAX_ATTEMPTS: usize = 64;

/// Which ports there are and how they are kept.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// First port, rounded up to even.
    pub first: u16,
    /// Last port; the last pair ends at or before it.
    pub last: u16,
    /// Pairs kept bound in advance, per local address.
    pub stock: usize,
    /// How long a released port rests, so that late packets for it meet a closed door.
    pub quarantine: Micros,
    /// Options of each socket.
    pub options: SocketOptions,
}

/// Why no port could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// Every pair of the range is in use or in quarantine.
    Exhausted,
    /// The system refused: no descriptors, no memory, an address that is not ours.
    System(Errno),
    /// More local addresses than the engine keeps stocks for.
    TooManyAddresses,
}

impl std::fmt::Display for PoolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exhausted => write!(f, "every media port of the range is in use"),
            Self::System(errno) => write!(f, "no media socket: {errno}"),
            Self::TooManyAddresses => write!(f, "more than {MAX_ADDRESSES} local media addresses"),
        }
    }
}

impl std::error::Error for PoolError {}

/// What a stock looks like at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Pairs bound in advance.
    pub ready: usize,
    /// Pairs never used or rested.
    pub free: usize,
    /// Pairs resting.
    pub resting: usize,
    /// Pairs that legs hold.
    pub in_use: usize,
    /// Times no port could be had.
    pub exhausted: u64,
}

/// Pairs of one local address.
#[derive(Debug)]
struct Stock {
    ip: IpAddr,
    ready: Vec<Port>,
    free: Vec<u16>,
    resting: VecDeque<(Micros, u16)>,
    in_use: usize,
}

enum Errand {
    Refill(IpAddr),
    Close(IpAddr, u16, Vec<OwnedFd>),
    Discard(OwnedFd),
    Stop,
}

/// The stocks of all local addresses, shared by the callers and the errand thread.
#[derive(Debug)]
struct Shared {
    config: PoolConfig,
    clock: Clock,
    stocks: Mutex<(Vec<Stock>, u64)>,
}

/// Hands out ports and takes them back.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    errands: Sender<Errand>,
    thread: Option<JoinHandle<()>>,
}

/// Takes sockets back from a worker, without a system call on the worker's thread.
#[derive(Clone, Debug)]
pub struct Returns(Sender<Errand>);

impl Returns {
    /// Gives back the pair at `number` with what sockets of it are left.
    pub fn close(&self, ip: IpAddr, number: u16, sockets: Vec<OwnedFd>) {
        // The errand thread outlives the workers; if it is gone, dropping closes as well.
        let _ = self.0.send(Errand::Close(ip, number, sockets));
    }

    /// Closes one socket of a pair that stays in use.
    pub fn discard(&self, socket: OwnedFd) {
        let _ = self.0.send(Errand::Discard(socket));
    }
}

impl Pool {
    /// A pool whose thread runs until it is dropped.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(config: PoolConfig, clock: Clock) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            config,
            clock,
            stocks: Mutex::new((Vec::new(), 0)),
        });
        let (errands, inbox) = channel();
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sealtone-ports".into())
            .spawn(move || run_errands(&worker, &inbox))?;
        Ok(Self {
            shared,
            errands,
            thread: Some(thread),
        })
    }

    /// Where workers give sockets back.
    #[must_use]
    pub fn returns(&self) -> Returns {
        Returns(self.errands.clone())
    }

    /// Makes a stock for `ip` in advance.
    ///
    /// # Errors
    /// [`PoolError::TooManyAddresses`].
    pub fn prepare(&self, ip: IpAddr) -> Result<(), PoolError> {
        self.shared.stock(&mut self.shared.lock(), ip)?;
        let _ = self.errands.send(Errand::Refill(ip));
        Ok(())
    }

    /// A bound pair at `ip`: from the stock, or bound now if the stock is empty.
    ///
    /// # Errors
    /// [`PoolError`]: exhausted, refused by the system, or too many addresses.
    pub fn take(&self, ip: IpAddr) -> Result<Port, PoolError> {
        let mut guard = self.shared.lock();
        let index = self.shared.stock(&mut guard, ip)?;
        let stock = &mut guard.0[index];
        let ready = stock.ready.pop();
        stock.in_use += usize::from(ready.is_some());
        let (left, whole) = (stock.ready.len(), self.shared.config.stock);
        drop(guard);
        if left * 2 < whole {
            let _ = self.errands.send(Errand::Refill(ip));
        }
        if left * 4 < whole {
            self.hurry();
        }
        let result = ready.map_or_else(|| self.shared.bind_one(ip, true), Ok);
        if result.is_err() {
            self.shared.lock().1 += 1;
        }
        result
    }

    /// Opens the RTCP socket of a pair in use again, after rtcp-mux was given up.
    ///
    /// # Errors
    /// [`PoolError::System`].
    pub fn reopen_rtcp(&self, ip: IpAddr, number: u16) -> Result<OwnedFd, PoolError> {
        let mut attempts = 0;
        loop {
            match port::open(ip, number + 1, self.shared.config.options) {
                // The former socket is still on its way from the worker to be closed.
                Err(Errno::ADDRINUSE) if attempts < REOPEN_ATTEMPTS => {
                    attempts += 1;
                    self.hurry();
                }
                result => return result.map_err(PoolError::System),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Has the errand thread look at once.
    fn hurry(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// The state of every stock.
    #[must_use]
    pub fn state(&self) -> PoolState {
        let guard = self.shared.lock();
        let mut sum = PoolState {
            exhausted: guard.1,
            ..PoolState::default()
        };
        for stock in &guard.0 {
            sum.ready += stock.ready.len();
            sum.free += stock.free.len();
            sum.resting += stock.resting.len();
            sum.in_use += stock.in_use;
        }
        sum
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let _ = self.errands.send(Errand::Stop);
        self.hurry();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (Vec<Stock>, u64)> {
        self.stocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index of the stock of `ip`, made if need be.
    fn stock(&self, guard: &mut (Vec<Stock>, u64), ip: IpAddr) -> Result<usize, PoolError> {
        if let Some(index) = guard.0.iter().position(|stock| stock.ip == ip) {
            return Ok(index);
        }
        if guard.0.len() >= MAX_ADDRESSES {
            return Err(PoolError::TooManyAddresses);
        }
        let first = self.config.first.next_multiple_of(2);
        guard.0.push(Stock {
            ip,
            ready: Vec::new(),
            free: (first..self.config.last).step_by(2).collect(),
            resting: VecDeque::new(),
            in_use: 0,
        });
        Ok(guard.0.len() - 1)
    }

    /// Binds a random pair, outside the lock.
    fn bind_one(&self, ip: IpAddr, for_use: bool) -> Result<Port, PoolError> {
        for _ in 0..MAX_ATTEMPTS {
            let number = self.reserve(ip)?;
            match Port::open(ip, number, self.config.options) {
                Ok(port) => {
                    if for_use {
                        let mut guard = self.lock();
                        let index = self.stock(&mut guard, ip)?;
                        guard.0[index].in_use += 1;
                    }
                    return Ok(port);
                }
                Err(Errno::ADDRINUSE | Errno::ACCESS) => self.rest(ip, number, FOREIGN_PAUSE),
                Err(errno) => {
                    self.rest(ip, number, 0);
                    return Err(PoolError::System(errno));
                }
            }
        }
        Err(PoolError::Exhausted)
    }

    /// A random free number, which nobody else will be given.
    fn reserve(&self, ip: IpAddr) -> Result<u16, PoolError> {
        let mut guard = self.lock();
        let index = self.stock(&mut guard, ip)?;
        let stock = &mut guard.0[index];
        let now = self.clock.now();
        while stock
            .resting
            .front()
            .is_some_and(|&(until, _)| until <= now)
        {
            stock
                .free
                .extend(stock.resting.pop_front().map(|(_, number)| number));
        }
        if stock.free.is_empty() {
            return Err(PoolError::Exhausted);
        }
        let index = random_below(stock.free.len());
        Ok(stock.free.swap_remove(index))
    }

    fn rest(&self, ip: IpAddr, number: u16, pause: Micros) {
        let mut guard = self.lock();
        let Ok(index) = self.stock(&mut guard, ip) else {
            return;
        };
        let resting = &mut guard.0[index].resting;
        let until = self.clock.now() + pause;
        let place = resting.partition_point(|&(other, _)| other <= until);
        resting.insert(place, (until, number));
    }

    fn refill(&self, ip: IpAddr) {
        loop {
            let mut guard = self.lock();
            let Ok(index) = self.stock(&mut guard, ip) else {
                return;
            };
            let stock = &guard.0[index];
            // The last pairs are left to callers: one being bound here would seem to be in use to them.
            if stock.ready.len() >= self.config.stock || stock.free.len() <= KEPT_FREE {
                return;
            }
            drop(guard);
            // A failure is no event here: the next take() meets it and reports it.
            let Ok(port) = self.bind_one(ip, false) else {
                return;
            };
            let mut guard = self.lock();
            if let Ok(index) = self.stock(&mut guard, ip) {
                guard.0[index].ready.push(port);
            }
        }
    }
}

fn run_errands(shared: &Shared, inbox: &Receiver<Errand>) {
    while let Ok(first) = inbox.recv() {
        for errand in std::iter::once(first).chain(inbox.try_iter()) {
            match errand {
                Errand::Refill(ip) => shared.refill(ip),
                Errand::Close(ip, number, sockets) => {
                    drop(sockets);
                    let mut guard = shared.lock();
                    if let Ok(index) = shared.stock(&mut guard, ip) {
                        let stock = &mut guard.0[index];
                        stock.in_use = stock.in_use.saturating_sub(1);
                    }
                    drop(guard);
                    shared.rest(ip, number, shared.config.quarantine);
                }
                Errand::Discard(socket) => drop(socket),
                Errand::Stop => return,
            }
        }
        // Hardly anybody waits for an errand, so those of a moment share one wake-up.
        std::thread::park_timeout(ERRAND_PAUSE);
    }
}

/// An unpredictable index: an outsider must not guess the port of the next call.
fn random_below(bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
    usize::try_from(crate::random::word() % bound).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn pool(first: u16, last: u16, quarantine: Micros) -> Pool {
        let config = PoolConfig {
            first,
            last,
            stock: 2,
            quarantine,
            options: SocketOptions {
                receive_buffer: 8_192,
                dscp: 0,
            },
        };
        Pool::start(config, Clock::start()).unwrap()
    }

    fn give_back(pool: &Pool, port: Port) {
        let Port {
            ip,
            number,
            rtp,
            rtcp,
        } = port;
        pool.returns().close(ip, number, vec![rtp, rtcp]);
    }

    fn wait_until(what: &str, condition: impl Fn() -> bool) {
        for _ in 0..500 {
            if condition() {
                return;
            }
            std::thread::sleep(Duration::from_millis(4));
        }
        panic!("{what} never came");
    }

    #[test]
    fn ports_are_even_within_the_range_and_never_handed_out_twice() {
        let pool = pool(41_001, 41_041, SECOND);
        let ip = "127.0.0.1".parse().unwrap();
        let ports: Vec<Port> = (0..20).map(|_| pool.take(ip).unwrap()).collect();
        let numbers: HashSet<u16> = ports.iter().map(|port| port.number).collect();
        assert_eq!(numbers.len(), 20);
        assert!(
            numbers
                .iter()
                .all(|n| n % 2 == 0 && (41_002..=41_040).contains(n))
        );
        assert_eq!(pool.take(ip).unwrap_err(), PoolError::Exhausted);
        assert_eq!(pool.state().exhausted, 1);
    }

    #[test]
    fn a_released_port_rests_and_comes_back() {
        let pool = pool(41_050, 41_053, 200_000);
        let ip = "127.0.0.1".parse().unwrap();
        let first = pool.take(ip).unwrap();
        let second = pool.take(ip).unwrap();
        give_back(&pool, first);
        give_back(&pool, second);
        wait_until("rest", || pool.state().resting == 2);
        assert_eq!(pool.state().in_use, 0);
        assert_eq!(pool.take(ip).unwrap_err(), PoolError::Exhausted);
        wait_until("release", || pool.take(ip).is_ok());
    }

    #[test]
    fn a_stock_that_runs_low_is_not_left_to_the_next_look_at_the_errands() {
        let config = PoolConfig {
            stock: 16,
            ..pool(41_100, 41_899, SECOND).shared.config.clone()
        };
        let pool = Pool::start(config, Clock::start()).unwrap();
        let ip = "127.0.0.1".parse().unwrap();
        pool.prepare(ip).unwrap();
        let fastest = (0..10)
            .map(|_| {
                wait_until("a full stock", || pool.state().ready == 16);
                for _ in 0..13 {
                    pool.take(ip).unwrap();
                }
                let begun = std::time::Instant::now();
                wait_until("a full stock", || pool.state().ready == 16);
                begun.elapsed()
            })
            .min();
        assert!(fastest.unwrap() < ERRAND_PAUSE / 2);
    }

    #[test]
    fn a_port_of_another_program_is_passed_over() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:41061").unwrap();
        let pool = pool(41_060, 41_063, SECOND);
        let port = pool.take("127.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(port.number, 41_062);
        drop(taken);
    }

    #[test]
    fn an_address_that_is_not_ours_is_a_system_error_and_costs_no_port() {
        let pool = pool(41_070, 41_073, SECOND);
        let error = pool.take("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!(error, PoolError::System(Errno::ADDRNOTAVAIL));
        let state = pool.state();
        assert_eq!(state.free + state.resting, 2);
    }
}
