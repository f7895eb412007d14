//! Behind its walls the codec process can do nothing but what it is for: each forbidden act is tried in a process of
//! its own, which closes the sandbox just as `sealtone-codecs` does, and dies of the attempt.

#![allow(
    unsafe_code,
    reason = "system calls that no crate makes safely, which must fail"
)]

use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
    set_capabilities, set_keep_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

/// What the process is killed with at a call that it has no use for.
const SIGSYS: i32 = libc::SIGSYS;
/// A user other than root, and what it is started with all the same.
const SERVANT: u32 = 65_533;
const GIVEN: [CapabilitySet; 3] = [
    CapabilitySet::SETPCAP,
    CapabilitySet::SYS_NICE,
    CapabilitySet::NET_BIND_SERVICE,
];

struct Act {
    name: &'static str,
    attempt: fn(),
    ends: Ends,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Killed by the filter.
    Killed,
    /// Goes on, as it should.
    Alive,
}

const ACTS: &[Act] = &[
    Act {
        name: "open a file",
        attempt: || drop(std::fs::File::open("/etc/hostname")),
        ends: Ends::Killed,
    },
    Act {
        name: "make a file",
        attempt: || drop(std::fs::write("/tmp/sealtone-codecs-escaped", "x")),
        ends: Ends::Killed,
    },
    Act {
        name: "look at a folder",
        attempt: || drop(std::fs::read_dir("/")),
        ends: Ends::Killed,
    },
    Act {
        name: "open a socket",
        attempt: || drop(std::net::TcpStream::connect("127.0.0.1:22")),
        ends: Ends::Killed,
    },
    Act {
        name: "send a datagram elsewhere",
        attempt: || drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        ends: Ends::Killed,
    },
    Act {
        name: "run a program",
        attempt: || drop(Command::new("/bin/true").exec()),
        ends: Ends::Killed,
    },
    Act {
        name: "fork",
        attempt: || drop(Command::new("/bin/true").spawn()),
        ends: Ends::Killed,
    },
    Act {
        name: "start a thread",
        attempt: || drop(std::thread::spawn(|| ())),
        ends: Ends::Killed,
    },
    Act {
        name: "trace its parent",
        attempt: || {
            call(libc::SYS_ptrace, [libc::PTRACE_ATTACH as i64, parent(), 0]);
        },
        ends: Ends::Killed,
    },
    Act {
        name: "read its parent's memory",
        attempt: || {
            call(libc::SYS_process_vm_readv, [parent(), 0, 0]);
        },
        ends: Ends::Killed,
    },
    Act {
        name: "signal its parent",
        attempt: || {
            call(libc::SYS_kill, [parent(), 0, 0]);
        },
        ends: Ends::Killed,
    },
    Act {
        name: "map memory that can be executed",
        attempt: || {
            let rights = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as i64;
            call(libc::SYS_mmap, [0, 4_096, rights]);
        },
        ends: Ends::Killed,
    },
    Act {
        name: "make memory executable",
        attempt: || {
            call(libc::SYS_mprotect, [0, 4_096, i64::from(libc::PROT_EXEC)]);
        },
        ends: Ends::Killed,
    },
    Act {
        name: "undo the filter",
        attempt: || {
            call(libc::SYS_prctl, [i64::from(libc::PR_SET_DUMPABLE), 1, 0]);
        },
        ends: Ends::Killed,
    },
    Act {
        name: "print",
        attempt: || {
            println!("nobody reads this");
            eprintln!("nor this");
        },
        ends: Ends::Alive,
    },
    Act {
        name: "take memory and the time",
        attempt: || {
            let mut memory = Vec::new();
            for size in 0..200 {
                memory.push(vec![1_u8; size * 10_000]);
                std::hint::black_box(sealtone_codec_process::clock::now_us());
            }
            std::hint::black_box(&memory);
        },
        ends: Ends::Alive,
    },
];

fn parent() -> i64 {
    PARENT.load(std::sync::atomic::Ordering::Relaxed)
}

static PARENT: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

fn call(number: i64, [a, b, c]: [i64; 3]) -> i64 {
    // Everything but these three is as good as zero: the filter looks at no more.
    unsafe { libc::syscall(number, a, b, c, 0_i64, 0_i64, 0_i64) }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, marker, parent, act] = &arguments[..]
        && marker == "--behind-the-walls"
    {
        return behind_the_walls(parent, act);
    }
    for act in ACTS {
        let (said, status) = attempt(act.name);
        assert_eq!(said, b"closed", "{}: the sandbox was not closed", act.name);
        match act.ends {
            Ends::Killed => assert_eq!(status.signal(), Some(SIGSYS), "{}: {status}", act.name),
            Ends::Alive => assert!(status.success(), "{}: {status}", act.name),
        }
        println!("test an attempt to {} ... ok", act.name);
    }
    assert!(!std::path::Path::new("/tmp/sealtone-codecs-escaped").exists());
    the_process_is_as_it_says();
    nothing_that_a_user_was_started_with_is_left();
}

