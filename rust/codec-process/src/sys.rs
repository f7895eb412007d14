//! The system calls that no crate makes safely.

#![allow(unsafe_code, reason = "calls of the operating system")]

use std::io;
use std::sync::atomic::AtomicU64;

/// Closes every descriptor from `first` on.
///
/// # Errors
/// The system's, where it cannot (before Linux 5.9).
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: no argument is a pointer. Nothing in this process uses a descriptor but its socket, which is 0.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Maps the first word of the file behind a descriptor, for the rest of the process's life. None where that is no file
/// that can be mapped.
pub(crate) fn shared_word(descriptor: i32) -> Option<&'static AtomicU64> {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping is asked for, of pages that nothing else here uses. It is never unmapped, so that the
    // reference stays good; it is aligned to a page, and the other process only reads it.
    unsafe {
        let place = libc::mmap(
            std::ptr::null_mut(),
            std::mem::size_of::<AtomicU64>(),
            rights,
            libc::MAP_SHARED,
            descriptor,
            0,
        );
        if place == libc::MAP_FAILED {
            return None;
        }
        Some(&*place.cast::<AtomicU64>())
    }
}
