//! Keeps the Converse bodies that the tests make, for the judge of `tests/run strict`: a checker that
//! reads the service's own model out of botocore, and so not our idea of it.
//!
//! Only where a variable names a folder; a plain `cargo test` keeps nothing.

use crossfade::demo::emulator::{BedrockEmulator, Recorder};
use std::path::PathBuf;

/// The folder; each source has a file in it.
const FOLDER: &str = "CROSSFADE_TEST_BODIES";

/// Where a body comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The golden cases of the translation.
    Golden,
    /// A crossfade between emulators, asked by a test.
    EndToEnd,
    /// A crossfade between emulators, asked by somebody else's client.
    Clients,
}

impl Source {
    /// What its file is called.
    const fn file(self) -> &'static str {
        match self {
            Self::Golden => "golden.jsonl",
            Self::EndToEnd => "end-to-end.jsonl",
            Self::Clients => "clients.jsonl",
        }
    }
}

/// The file of a source; none where nothing is to be kept.
pub(crate) fn recorder(source: Source) -> Option<Recorder> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    let file = folder.join(source.file());
    Some(Recorder::append_to(&file).expect("the folder of the bodies exists"))
}

/// Keeps all that an emulator is sent.
pub(crate) fn record(bedrock: &BedrockEmulator, source: Source) {
    if let Some(recorder) = recorder(source) {
        bedrock.record(recorder);
    }
}