fn attempt(name: &str) -> (Vec<u8>, std::process::ExitStatus) {
    let (ours, mut child) = start(name, |_| ());
    let mut said = [0; 64];
    let length = recv(&ours, &mut said[..], RecvFlags::empty()).map_or(0, |(_, length)| length);
    let _ = send(&ours, b"go", SendFlags::NOSIGNAL);
    (said[..length].to_vec(), child.wait().unwrap())
}

fn start(name: &str, prepare: impl FnOnce(&mut Command)) -> (OwnedFd, std::process::Child) {
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    // By this name also whoever may not look into the folder of the build.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--behind-the-walls", &std::process::id().to_string(), name])
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    prepare(&mut command);
    (ours, command.spawn().unwrap())
}

fn behind_the_walls(parent: &str, name: &str) {
    let parent: i32 = parent.parse().unwrap();
    PARENT.store(parent.into(), std::sync::atomic::Ordering::Relaxed);
    let act = ACTS.iter().find(|act| act.name == name).unwrap();
    let closed = sealtone_codec_process::sandbox::close(parent);
    let said: &[u8] = if closed.is_ok() { b"closed" } else { b"open" };
    let _ = send(rustix::stdio::stdin(), said, SendFlags::empty());
    let _ = recv(rustix::stdio::stdin(), &mut [0; 8][..], RecvFlags::empty());
    (act.attempt)();
}

/// An empty set, as the kernel writes it.
const NO_CAPABILITY: &str = "0000000000000000";

fn may_set_capabilities() -> bool {
    let effective = capabilities(None).unwrap().effective;
    effective.contains(CapabilitySet::SETPCAP)
}

/// Root in a container may lack what the test gives away.
fn may_give() -> bool {
    let ours = capabilities(None).unwrap().permitted;
    let needed = [CapabilitySet::SETUID, CapabilitySet::SETGID];
    GIVEN
        .into_iter()
        .chain(needed)
        .all(|one| ours.contains(one))
}

/// What the kernel says of a process, once its walls stand.
fn status_behind_the_walls(ours: &OwnedFd, child: &std::process::Child) -> String {
    let mut said = [0; 64];
    let length = recv(ours, &mut said[..], RecvFlags::empty()).map_or(0, |(_, length)| length);
    assert_eq!(&said[..length], b"closed");
    std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap()
}

fn value_of(status: &str, key: &str) -> String {
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

/// A user with capabilities keeps none of them; root loses them with its user, which proves nothing of that.
fn nothing_that_a_user_was_started_with_is_left() {
    let name = "test a user that was started with capabilities keeps none";
    if !rustix::process::geteuid().is_root() || !may_give() {
        println!("{name} ... ignored, needs root with {GIVEN:?}");
        return;
    }
    let (ours, mut child) = start("print", |command| {
        // SAFETY: system calls alone, which may stand between fork and exec.
        unsafe { command.pre_exec(become_a_servant) };
    });
    let status = status_behind_the_walls(&ours, &child);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(value_of(&status, set), NO_CAPABILITY, "{set}");
    }
    let user = SERVANT.to_string();
    let users = value_of(&status, "Uid");
    assert!(users.split_whitespace().all(|uid| uid == user), "{users}");
    drop(ours);
    let _ = child.wait();
    println!("{name} ... ok");
}

/// Becomes another user, with capabilities that outlast the exec.
fn become_a_servant() -> std::io::Result<()> {
    let given = GIVEN.into_iter().collect();
    set_keep_capabilities(true)?;
    set_thread_groups(&[])?;
    let (user, group) = (Uid::from_raw(SERVANT), Gid::from_raw(SERVANT));
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    let sets = CapabilitySets {
        effective: given,
        permitted: given,
        inheritable: given,
    };
    set_capabilities(None, sets)?;
    for capability in GIVEN {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

/// What the kernel says of a process behind its walls.
fn the_process_is_as_it_says() {
    let (ours, mut child) = start("print", |_| ());
    let status = status_behind_the_walls(&ours, &child);
    let value = |key: &str| value_of(&status, key);
    let proc = |file: &str| format!("/proc/{}/{file}", child.id());
    assert_eq!(value("Seccomp"), "2");
    assert_eq!(value("NoNewPrivs"), "1");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(value(set), NO_CAPABILITY, "{set}");
    }
    if may_set_capabilities() {
        assert_eq!(value("CapBnd"), NO_CAPABILITY);
    }
    assert_eq!(value("Threads"), "1");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        assert!(!value("Uid").split_whitespace().any(|uid| uid == "0"));
        let descriptors: Vec<_> = std::fs::read_dir(proc("fd")).unwrap().flatten().collect();
        assert_eq!(descriptors.len(), 1, "{descriptors:?}");
    } else {
        // What is not dumpable belongs to root, and its descriptors are nobody's business.
        assert!(std::fs::read_dir(proc("fd")).is_err());
    }
    let limits = std::fs::read_to_string(proc("limits")).unwrap();
    for (name, most) in [
        ("Max open files", "1"),
        ("Max processes", "0"),
        ("Max file size", "0"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(
            line[name.len()..].split_whitespace().nth(1),
            Some(most),
            "{line}"
        );
    }
    drop(ours);
    let _ = child.wait();
    println!("test a process behind its walls has one descriptor, no rights and its limits ... ok");
}
