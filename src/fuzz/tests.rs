//! Replays the corpus. A failure prints the input's name first.

use super::{events, request, sse};
use std::path::PathBuf;

fn replay(target: &str, check: fn(&[u8])) {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", target]
        .iter()
        .collect();
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is committed") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        check(&std::fs::read(path).expect("readable"));
        inputs += 1;
    }
    assert!(inputs > 10, "{target} has {inputs} inputs");
}

#[test]
fn the_corpus_of_requests() {
    replay("request", request::check);
}

#[test]
fn the_corpus_of_events() {
    replay("events", events::check);
}

#[test]
fn the_corpus_of_streams() {
    replay("sse", sse::check);
}
