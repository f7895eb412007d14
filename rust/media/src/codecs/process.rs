//! Starting a codec process and hearing its first word.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair, sockopt};
use rustix::time::Timespec;
use sealtone_codec_protocol::{Availability, LegId, MAX_BATCH, Report, VERSION, reports};

/// Asked of the kernel for each direction; it gives less where its limit is lower.
const BUFFER: usize = 1 << 20;
/// A process that says nothing for so long does not work.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// Why codec processes cannot be used, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub String);

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A running process and what it said first.
#[derive(Debug)]
pub struct CodecProcess {
    child: Child,
    /// Where it notes whose leg it works on.
    notes: OwnedFd,
    /// Our end of the socket, to be given to a worker.
    pub socket: Option<OwnedFd>,
    /// Every codec, with why it is missing where it is.
    pub codecs: Vec<Availability>,
    /// Landlock stands around it too.
    pub landlock: bool,
}

impl CodecProcess {
    /// Starts one. It dies with the calling thread.
    ///
    /// # Errors
    /// It does not start, does not close its sandbox, or was not built with us.
    pub fn start(program: &Path) -> Result<Self, Unusable> {
        let (ours, theirs) = pair().map_err(|error| Unusable(format!("no socket: {error}")))?;
        let notes = notes().map_err(|error| Unusable(format!("no memory file: {error}")))?;
        let mut child = notes
            .try_clone()
            .and_then(|notes| spawn(program, theirs, notes))
            .map_err(|error| Unusable(format!("{}: {error}", program.display())))?;
        match hello(&ours) {
            Ok((codecs, landlock)) => Ok(Self {
                child,
                notes,
                socket: Some(ours),
                codecs,
                landlock,
            }),
            Err(why) => {
                end(&mut child);
                Err(why)
            }
        }
    }

    /// Ends it, and tells whose leg it worked on.
    #[must_use]
    pub fn into_culprit(mut self) -> Option<LegId> {
        end(&mut self.child);
        let mut word = [0; 8];
        let length = rustix::io::pread(&self.notes, &mut word, 0).unwrap_or(0);
        (length == word.len())
            .then(|| LegId::from_ne_bytes(word))
            .filter(|&leg| leg != 0)
    }
}

impl Drop for CodecProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for socket in [&ours, &theirs] {
        sockopt::set_socket_send_buffer_size(socket, BUFFER)?;
    }
    Ok((ours, theirs))
}

/// A file in memory of one word. It can neither grow nor shrink, so that nobody stumbles over its end.
fn notes() -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("sealtone-codecs", flags)?;
    ftruncate(&file, 8)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

fn spawn(program: &Path, socket: OwnedFd, notes: OwnedFd) -> io::Result<Child> {
    Command::new(program)
        .arg(std::process::id().to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::from(notes))
        .stderr(Stdio::null())
        // A terminal's interrupt is for the server, which ends its calls first.
        .process_group(0)
        .spawn()
}

fn hello(socket: &OwnedFd) -> Result<(Vec<Availability>, bool), Unusable> {
    let until = Instant::now() + FIRST_WORD;
    let mut datagram = vec![0; MAX_BATCH];
    let length = loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(Unusable("the codec process does not answer".to_owned())),
            Ok(_) => {
                let received = recv(socket, &mut datagram[..], RecvFlags::DONTWAIT);
                break received.map_or(0, |(_, length)| length);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Unusable(error.to_string())),
        }
    };
    match reports(&datagram[..length]).next() {
        Some(Ok(Report::Hello {
            version: VERSION,
            landlock,
            codecs,
        })) => Ok((codecs, landlock)),
        Some(Ok(Report::Fault { reason, .. })) => Err(Unusable(reason.to_owned())),
        None => Err(Unusable("the codec process ended at once".to_owned())),
        _ => Err(Unusable(
            "the codec process is of another version".to_owned(),
        )),
    }
}
