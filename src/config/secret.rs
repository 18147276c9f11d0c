//! A string that is never shown.
//!
//! Keys and tokens live in this type from the moment they are read, so that no derived `Debug`, log
//! line, status page or panic message can hold one. Only [`Secret::expose`] gives the text; whoever
//! calls it puts it into a header or compares it.

use std::fmt;
use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;

/// A key or token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for a header or a comparison.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text can be an HTTP header's value: visible ASCII, at least one character.
    pub(crate) fn fits_a_header(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Reads a token file; white space around the token is not part of it.
    ///
    /// # Errors
    ///
    /// What the file should be, as half a sentence.
    pub(crate) fn read_file(path: &Path) -> Result<Self, String> {
        let meta = fs::metadata(path).map_err(|error| error.to_string())?;
        if !meta.is_file() {
            return Err("not a regular file".to_owned());
        }
        refuse_public(&meta)?;
        let mut bytes = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error: io::Error| error.to_string())?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("longer than {FILE_BYTES_MAX} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
        Ok(Self::new(text.trim()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

/// The owner's group may read: a Kubernetes secret volume with `fsGroup` is mounted like that.
#[cfg(unix)]
fn refuse_public(meta: &fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o027 == 0 {
        return Ok(());
    }
    Err(format!(
        "its mode is {mode:04o}, so others than its owner and group may use it"
    ))
}

#[cfg(not(unix))]
fn refuse_public(_: &fs::Metadata) -> Result<(), String> {
    Ok(())
}

/// What is shown in the place of any secret, whatever its length.
const SHOWN: &str = "[secret]";

/// No token is longer; it must fit a header.
const FILE_BYTES_MAX: u64 = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("canary-7f");
        for shown in [
            format!("{secret:?}"),
            format!("{secret:#?}"),
            secret.to_string(),
        ] {
            assert_eq!(shown, SHOWN);
        }
        assert_eq!(secret.expose(), "canary-7f");
    }

    #[cfg(unix)]
    #[test]
    fn a_token_file_is_private_small_and_trimmed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("token");
        let put = |bytes: &[u8], mode: u32| {
            fs::write(&path, bytes).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode set");
            Secret::read_file(&path)
        };
        assert_eq!(put(b" abc\n", 0o600), Ok(Secret::new("abc")));
        assert_eq!(put(b"abc", 0o440), Ok(Secret::new("abc")));
        for mode in [0o644, 0o620, 0o602] {
            let refused = put(b"abc", mode).expect_err("too open");
            assert!(refused.contains(&format!("{mode:04o}")), "{refused}");
        }
        put(&[b'a'; 5_000], 0o600).expect_err("too long");
        put(&[0xff], 0o600).expect_err("not text");
        Secret::read_file(dir.path()).expect_err("a directory");
        Secret::read_file(&dir.path().join("none")).expect_err("missing");
    }
}
