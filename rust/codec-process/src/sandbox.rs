//! What takes everything away from the process but its socket, its memory and the time.
//!
//! Walls, from the outside in: no descriptors, no other user's rights, no capabilities, a death that comes with the
//! server's, no rights that a program file could give, Landlock (no file, no network, no signal), limits on what can be
//! had, and a seccomp filter that knows the calls of [`crate::service::run`] and kills the process at any other.
//! Libraries are loaded before.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// Memory that the process may map at most.
const MEMORY: u64 = 2 << 30;
/// The user and group without rights.
const NOBODY: u32 = 65_534;
/// Wished for; between the media workers, which come first, and the control plane.
const NICE: i32 = -5;
/// Where that is not permitted, the media workers have no priority either.
const NICE_WITHOUT_RIGHTS: i32 = 5;

/// Why the sandbox could not be closed: the process must not run.
#[derive(Debug)]
pub struct Open(&'static str, String);

impl fmt::Display for Open {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "its sandbox cannot be closed ({}: {})", self.0, self.1)
    }
}

impl std::error::Error for Open {}

fn wall<T, E: fmt::Display>(what: &'static str, result: Result<T, E>) -> Result<T, Open> {
    result.map_err(|error| Open(what, error.to_string()))
}

/// The walls that not every kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walls {
    /// Landlock stands, at least in part.
    pub landlock: bool,
}

/// Closes the sandbox around this process, which must have one thread. `parent` is the server's process id.
///
/// # Errors
/// A wall that must stand does not.
pub fn close(parent: i32) -> Result<Walls, Open> {
    // The first look at the clock finds the kernel's page for it, with calls that will be forbidden.
    let _ = crate::clock::now_us();
    if rustix::process::setpriority_process(None, NICE).is_err() {
        let _ = rustix::process::setpriority_process(None, NICE_WITHOUT_RIGHTS);
    }
    wall("descriptors", crate::sys::close_from(1))?;
    wall("bounding set", empty_bounding_set())?;
    if rustix::process::geteuid().is_root() {
        wall("user", drop_root())?;
    }
    wall("capabilities", drop_capabilities())?;
    die_with(parent)?;
    wall(
        "dumpable",
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable),
    )?;
    wall("no_new_privs", rustix::thread::set_no_new_privs(true))?;
    let landlock = wall("landlock", landlock())?;
    limit()?;
    wall("seccomp", filter_calls())?;
    Ok(Walls { landlock })
}

/// Takes every capability that the kernel knows out of what a program file could give (capabilities(7)). Only who may
/// change that can: without `CAP_SETPCAP` the set stays, behind `no_new_privs`.
fn empty_bounding_set() -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives up the capabilities that a user other than root may have been started with.
fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    clear_ambient_capability_set()?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}

fn drop_root() -> io::Result<()> {
    let (user, group) = (
        rustix::process::Uid::from_raw(NOBODY),
        rustix::process::Gid::from_raw(NOBODY),
    );
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    Ok(())
}

/// Dies when the server's thread does that started this process. Changing the user ends that, so it comes after.
fn die_with(parent: i32) -> Result<(), Open> {
    wall(
        "death signal",
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)),
    )?;
    let present = rustix::process::getppid().map_or(0, rustix::process::Pid::as_raw_pid);
    if present == parent {
        Ok(())
    } else {
        Err(Open("parent", "the server is gone".to_owned()))
    }
}

fn limit() -> Result<(), Open> {
    let limits = [
        // Polling needs room for the one descriptor there is.
        (Resource::Nofile, 1),
        (Resource::Nproc, 0),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::As, MEMORY),
    ];
    for (resource, most) in limits {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        wall("limits", rustix::process::setrlimit(resource, limit))?;
    }
    Ok(())
}

/// Forbids every right that this kernel's Landlock knows; false where it has none.
fn landlock() -> Result<bool, landlock::RulesetError> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Calls that pass whatever their arguments are.
const CALLS: &[i64] = &[
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_ppoll,
    libc::SYS_clock_gettime,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_getrandom,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Calls that fail quietly: a library that would print has nowhere to.
const MUTE: &[i64] = &[libc::SYS_write, libc::SYS_writev];

fn filter_calls() -> Result<(), Box<dyn std::error::Error>> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let mute = MUTE.iter().map(|&call| (call, Vec::new())).collect();
    let mute = SeccompFilter::new(
        mute,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EBADF as u32),
        architecture,
    )?;
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> = CALLS
        .iter()
        .chain(MUTE)
        .map(|&call| (call, Vec::new()))
        .collect();
    // Memory, but none that can be executed.
    let executable = SeccompCondition::new(
        2,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64),
        0,
    )?;
    let rule = SeccompRule::new(vec![executable])?;
    calls.insert(libc::SYS_mmap, vec![rule.clone()]);
    calls.insert(libc::SYS_mprotect, vec![rule]);
    let filter = SeccompFilter::new(
        calls,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        architecture,
    )?;
    let (mute, filter): (BpfProgram, BpfProgram) = (mute.try_into()?, filter.try_into()?);
    // Of several filters the strictest answer counts; the second would not let the first be added.
    apply_filter(&mute)?;
    apply_filter(&filter)?;
    Ok(())
}
