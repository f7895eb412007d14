//! The two UDP sockets of the load (callers and callees) and its timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::RawFd;

use crate::sys;

/// Which of the two sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Caller,
    Callee,
}

pub struct Sockets {
    descriptors: [RawFd; 2],
    pub ports: [u16; 2],
}

impl Sockets {
    /// Binds both, connected to the server: what comes from elsewhere is not taken.
    pub fn new(server: SocketAddrV4, callee_port: u16) -> io::Result<Self> {
        let ip = Ipv4Addr::LOCALHOST;
        let mut descriptors = [0; 2];
        let mut ports = [0; 2];
        for (index, port) in [0, callee_port].into_iter().enumerate() {
            let fd = sys::bind_udp(SocketAddrV4::new(ip, port))?;
            sys::connect_udp(fd, server)?;
            sys::set_buffers(fd, 32 << 20);
            descriptors[index] = fd;
            ports[index] = sys::local_port(fd)?;
        }
        Ok(Sockets { descriptors, ports })
    }

    pub fn send(&self, side: Side, data: &[u8]) {
        // SAFETY: `data` is valid for its length. A full buffer is a lost datagram: retransmission mends it.
        unsafe {
            libc::send(
                self.descriptors[side as usize],
                data.as_ptr().cast(),
                data.len(),
                libc::MSG_DONTWAIT,
            )
        };
    }

    pub fn receive(&self, side: Side, buffer: &mut [u8]) -> Option<usize> {
        // SAFETY: the buffer is valid for its length.
        let length = unsafe {
            libc::recv(
                self.descriptors[side as usize],
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(length).ok()
    }

    /// Waits until something can be read or `timeout_ns` have gone.
    pub fn wait(&self, timeout_ns: i64) {
        let mut polled = self.descriptors.map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        let timeout = libc::timespec {
            tv_sec: timeout_ns.max(0) / 1_000_000_000,
            tv_nsec: timeout_ns.max(0) % 1_000_000_000,
        };
        // SAFETY: two valid entries; no signal mask.
        unsafe { libc::ppoll(polled.as_mut_ptr(), 2, &timeout, std::ptr::null()) };
    }
}

/// Timers that are not cancelled but outlived: the owner checks whether one still means something.
pub struct Timers<T: Ord> {
    heap: BinaryHeap<Reverse<(i64, T)>>,
}

impl<T: Ord> Default for Timers<T> {
    fn default() -> Self {
        Timers {
            heap: BinaryHeap::new(),
        }
    }
}

impl<T: Ord> Timers<T> {
    pub fn set(&mut self, at: i64, what: T) {
        self.heap.push(Reverse((at, what)));
    }

    pub fn next_at(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub fn due(&mut self, now: i64) -> Option<T> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, what))| what)
    }
}
