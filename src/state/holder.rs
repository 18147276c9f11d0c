//! Where the process that holds the state is reached: its admin address, as the lock file's content.
//!
//! The process alone knows the address that it really has; the configuration may have been edited
//! since. What the lock file says counts only while the lock is held: the system lets go of it with
//! the process, so nothing that is left behind can lead to another one. Asking takes a shared lock
//! for a moment where nobody holds it; a process that starts in that moment tries again.

use super::disk;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

/// Says in the lock file `file`, which this process holds, where it is reached. An address of an
/// earlier holder is gone even if this fails.
pub(super) fn announce(mut file: &File, admin: Option<SocketAddr>) -> io::Result<()> {
    file.set_len(0)?;
    if let Some(admin) = admin {
        file.write_all(format!("{admin}\n").as_bytes())?;
    }
    // Others on a network file system see it then.
    file.sync_data()
}

/// The address of the process that holds the lock file `lock`; none if nobody holds it, or if it
/// cannot be told.
pub(super) fn read(lock: &Path) -> Option<SocketAddr> {
    // A pipe in its place would wait for a writer.
    if !fs::symlink_metadata(lock).ok()?.is_file() {
        return None;
    }
    let file = File::open(lock).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    let bytes = disk::read(lock, ADDRESS_BYTES_MAX).ok()??;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

/// More than the longest address takes.
const ADDRESS_BYTES_MAX: u64 = 128;
