//! A worker's end of the socket to its codec process.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::time::{ClockId, clock_gettime};
use sealtone_codec_protocol::{Batch, MAX_DATA, Order};

use super::Sound;
use crate::clock::Micros;
use crate::stats::Counter;

/// Datagrams of orders that wait for room at most: a process that leaves more unread is given up.
const MAX_WAITING: usize = 1_024;

/// What a worker counts of its codec process.
#[derive(Debug, Default)]
pub struct LinkCounters {
    /// Packets given to it.
    pub packets: Counter,
    /// Packets not given to it, its socket being full or it being away.
    pub dropped: Counter,
    /// Times that it was lost.
    pub lost: Counter,
    /// Packets of it that were not sent: for a leg that is not sent to by it, or too many.
    pub refused: Counter,
}

/// The socket, and what is to be sent on it at the end of the round.
#[derive(Debug)]
pub struct Link {
    socket: Option<OwnedFd>,
    /// From the engine's clock to the system's.
    offset: u64,
    packets: Batch,
    gathered: u64,
    orders: Batch,
    waiting: VecDeque<Vec<u8>>,
    sounds: Vec<Arc<Sound>>,
    /// The sound that is being loaded, and how many octets of it have been.
    loading: (usize, usize),
    /// The counters, which any thread may read.
    pub counters: Arc<LinkCounters>,
}

impl Link {
    /// A link that is not up yet; `now` is the engine's time.
    #[must_use]
    pub fn new(now: Micros, counters: Arc<LinkCounters>) -> Self {
        let system = clock_gettime(ClockId::Monotonic);
        let system_us = system.tv_sec as u64 * 1_000_000 + system.tv_nsec as u64 / 1_000;
        Self {
            socket: None,
            offset: system_us.saturating_sub(now),
            packets: Batch::default(),
            gathered: 0,
            orders: Batch::default(),
            waiting: VecDeque::new(),
            sounds: Vec::new(),
            loading: (0, 0),
            counters,
        }
    }

    /// The socket, while the process is there.
    #[must_use]
    pub fn socket(&self) -> Option<&OwnedFd> {
        self.socket.as_ref()
    }

    /// The process is there.
    pub fn open(&mut self, socket: OwnedFd) {
        self.close();
        self.socket = Some(socket);
    }

    /// The process is gone, and with it all that it was told.
    pub fn close(&mut self) -> Option<OwnedFd> {
        self.packets.clear();
        self.gathered = 0;
        self.orders.clear();
        self.waiting.clear();
        self.loading = (0, 0);
        self.socket.take()
    }

    /// Takes a sound in, to be loaded when there is nothing else to send.
    pub fn add_sound(&mut self, sound: Arc<Sound>) {
        match self
            .sounds
            .iter()
            .position(|known| known.number == sound.number)
        {
            Some(place) => {
                self.sounds[place] = sound;
                self.loading = self.loading.min((place, 0));
            }
            None => self.sounds.push(sound),
        }
    }

    /// The engine's time as the process has it.
    #[inline]
    #[must_use]
    pub fn system_time(&self, now: Micros) -> u64 {
        now + self.offset
    }

    /// Gives the process a packet, at the end of the round.
    pub fn packet(&mut self, packet: sealtone_codec_protocol::Packet<'_>) {
        if self.socket.is_none() {
            return self.counters.dropped.add(1);
        }
        let order = Order::Packet(packet);
        if !self.packets.order(&order) {
            self.send_packets();
            self.packets.order(&order);
        }
        self.gathered += 1;
    }

    /// Tells the process something that must not be lost.
    pub fn order(&mut self, order: &Order<'_>) {
        if self.socket.is_some() && !self.orders.order(order) {
            self.keep_orders();
            self.orders.order(order);
        }
    }

    fn keep_orders(&mut self) {
        if !self.orders.is_empty() {
            self.waiting.push_back(self.orders.datagram().to_vec());
            self.orders.clear();
        }
    }

    /// Sends what was gathered. False if the process does not take its orders, and is to be given up.
    pub fn flush(&mut self) -> bool {
        if self.socket.is_none() {
            return true;
        }
        self.keep_orders();
        while let Some(datagram) = self.waiting.front() {
            if !self.send(datagram) {
                break;
            }
            self.waiting.pop_front();
        }
        self.send_packets();
        self.load_sounds();
        self.waiting.len() <= MAX_WAITING
    }

