//! The documents: which there are, what parts they have, and those that are partly written and partly
//! made: what stands between `<!-- made: NAME -->` and `<!-- end -->` is held against its generator.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

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

/// The documents for users, by their paths in the repository.
pub(super) fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "deploy/README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(file(&folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name();
            let path = format!("{folder}/{}", name.to_str().expect("text"));
            if file(&path).is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 15, "{pages:?}");
    pages
}

/// A document's text.
pub(super) fn text(page: &str) -> String {
    fs::read_to_string(file(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// A fenced block: its language, the number of its first line, and its lines without the indentation of
/// the fence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) language: String,
    pub(super) number: usize,
    pub(super) lines: Vec<String>,
}

/// A line outside of every block with its number, or a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Line(usize, &'a str),
    Block(Block),
}

/// A page in its parts.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            parts.push(Part::Line(number, line));
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let inside = lines.by_ref().map(|(line, _)| line);
        let inside = inside.take_while(|line| line.trim_start() != "```");
        let inside = inside.map(|line| line.get(indent..).unwrap_or_default().to_owned());
        parts.push(Part::Block(Block {
            language: language.to_owned(),
            number: number + 1,
            lines: inside.collect(),
        }));
    }
    parts
}

/// What stands between backticks in a line.
pub(super) fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}
