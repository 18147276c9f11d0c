//! Who may do what: hosts, callers, the admin token.

use super::super::Listen;
use super::super::address;
use super::super::problems::Problem;
use super::super::secret::Secret;
use super::super::section::Mistake;
use super::super::section::Section;
use super::super::section::Sink;
use super::super::shape::{Entries, Shape, Text};
use super::super::values;
use super::list;
use super::variable;
use sha2::Digest;
use sha2::Sha256;
use std::path::Path;

/// Reads `hosts`.
pub(super) fn hosts(root: &mut Section<'_>) -> Vec<String> {
    let accepted = "a list of host names without ports";
    let name = values::text(HOST, address::is_host_name);
    let names = list(root, "hosts", accepted, Entries::Any, name);
    root.amend("hosts", |note| {
        note.default = Some(serde_json::Value::Array(Vec::new()));
    });
    names
        .unwrap_or_default()
        .into_iter()
        .map(|name| name.to_ascii_lowercase())
        .collect()
}

/// Reads `callers`.
pub(super) fn callers(root: &mut Section<'_>) -> Option<Vec<[u8; 32]>> {
    root.node("callers")?;
    let mut section = root.section("callers");
    let shape = Shape::Text(Text::new(KEY_HASH, "^[0-9A-Fa-f]{64}$"));
    let hash = values::parsed(shape, KEY_HASH, |text| {
        match values::sha256(text) {
            Some(hash) if hash == EMPTY_SHA256 => {
                Err(Mistake::found("the hash of nothing at all", KEY_HASH))
            }
            // A key pasted instead of its hash must not be shown.
            None => Err(Mistake::found(
                format!("{} characters", text.chars().count()),
                KEY_HASH,
            )),
            Some(hash) => Ok(hash),
        }
    });
    let hashes = list(&mut section, "key_sha256", KEY_HASHES, Entries::Some, hash);
    section.amend("key_sha256", |note| note.required = true);
    if hashes.as_ref().is_none_or(Vec::is_empty) {
        let path = section.path("key_sha256");
        section
            .sink()
            .problem(Problem::new(path, "no usable hash", KEY_HASHES));
    }
    for (at, _) in hashes
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, hash)| is_placeholder(hash))
    {
        let text = "this stands for a hash and is none of a key: replace it by what \
                    `printf %s \"$KEY\" | sha256sum` prints, or the calls of the app stay";
        section
            .sink()
            .warning(format!("{}[{at}]", section.path("key_sha256")), text);
    }
    section.finish();
    hashes
}

/// The same byte over and over, or what the files of `deploy` have in the place of a hash.
fn is_placeholder(hash: &[u8; 32]) -> bool {
    let [first, rest @ ..] = hash;
    let same = rest.iter().all(|byte| byte == first);
    same || Sha256::digest(PLACEHOLDER).as_slice() == hash
}

/// Reads the token that the environment gives.
pub(super) fn admin_token(sink: &Sink, env: &impl Fn(&str) -> Option<String>) -> Option<Secret> {
    let file = variable(env, TOKEN_FILE);
    let (name, token) = match (variable(env, TOKEN), file) {
        (None, None) => return None,
        (Some(token), None) => (TOKEN, Ok(Secret::new(token))),
        (None, Some(path)) => (TOKEN_FILE, Secret::read_file(Path::new(&path))),
        (Some(_), Some(_)) => (TOKEN, Err(format!("set beside {TOKEN_FILE}"))),
    };
    let token = token.and_then(|token| {
        let long_enough = token.expose().len() >= TOKEN_BYTES_MIN && token.fits_a_header();
        if long_enough {
            Ok(token)
        } else {
            Err("a shorter or unprintable token".to_owned())
        }
    });
    match token {
        Ok(token) => Some(token),
        Err(found) => {
            let accepted = format!(
                "one of {TOKEN} and {TOKEN_FILE}, with at least {TOKEN_BYTES_MIN} printable \
                 characters; a file of mode 0600 or 0440"
            );
            sink.problem(Problem::new(Problem::variable(name), found, accepted));
            None
        }
    }
}

/// Nobody outside this machine may cause a Bedrock call without being listed.
pub(in crate::config) fn public_listener(
    listen: &Listen,
    callers: Option<&[[u8; 32]]>,
) -> Option<Problem> {
    match listen {
        Listen::Tcp(address) if !address::is_loopback(*address) && callers.is_none() => {
            let accepted = "a loopback address or unix:PATH; or callers.key_sha256 with the \
                            SHA-256 of each app key that may cause a Bedrock call";
            Some(Problem::new(
                "listen",
                format!("{address}, without callers"),
                accepted,
            ))
        }
        Listen::Tcp(_) | Listen::Unix(_) => None,
    }
}

/// The token itself.
pub(super) const TOKEN: &str = "CROSSFADE_ADMIN_TOKEN";

/// The file that holds it.
pub(super) const TOKEN_FILE: &str = "CROSSFADE_ADMIN_TOKEN_FILE";

/// 96 bits in base64.
const TOKEN_BYTES_MIN: usize = 16;

const HOST: Text = Text::new(
    "a host name without a port",
    r"^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$",
);

const KEY_HASHES: &str = "a list with at least one SHA-256 of an app key";

const KEY_HASH: &str = "the SHA-256 of an app key in 64 hexadecimal digits, as printed by \
                        `printf %s \"$KEY\" | sha256sum`";

/// The text whose hash they have.
const PLACEHOLDER: &[u8] = b"your app's key";

/// What `sha256sum` prints of an unset variable.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];