    /// Whether something waits for room in the socket.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.socket.is_some() && (!self.waiting.is_empty() || self.loading.0 < self.sounds.len())
    }

    fn send_packets(&mut self) {
        if self.packets.is_empty() {
            return;
        }
        let sent = self.waiting.is_empty() && self.send(self.packets.datagram());
        let counter = if sent {
            &self.counters.packets
        } else {
            &self.counters.dropped
        };
        counter.add(self.gathered);
        self.packets.clear();
        self.gathered = 0;
    }

    /// Loads as much of the sounds as there is room for.
    fn load_sounds(&mut self) {
        while self.waiting.is_empty()
            && let Some(sound) = self.sounds.get(self.loading.0)
        {
            let from = self.loading.1;
            let end = (from + MAX_DATA).min(sound.pcm.len());
            let order = Order::Sound {
                sound: sound.number,
                rate: sound.rate,
                samples: (sound.pcm.len() / 2) as u32,
                from: (from / 2) as u32,
                pcm: &sound.pcm[from..end],
            };
            let mut batch = Batch::default();
            batch.order(&order);
            if !self.send(batch.datagram()) {
                return;
            }
            self.loading = if end == sound.pcm.len() {
                (self.loading.0 + 1, 0)
            } else {
                (self.loading.0, end)
            };
        }
    }

    /// True unless there is no room; a socket without its other end takes everything, and receiving tells.
    fn send(&self, datagram: &[u8]) -> bool {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        self.socket.as_ref().is_none_or(|socket| {
            !matches!(
                send(socket, datagram, flags),
                Err(Errno::AGAIN | Errno::NOBUFS)
            )
        })
    }

    /// The next datagram of the process: its length, nothing, or none any more.
    pub fn receive(&self, datagram: &mut [u8]) -> Option<usize> {
        let socket = self.socket.as_ref()?;
        match recv(socket, datagram, RecvFlags::DONTWAIT) {
            Ok((_, length)) => Some(length),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(_) => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use sealtone_codec_protocol::{MAX_BATCH, Packet, orders};

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    }

    fn packet() -> Packet<'static> {
        Packet {
            leg: 1,
            sequence: 1,
            timestamp: 160,
            payload_type: 0,
            marker: false,
            ssrc: 5,
            at_us: 7,
            payload: &[0x55; 160],
        }
    }

    fn link(socket: OwnedFd) -> Link {
        let mut link = Link::new(0, Arc::default());
        link.open(socket);
        link
    }

    fn read(socket: &OwnedFd) -> Vec<String> {
        let mut datagram = vec![0; MAX_BATCH];
        let mut read = Vec::new();
        while let Ok((_, length)) = recv(socket, &mut datagram[..], RecvFlags::DONTWAIT) {
            read.extend(orders(&datagram[..length]).map(|order| format!("{:?}", order.unwrap())));
        }
        read
    }

    #[test]
    fn a_process_that_does_not_read_costs_packets_and_never_an_order() {
        let (ours, theirs) = pair();
        let mut link = link(ours);
        let mut given = 0;
        while link.counters.dropped.get() == 0 {
            link.packet(packet());
            given += 1;
            assert!(link.flush());
            assert!(given < 1_000_000, "never full");
        }
        for leg in 0..50 {
            link.order(&Order::Close { leg });
            link.packet(packet());
            assert!(link.flush());
        }
        assert!(link.wants_room());
        let taken = read(&theirs);
        assert_eq!(link.counters.packets.get(), taken.len() as u64);
        while link.wants_room() {
            assert!(link.flush());
        }
        let closed: Vec<String> = (0..50)
            .map(|leg| format!("Close {{ leg: {leg} }}"))
            .collect();
        assert_eq!(read(&theirs), closed);
        assert_eq!(link.counters.dropped.get(), 51);
    }

    #[test]
    fn a_process_that_leaves_its_orders_unread_is_given_up() {
        let (ours, _theirs) = pair();
        let mut link = link(ours);
        let takes = (0..100_000).all(|leg| {
            link.order(&Order::Close { leg });
            link.flush()
        });
        assert!(!takes);
        assert!(link.waiting.len() <= MAX_WAITING + 1);
    }

    #[test]
    fn sounds_are_loaded_when_there_is_room_and_again_for_the_next_process() {
        let (ours, theirs) = pair();
        let mut link = link(ours);
        link.add_sound(Arc::new(Sound {
            number: 3,
            rate: 8_000,
            pcm: vec![1; 3 * MAX_DATA],
        }));
        assert!(link.wants_room());
        assert!(link.flush());
        assert!(!link.wants_room());
        let first = read(&theirs);
        assert_eq!(first.len(), 3);
        let (ours, theirs) = pair();
        link.open(ours);
        assert!(link.flush());
        assert_eq!(read(&theirs), first);
    }

    #[test]
    fn without_a_process_packets_are_counted_and_orders_are_not_kept() {
        let mut link = Link::new(0, Arc::default());
        link.packet(packet());
        link.order(&Order::Close { leg: 1 });
        assert!(link.flush());
        assert!(!link.wants_room());
        assert_eq!(link.counters.dropped.get(), 1);
    }
}
