//! A page that is partly written and partly made: what stands between `<!-- made: NAME -->` and
//! `<!-- end -->` is held against its generator, and every `sh` block is run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository.
pub(super) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Holds a page's made parts against `made`, or writes them.
#[track_caller]
pub(super) fn hold(path: &str, made: &[(&str, String)]) {
    let found = fs::read_to_string(file(path)).expect("the page");
    let mut page = found.clone();
    for (name, text) in made {
        let begin = format!("<!-- made: {name} -->\n");
        let (before, rest) = page
            .split_once(&begin)
            .unwrap_or_else(|| panic!("{path} has no {begin}"));
        let (_, after) = rest.split_once("<!-- end -->").expect("an end");
        page = format!("{before}{begin}{text}<!-- end -->{after}");
    }
    let parts = page.matches("<!-- made: ").count();
    assert_eq!(parts, made.len(), "{path} has parts that nothing makes");
    hold_file(path, &page);
}

/// Holds a whole file against what makes it, or writes it.
#[track_caller]
pub(super) fn hold_file(path: &str, made: &str) {
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(file(path), made).expect("writable");
    }
    let found = fs::read_to_string(file(path)).unwrap_or_default();
    assert!(found == made, "{path} is old; UPDATE_DOCS=1 rewrites it");
}

/// Runs every `sh` block of a page in `dir`, as a reader would who has `crossfade` in his path.
#[track_caller]
pub(super) fn run(path: &str, dir: &Path) {
    let text = fs::read_to_string(file(path)).expect("the page");
    let blocks: Vec<&str> = text
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(!blocks.is_empty(), "{path} has no command");
    let binary = Path::new(env!("CARGO_BIN_EXE_crossfade"));
    let folder = binary.parent().expect("a folder").to_str().expect("text");
    for block in blocks {
        let output = Command::new("sh")
            .args(["-e", "-c", block])
            .current_dir(dir)
            .env_clear()
            .env("PATH", format!("{folder}:/usr/bin:/bin"))
            .output()
            .expect("a shell");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{path}: {block}{told}{complaint}");
    }
}
