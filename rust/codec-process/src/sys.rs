//! The system calls that no crate makes safely.

#![allow(unsafe_code, reason = "calls of the operating system")]

use std::io;

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
