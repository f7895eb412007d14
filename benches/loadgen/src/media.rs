//! The phones of a media load: every leg sends 172-byte RTP (G.711, 20 ms) or its SRTP,
//! and what arrives is decrypted, checked, counted and timed.
//!
//! All phones of side A share one socket, and all of side B another: the relay tells its
//! legs apart by its own ports, we tell ours apart by the port that a packet comes from.
//! So the receiving side costs the relay's core no more than a network card would, and the
//! generator stays well under one core. Nobody waits on these sockets, so that the relay
//! pays for no wake-up either; the kernel's stamp says when a packet really arrived.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::RawFd;

use crate::histogram::Histogram;
use crate::json::{say, Object};
use crate::srtp::{Inbound, Outbound};
use crate::sys;

pub const PACKET: usize = 172;
const RTP_HEADER: usize = 12;
const SLOT: usize = 320;
const SEND_BATCH: usize = 16;
const RECEIVE_BATCH: usize = 64;
const RECEIVE_EVERY_NS: i64 = 100_000;
const PACKET_INTERVAL_NS: f64 = 20_000_000.0;
const MAGIC: u32 = 0x5EA1_707E;
/// Loss and overload are told in slices of this length.
pub const BUCKET_NS: i64 = 100_000_000;
const WARM_UP: u32 = u32::MAX;
/// Sending this much after its time means that the generator, not the relay, is the limit.
const LATE_NS: i64 = 5_000_000;

pub struct Leg {
    relay: libc::sockaddr_in,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    outbound: Outbound,
    inbound: Inbound,
}

pub struct Phase {
    pub length_ns: i64,
    /// 1.0 is 50 packets a second a phone.
    pub rate: f64,
}

pub struct Run {
    pub calls: usize,
    pub warm_up_ns: i64,
    pub phases: Vec<Phase>,
}

struct PhaseCount {
    latency: Histogram,
    due: u64,
    late: u64,
}

struct Tally {
    run: u32,
    sent: Vec<u32>,
    received: Vec<u32>,
    phases: Vec<PhaseCount>,
    /// The phase of each bucket.
    phase_of: Vec<usize>,
    stray: u64,
    refused: u64,
    send_errors: u64,
}

/// One batch of outgoing packets on one socket.
struct SendBatch {
    slots: Box<[[u8; SLOT]; SEND_BATCH]>,
    vectors: [libc::iovec; SEND_BATCH],
    headers: [libc::mmsghdr; SEND_BATCH],
    used: usize,
}

struct ReceiveBatch {
    slots: Box<[[u8; 512]; RECEIVE_BATCH]>,
    names: Box<[libc::sockaddr_in; RECEIVE_BATCH]>,
    controls: Box<[[u64; 8]; RECEIVE_BATCH]>,
    vectors: Box<[libc::iovec; RECEIVE_BATCH]>,
    headers: Box<[libc::mmsghdr; RECEIVE_BATCH]>,
}

pub struct Phones {
    ip: Ipv4Addr,
    sockets: [RawFd; 2],
    ports: [u16; 2],
    legs: Vec<Leg>,
    /// The leg (index + 1) whose relay port is the index.
    leg_of_port: Vec<u32>,
    send: [SendBatch; 2],
    receive: ReceiveBatch,
    runs: u32,
}

impl SendBatch {
    fn new() -> Self {
        // SAFETY: all-zero iovec and mmsghdr are valid empty values.
        let mut batch = unsafe {
            SendBatch {
                slots: Box::new([[0; SLOT]; SEND_BATCH]),
                vectors: mem::zeroed(),
                headers: mem::zeroed(),
                used: 0,
            }
        };
        for slot in batch.slots.iter_mut() {
            slot[RTP_HEADER..PACKET].fill(0xD5);
        }
        batch
    }

