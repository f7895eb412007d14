//! The process's one loop: wait for the socket or the next tick, obey, let time pass, report.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::time::Timespec;
use sealtone_codec_protocol::{Availability, MAX_BATCH, Report, VERSION, orders};

use crate::clock::now_us;
use crate::mark::Mark;
use crate::mixer::Mixer;
use crate::outbox::Outbox;
use crate::sandbox::Walls;

/// Datagrams taken between two looks at the clocks.
const DATAGRAMS: usize = 64;

fn socket() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

/// Loads the codecs' libraries, which has to happen before the sandbox closes, and says what there is.
#[must_use]
pub fn load() -> Vec<Availability> {
    sealtone_codec::load();
    sealtone_codec::available()
        .into_iter()
        .map(|(kind, found)| Availability {
            kind,
            missing: found.err().unwrap_or_default(),
        })
        .collect()
}

/// Tells the server why the process ends, where it still listens.
pub fn say_why(reason: &str) {
    let mut out = Outbox::default();
    out.add(&Report::Fault { leg: 0, reason });
    out.flush(transmit);
}

/// Runs until the server closes the socket.
///
/// # Errors
/// The socket failed, or the server said what cannot be read.
pub fn run(walls: &Walls, codecs: Vec<Availability>, mark: Mark) -> io::Result<()> {
    let mut mixer = Mixer::new(mark);
    let mut out = Outbox::default();
    out.add(&Report::Hello {
        version: VERSION,
        landlock: walls.landlock,
        codecs,
    });
    let mut datagram = vec![0; MAX_BATCH];
    loop {
        if !out.flush(transmit) {
            return Err(io::Error::other("the server does not listen"));
        }
        wait(mixer.next_due(), out.waits())?;
        for _ in 0..DATAGRAMS {
            match recv(socket(), &mut datagram[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Ok(()),
                Ok((_, length)) => {
                    let now = now_us();
                    for order in orders(&datagram[..length]) {
                        let order = order.map_err(io::Error::other)?;
                        mixer.obey(order, now, &mut out);
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        mixer.advance(now_us(), &mut out);
    }
}

/// Until the socket has something, or room for what waits, or a clock is due.
fn wait(due: Option<u64>, waits: bool) -> io::Result<()> {
    let timeout = due.map(|due| {
        let micros = due.saturating_sub(now_us());
        Timespec {
            tv_sec: (micros / 1_000_000) as i64,
            tv_nsec: (micros % 1_000_000 * 1_000) as i64,
        }
    });
    let flags = if waits {
        PollFlags::IN | PollFlags::OUT
    } else {
        PollFlags::IN
    };
    let socket = socket();
    match poll(&mut [PollFd::new(&socket, flags)], timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sends a datagram; false if there is no room. A socket that nobody listens on is found out by receiving.
fn transmit(datagram: &[u8]) -> bool {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    !matches!(send(socket(), datagram, flags), Err(Errno::AGAIN))
}
