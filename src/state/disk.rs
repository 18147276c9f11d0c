//! Files that are whole after a crash: read with a bound, replaced atomically.

use super::StateError;
use sha2::Digest;
use sha2::Sha256;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces `path` by a file with `bytes`, readable by its owner only. The temporary file has a
/// fixed name, so that crashes cannot fill the disk; the lock keeps others from using it too.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    refuse_link(path)?;
    create_directory(path)?;
    let temporary = path.with_added_extension("tmp");
    let written = write_synced(&temporary, bytes)
        .map_err(|error| io_error("write", &temporary, error))
        .and_then(|()| {
            fs::rename(&temporary, path).map_err(|error| io_error("replace", path, error))
        });
    if written.is_err() {
        // What is left of it is overwritten the next time; a full disk is glad of the room.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_directory(directory(path))
}

/// Up to one byte more than `max` of a regular file; none if there is no file. What it is is asked
/// before it is opened: opening a pipe would wait for a writer.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let opened = fs::metadata(path).and_then(|meta| {
        let regular = meta.is_file();
        let refused = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        regular.then(|| File::open(path)).ok_or_else(refused)?
    });
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// A link in our place may point anywhere, and to another place tomorrow.
pub(crate) fn refuse_link(path: &Path) -> Result<(), StateError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => Err(StateError::Link(path.to_owned())),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Makes the directory of `path`, for its owner only, if there is none.
pub(crate) fn create_directory(path: &Path) -> Result<(), StateError> {
    let directory = directory(path);
    if fs::metadata(directory).is_ok() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| io_error("create the directory", directory, error))?;
    sync_directory(directory.parent().unwrap_or(directory))
}

/// An error of the system with its place.
pub(crate) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> StateError {
    StateError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // `create_new` follows no link that somebody puts there meanwhile.
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A short name for what must not be read from it: the first 64 bits of its SHA-256.
pub(crate) fn short_name(whole: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(whole.as_bytes()).into();
    let (first, _) = hash.split_at(8);
    hex::encode(first)
}

/// A rename is on disk when its directory is.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StateError> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error("sync the directory", path, error))
}

/// The directory that a file is in.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Read and written by the owner only: configurations can hold keys.
pub(crate) const PRIVATE: u32 = 0o600;
