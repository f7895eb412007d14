//! `forwarder [--ip 127.0.0.1] [--cpu N] [--coalesce-us 500] [--above-pps 5000]`: a bare
//! relay, the least that forwarding can cost with one connected socket a leg and epoll.
//!
//! It knows no RTP, RTCP, latching, statistics or limits. With keys it is an SRTP relay:
//! decrypt and check, encrypt for the other side, in place. When quiet it blocks in epoll;
//! above `--above-pps` packets a second it wakes for some 50 packets at once, every 250 µs to
//! `--coalesce-us` (0: never waits), as Sealtone's media worker does.
//!
//! Lines on standard input: `call PHONE_A PHONE_B [SUITE_A RX_KEY RX_SALT TX_KEY TX_SALT
//! SUITE_B RX_KEY RX_SALT TX_KEY TX_SALT]`; it answers each with `{"ports":[A,B]}`.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::RawFd;

use sealtone_loadgen::json::say;
use sealtone_loadgen::srtp::{Inbound, Outbound};
use sealtone_loadgen::sys;

type Failure = Box<dyn std::error::Error>;

const SLOT: usize = 2048;
const EVENTS: usize = 1024;
const STDIN: u64 = u64::MAX;
const RATE_WINDOW_NS: i64 = 20_000_000;
const ROUND_PACKETS: i64 = 50;
const SHORTEST_TICK_NS: i64 = 250_000;

struct Leg {
    socket: RawFd,
    inbound: Inbound,
    outbound: Outbound,
}

struct Coalescing {
    longest_tick_ns: i64,
    above_pps: u64,
    window_start: i64,
    window_packets: u64,
    /// From round to round; none when quiet.
    tick_ns: Option<i64>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let position = arguments.iter().position(|word| word == name)?;
        arguments.get(position + 1).cloned()
    };
    if let Some(cpu) = option("--cpu") {
        sys::pin_to_cpu(cpu.parse()?)?;
    }
    sys::raise_open_files(200_000);
    let ip: Ipv4Addr = option("--ip").as_deref().unwrap_or("127.0.0.1").parse()?;
    let tick_us: i64 = option("--coalesce-us")
        .as_deref()
        .unwrap_or("500")
        .parse()?;
    let above_pps: u64 = option("--above-pps").as_deref().unwrap_or("5000").parse()?;
    forward(ip, Coalescing::new(tick_us * 1000, above_pps))
}

impl Coalescing {
    fn new(longest_tick_ns: i64, above_pps: u64) -> Self {
        Coalescing {
            longest_tick_ns,
            above_pps,
            window_start: sys::monotonic_ns(),
            window_packets: 0,
            tick_ns: None,
        }
    }

    /// Counts a round of `packets` that began at `woken`, and waits for the next tick if busy.
    fn wait(&mut self, woken: i64, packets: u64) {
        if self.longest_tick_ns == 0 {
            return;
        }
        self.window_packets += packets;
        let elapsed = woken - self.window_start;
        if elapsed >= RATE_WINDOW_NS {
            let pps = self.window_packets * 1_000_000_000 / elapsed as u64;
            self.tick_ns = (pps > self.above_pps).then(|| {
                let wanted = ROUND_PACKETS * 1_000_000_000 / pps as i64;
                wanted.clamp(
                    SHORTEST_TICK_NS.min(self.longest_tick_ns),
                    self.longest_tick_ns,
                )
            });
            self.window_start = woken;
            self.window_packets = 0;
        }
        if let Some(tick_ns) = self.tick_ns {
            sys::sleep_until_monotonic_ns(woken + tick_ns);
        }
    }
}

fn watch(epoll: RawFd, fd: RawFd, tag: u64) -> std::io::Result<()> {
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: tag,
    };
    // SAFETY: `event` is valid for the call.
    sys::check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) })?;
    Ok(())
}

fn forward(ip: Ipv4Addr, mut coalescing: Coalescing) -> Result<(), Failure> {
    // SAFETY: creates a descriptor; an all-zero event list is valid.
    let epoll = sys::check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    let mut events: Vec<libc::epoll_event> = vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS];
    watch(epoll, 0, STDIN)?;
    let mut commands = BufReader::new(std::io::stdin());
    let mut legs: Vec<Leg> = Vec::new();
    let mut buffer = [0u8; SLOT];
    loop {
        // SAFETY: `events` has room for EVENTS entries.
        let ready =
            unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), EVENTS as libc::c_int, -1) };
        let woken = sys::monotonic_ns();
        let ready = ready.max(0) as usize;
        for event in &events[..ready] {
            if event.u64 == STDIN {
                if !take_commands(&mut commands, ip, epoll, &mut legs)? {
                    return Ok(());
                }
            } else {
                forward_one(&mut legs, event.u64 as usize, &mut buffer);
            }
        }
        coalescing.wait(woken, ready as u64);
    }
}

fn forward_one(legs: &mut [Leg], index: usize, buffer: &mut [u8; SLOT]) {
    let leg = &mut legs[index];
    // SAFETY: the buffer is ours and its length given, with room left for a larger tag.
    let length = unsafe {
        libc::recv(
            leg.socket,
            buffer.as_mut_ptr().cast(),
            SLOT - 64,
            libc::MSG_DONTWAIT,
        )
    };
    if length <= 0 {
        return;
    }
    let Some(plain) = leg.inbound.unprotect(buffer, length as usize) else {
        return;
    };
    let peer = &mut legs[index ^ 1];
    let length = peer.outbound.protect(buffer, plain);
    // SAFETY: the first `length` bytes of the buffer are initialised.
    unsafe {
        libc::send(
            peer.socket,
            buffer.as_ptr().cast(),
            length,
            libc::MSG_DONTWAIT,
        )
    };
}

/// Takes the commands that have arrived; false at the end of input.
fn take_commands(
    commands: &mut BufReader<std::io::Stdin>,
    ip: Ipv4Addr,
    epoll: RawFd,
    legs: &mut Vec<Leg>,
) -> Result<bool, Failure> {
    loop {
        let mut line = String::new();
        if commands.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        add_call(&words, ip, epoll, legs)?;
        if commands.buffer().is_empty() {
            return Ok(true);
        }
    }
}

fn add_call(
    words: &[&str],
    ip: Ipv4Addr,
    epoll: RawFd,
    legs: &mut Vec<Leg>,
) -> Result<(), Failure> {
    if words.first() != Some(&"call") || !(words.len() == 3 || words.len() == 13) {
        return Err("call PHONE_A PHONE_B [SUITE RX_KEY RX_SALT TX_KEY TX_SALT, twice]".into());
    }
    let mut ports = [0u16; 2];
    for side in 0..2 {
        let socket = sys::bind_udp(SocketAddrV4::new(ip, 0))?;
        sys::connect_udp(socket, SocketAddrV4::new(ip, words[1 + side].parse()?))?;
        ports[side] = sys::local_port(socket)?;
        let (inbound, outbound) = match words.get(3 + side * 5..8 + side * 5) {
            Some([suite, rx_key, rx_salt, tx_key, tx_salt]) => (
                Inbound::srtp(suite, rx_key, rx_salt)?,
                Outbound::srtp(suite, tx_key, tx_salt)?,
            ),
            _ => (Inbound::plain(), Outbound::plain()),
        };
        legs.push(Leg {
            socket,
            inbound,
            outbound,
        });
        watch(epoll, socket, (legs.len() - 1) as u64)?;
    }
    say(&format!("{{\"ports\":[{},{}]}}", ports[0], ports[1]));
    Ok(())
}
