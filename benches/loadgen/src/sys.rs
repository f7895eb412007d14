//! Thin wrappers of the system calls used here: clocks, pinning, UDP sockets.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::RawFd;

fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec to write to.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

pub fn monotonic_ns() -> i64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// Wall clock: the one that the kernel's receive time stamps use.
pub fn realtime_ns() -> i64 {
    clock_ns(libc::CLOCK_REALTIME)
}

pub fn sleep_until_monotonic_ns(deadline: i64) {
    let time = libc::timespec {
        tv_sec: deadline / 1_000_000_000,
        tv_nsec: deadline % 1_000_000_000,
    };
    // SAFETY: `time` is valid, and no remainder is asked for.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &time,
            std::ptr::null_mut(),
        )
    };
}

/// Keeps the calling thread on one CPU, with exact timers.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set; prctl takes integers only.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        check(libc::sched_setaffinity(
            0,
            mem::size_of::<libc::cpu_set_t>(),
            &set,
        ))?;
        libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0);
    }
    Ok(())
}

/// Raises the limit of open files as far as we may, up to `wanted`.
pub fn raise_open_files(wanted: u64) {
    // SAFETY: `limit` is a valid rlimit for both calls.
    unsafe {
        let mut limit: libc::rlimit = mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let higher = libc::rlimit {
            rlim_cur: wanted.max(limit.rlim_cur),
            rlim_max: wanted.max(limit.rlim_max),
        };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &higher) != 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

pub fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*address.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}

fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> bool {
    // SAFETY: `value` outlives the call and its size is given.
    unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        ) == 0
    }
}

/// A non-blocking UDP socket bound to `address` (port 0: any).
pub fn bind_udp(address: SocketAddrV4) -> io::Result<RawFd> {
    // SAFETY: plain socket calls with a valid address structure.
    unsafe {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = check(libc::socket(libc::AF_INET, kind, 0))?;
        let raw = sockaddr(address);
        let size = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
        check(libc::bind(fd, (&raw const raw).cast(), size))?;
        Ok(fd)
    }
}

pub fn connect_udp(fd: RawFd, address: SocketAddrV4) -> io::Result<()> {
    let raw = sockaddr(address);
    let size = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: `raw` is a valid address of the given size.
    check(unsafe { libc::connect(fd, (&raw const raw).cast(), size) })?;
    Ok(())
}

pub fn local_port(fd: RawFd) -> io::Result<u16> {
    // SAFETY: getsockname writes at most `size` bytes into `raw`.
    unsafe {
        let mut raw: libc::sockaddr_in = mem::zeroed();
        let mut size = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
        check(libc::getsockname(fd, (&raw mut raw).cast(), &mut size))?;
        Ok(u16::from_be(raw.sin_port))
    }
}

/// Large buffers (past the system's limit when we may), so that the generator itself loses nothing.
pub fn set_buffers(fd: RawFd, bytes: i32) {
    for (forced, plain) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        if !set_option(fd, libc::SOL_SOCKET, forced, bytes) {
            set_option(fd, libc::SOL_SOCKET, plain, bytes);
        }
    }
}

/// Asks the kernel to stamp arriving datagrams (CLOCK_REALTIME, SCM_TIMESTAMPNS).
pub fn stamp_arrivals(fd: RawFd) -> bool {
    set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// An even port and the odd one after it, both bound: one RTP and one RTCP socket.
pub fn bind_pair(ip: Ipv4Addr) -> io::Result<(RawFd, RawFd, u16)> {
    for _ in 0..200 {
        let rtp = bind_udp(SocketAddrV4::new(ip, 0))?;
        let port = local_port(rtp)?;
        if port % 2 == 0 {
            if let Ok(rtcp) = bind_udp(SocketAddrV4::new(ip, port + 1)) {
                return Ok((rtp, rtcp, port));
            }
        }
        // SAFETY: the descriptor is ours and not used again.
        unsafe { libc::close(rtp) };
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "no free pair of UDP ports",
    ))
}