    fn flush(&mut self, fd: RawFd) -> u64 {
        let mut done = 0;
        let mut errors = 0;
        for index in 0..self.used {
            self.headers[index].msg_hdr.msg_iov = &mut self.vectors[index];
            self.headers[index].msg_hdr.msg_iovlen = 1;
        }
        while done < self.used {
            // SAFETY: headers[done..used] point at vectors, slots and addresses that live in
            // `self` and in the legs until this call returns.
            let count = unsafe {
                libc::sendmmsg(
                    fd,
                    self.headers.as_mut_ptr().add(done),
                    (self.used - done) as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            if count <= 0 {
                // The first packet could not be sent: count it and go on with the next.
                errors += 1;
                done += 1;
            } else {
                done += count as usize;
            }
        }
        self.used = 0;
        errors
    }
}

impl ReceiveBatch {
    fn new() -> Self {
        // SAFETY: all-zero values are valid for these plain structures.
        let mut batch = unsafe {
            ReceiveBatch {
                slots: Box::new([[0; 512]; RECEIVE_BATCH]),
                names: Box::new(mem::zeroed()),
                controls: Box::new([[0; 8]; RECEIVE_BATCH]),
                vectors: Box::new(mem::zeroed()),
                headers: Box::new(mem::zeroed()),
            }
        };
        for index in 0..RECEIVE_BATCH {
            batch.vectors[index].iov_base = batch.slots[index].as_mut_ptr().cast();
            batch.vectors[index].iov_len = 512;
            let header = &mut batch.headers[index].msg_hdr;
            header.msg_name = (&raw mut batch.names[index]).cast();
            header.msg_iov = &raw mut batch.vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = batch.controls[index].as_mut_ptr().cast();
        }
        batch
    }

    fn receive(&mut self, fd: RawFd) -> usize {
        for header in self.headers.iter_mut() {
            header.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_hdr.msg_controllen = 64;
        }
        // SAFETY: every header points into boxes owned by `self` with the lengths just set.
        let count = unsafe {
            libc::recvmmsg(
                fd,
                self.headers.as_mut_ptr(),
                RECEIVE_BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        count.max(0) as usize
    }

    /// When the kernel took packet `index` in, in ns of CLOCK_REALTIME; 0 without a stamp.
    fn arrival_ns(&self, index: usize) -> i64 {
        // SAFETY: the kernel wrote well-formed control messages into the buffer.
        unsafe {
            let header = &self.headers[index].msg_hdr;
            let control = libc::CMSG_FIRSTHDR(header);
            if control.is_null() || (*control).cmsg_type != libc::SCM_TIMESTAMPNS {
                return 0;
            }
            let time: libc::timespec = std::ptr::read_unaligned(libc::CMSG_DATA(control).cast());
            time.tv_sec * 1_000_000_000 + time.tv_nsec
        }
    }
}

impl Phones {
    pub fn new(ip: Ipv4Addr) -> io::Result<Self> {
        let (a, _, port_a) = sys::bind_pair(ip)?;
        let (b, _, port_b) = sys::bind_pair(ip)?;
        for fd in [a, b] {
            sys::set_buffers(fd, 64 << 20);
            if !sys::stamp_arrivals(fd) {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Phones {
            ip,
            sockets: [a, b],
            ports: [port_a, port_b],
            legs: Vec::new(),
            leg_of_port: vec![0; 65536],
            send: [SendBatch::new(), SendBatch::new()],
            receive: ReceiveBatch::new(),
            runs: 0,
        })
    }

    /// The ports that all phones of side A, and all of side B, stand at.
    pub fn ports(&self) -> [u16; 2] {
        self.ports
    }

    /// Adds a phone: A of a call first, then B. `relay_port` is the relay's port for it.
    pub fn add_leg(&mut self, relay_port: u16, outbound: Outbound, inbound: Inbound) {
        let index = self.legs.len() as u32;
        self.leg_of_port[usize::from(relay_port)] = index + 1;
        self.legs.push(Leg {
            relay: sys::sockaddr(SocketAddrV4::new(self.ip, relay_port)),
            ssrc: 0x1000_0000 + index * 7919,
            sequence: (index * 31) as u16 & 0x7FFF,
            timestamp: index * 160,
            outbound,
            inbound,
        });
    }

    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// Sends `run` and says on standard output when measuring begins, ends, and the result.
    pub fn run(&mut self, run: &Run) {
        self.runs += 1;
        let legs = run.calls * 2;
        let order = spread_order(legs);
        let mut tally = Tally::new(self.runs, &run.phases);
        self.discard_waiting();
        self.send_phase(&order, WARM_UP, run.warm_up_ns, 1.0, &mut tally, None);
        say("{\"event\":\"measuring\"}");
        let started = sys::monotonic_ns();
        let mut bucket = 0;
        for (index, phase) in run.phases.iter().enumerate() {
            let length = phase.length_ns;
            self.send_phase(&order, bucket, length, phase.rate, &mut tally, Some(index));
            bucket += length.div_euclid(BUCKET_NS) as u32;
        }
        let elapsed_ns = sys::monotonic_ns() - started;
        say("{\"event\":\"measured\"}");
        let until = sys::monotonic_ns() + 400_000_000;
        while sys::monotonic_ns() < until {
            self.take_arrivals(&mut tally);
            sys::sleep_until_monotonic_ns(sys::monotonic_ns() + 1_000_000);
        }
        say(&tally.to_json(run, elapsed_ns));
    }

    fn discard_waiting(&mut self) {
        for fd in self.sockets {
            while self.receive.receive(fd) > 0 {}
        }
    }

    /// Sends at an even pace for `length_ns`; bucket numbers count up from `first_bucket`.
    fn send_phase(
        &mut self,
        order: &[u32],
        first_bucket: u32,
        length_ns: i64,
        rate: f64,
        tally: &mut Tally,
        phase: Option<usize>,
    ) {
        let start = sys::monotonic_ns();
        let end = start + length_ns;
        let interval = PACKET_INTERVAL_NS / rate / order.len() as f64;
        let total = (length_ns as f64 / interval) as u64;
        let mut sent: u64 = 0;
        let mut late: u64 = 0;
        let mut next = 0usize;
        let mut receive_at = start;
        loop {
            let now = sys::monotonic_ns();
            if now >= end {
                break;
            }
            let due = (((now - start) as f64 / interval) as u64 + 1).min(total);
            let burst = (due - sent).min(SEND_BATCH as u64);
            let behind = now - start - (sent as f64 * interval) as i64;
            if burst > 0 {
                if behind > LATE_NS {
                    late += burst;
                }
                let bucket = match phase {
                    Some(_) => first_bucket + ((now - start) / BUCKET_NS) as u32,
                    None => WARM_UP,
                };
                for _ in 0..burst {
                    self.queue_packet(order[next] as usize, bucket, tally);
                    next = (next + 1) % order.len();
                }
                for side in 0..2 {
                    tally.send_errors += self.send[side].flush(self.sockets[side]);
                }
                sent += burst;
            }
            if now >= receive_at {
                self.take_arrivals(tally);
                receive_at = now + RECEIVE_EVERY_NS;
            }
        }
        if let Some(index) = phase {
            tally.phases[index].due = total;
            tally.phases[index].late = late + (total - sent);
        }
    }

    fn queue_packet(&mut self, index: usize, bucket: u32, tally: &mut Tally) {
        let leg = &mut self.legs[index];
        let batch = &mut self.send[index % 2];
        let slot = &mut batch.slots[batch.used];
        slot[0] = 0x80;
        slot[1] = 0;
        slot[2..4].copy_from_slice(&leg.sequence.to_be_bytes());
        slot[4..8].copy_from_slice(&leg.timestamp.to_be_bytes());
        slot[8..12].copy_from_slice(&leg.ssrc.to_be_bytes());
        slot[12..16].copy_from_slice(&MAGIC.to_be_bytes());
        slot[16..20].copy_from_slice(&tally.run.to_be_bytes());
        slot[20..24].copy_from_slice(&bucket.to_be_bytes());
        slot[24..28].copy_from_slice(&(index as u32).to_be_bytes());
        slot[28..36].copy_from_slice(&sys::realtime_ns().to_be_bytes());
        slot[36..PACKET].fill(0xD5);
        leg.sequence = leg.sequence.wrapping_add(1);
        leg.timestamp = leg.timestamp.wrapping_add(160);
        let length = leg.outbound.protect(slot, PACKET);
        batch.vectors[batch.used] = libc::iovec {
            iov_base: slot.as_mut_ptr().cast(),
            iov_len: length,
        };
        let header = &mut batch.headers[batch.used].msg_hdr;
        header.msg_name = (&raw mut leg.relay).cast();
        header.msg_namelen = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
        batch.used += 1;
        if bucket != WARM_UP {
            tally.sent[bucket as usize] += 1;
        }
    }

    fn take_arrivals(&mut self, tally: &mut Tally) {
        for side in 0..2 {
            // Bounded, so that sending stays on time under a flood.
            for _ in 0..8 {
                let count = self.receive.receive(self.sockets[side]);
                for index in 0..count {
                    self.take_one(index, tally);
                }
                if count < RECEIVE_BATCH {
                    break;
                }
            }
        }
    }

    fn take_one(&mut self, index: usize, tally: &mut Tally) {
        let from = u16::from_be(self.receive.names[index].sin_port);
        let leg = self.leg_of_port[usize::from(from)];
        let length = self.receive.headers[index].msg_len as usize;
        let arrival = self.receive.arrival_ns(index);
        if leg == 0 || length < PACKET {
            tally.stray += 1;
            return;
        }
        let leg = (leg - 1) as usize;
        let slot = &mut self.receive.slots[index];
        let Some(plain) = self.legs[leg].inbound.unprotect(slot, length) else {
            tally.refused += 1;
            return;
        };
        if plain != PACKET || word(slot, 12) != MAGIC || word(slot, 24) as usize != leg ^ 1 {
            tally.stray += 1;
            return;
        }
        let bucket = word(slot, 20);
        if word(slot, 16) != tally.run || bucket == WARM_UP {
            return;
        }
        let sent_at = i64::from_be_bytes(slot[28..36].try_into().unwrap_or_default());
        tally.received[bucket as usize] += 1;
        let phase = tally.phase_of[bucket as usize];
        tally.phases[phase].latency.record_ns(arrival - sent_at);
    }
}

fn word(slot: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([slot[at], slot[at + 1], slot[at + 2], slot[at + 3]])
}

/// The order in which phones take their turn within 20 ms: evenly spread, and neighbours in
/// time are not neighbours in the relay's memory.
fn spread_order(legs: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..legs as u32).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    for index in (1..legs).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(index, (state % (index as u64 + 1)) as usize);
    }
    order
}

impl Tally {
    fn new(run: u32, phases: &[Phase]) -> Self {
        let mut phase_of = Vec::new();
        for (index, phase) in phases.iter().enumerate() {
            let buckets = phase.length_ns.div_euclid(BUCKET_NS) as usize;
            phase_of.extend(std::iter::repeat_n(index, buckets));
        }
        Tally {
            run,
            sent: vec![0; phase_of.len()],
            received: vec![0; phase_of.len()],
            phases: phases
                .iter()
                .map(|_| PhaseCount {
                    latency: Histogram::new(),
                    due: 0,
                    late: 0,
                })
                .collect(),
            phase_of,
            stray: 0,
            refused: 0,
            send_errors: 0,
        }
    }

    fn to_json(&self, run: &Run, elapsed_ns: i64) -> String {
        let sent: u64 = self.sent.iter().map(|&count| u64::from(count)).sum();
        let received: u64 = self.received.iter().map(|&count| u64::from(count)).sum();
        let phases: Vec<String> = self
            .phases
            .iter()
            .map(|phase| {
                Object::new()
                    .number("due", phase.due as f64)
                    .number("late", phase.late as f64)
                    .raw("latency", &phase.latency.to_json())
                    .finish()
            })
            .collect();
        Object::new()
            .word("event", "result")
            .number("calls", run.calls as f64)
            .number("elapsed_s", elapsed_ns as f64 / 1e9)
            .number("sent", sent as f64)
            .number("received", received as f64)
            .number("stray", self.stray as f64)
            .number("refused", self.refused as f64)
            .number("send_errors", self.send_errors as f64)
            .number("bucket_ms", (BUCKET_NS / 1_000_000) as f64)
            .numbers("sent_by_bucket", self.sent.iter().map(|&n| f64::from(n)))
            .numbers(
                "received_by_bucket",
                self.received.iter().map(|&n| f64::from(n)),
            )
            .raw("phases", &format!("[{}]", phases.join(",")))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::spread_order;

    #[test]
    fn every_phone_takes_exactly_one_turn_in_each_interval() {
        let mut order = spread_order(600);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert_eq!(order, (0..600).collect::<Vec<u32>>());
    }
}
