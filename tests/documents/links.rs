//! Every link between the documents leads somewhere, and documents are named by links.

use super::page::{Part, code, file, pages, parts, text};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The documents for users and those for who works on crossfade.
fn all() -> Vec<String> {
    let mut all = pages();
    all.extend(["src/ARCHITECTURE.md", "fuzz/README.md"].map(str::to_owned));
    all
}

/// The lines of a page outside of its blocks, with what is between backticks left out.
fn prose(text: &str) -> Vec<(usize, String)> {
    let lines = parts(text).into_iter().filter_map(|part| match part {
        Part::Line(number, line) => Some((
            number,
            line.split('`').step_by(2).collect::<Vec<_>>().join("``"),
        )),
        Part::Block(_) => None,
    });
    lines.collect()
}

/// The targets of the links and pictures in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The anchors of a page, as GitHub makes them of its headings: lower case, without punctuation, with
/// hyphens for spaces, and numbered from the second of a name on.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = parts(text).into_iter().filter_map(|part| match part {
        Part::Line(_, line) if line.starts_with('#') => Some(line.trim_start_matches('#').trim()),
        Part::Line(..) | Part::Block(_) => None,
    });
    let mut anchors = Vec::new();
    for heading in headings {
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept
            .flat_map(char::to_lowercase)
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let times = seen.entry(anchor.clone()).or_default();
        anchors.push(match *times {
            0 => anchor,
            again => format!("{anchor}-{again}"),
        });
        *times += 1;
    }
    anchors
}

/// `path` as seen from the folder of `page`, without `..`.
fn beside(page: &str, path: &str) -> String {
    let mut place = PathBuf::from(page);
    place.pop();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => assert!(place.pop(), "{page}: {path} leaves the repository"),
            Component::Normal(name) => place.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    place.to_str().expect("text").to_owned()
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for page in all() {
        for (number, line) in prose(&text(&page)) {
            for target in targets(&line).filter(|it| !it.starts_with("https://")) {
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let to = if path.is_empty() {
                    page.clone()
                } else {
                    beside(&page, path)
                };
                assert!(file(&to).exists(), "{page}:{number}: there is no {to}");
                let known = anchor.is_empty() || anchors(&text(&to)).iter().any(|it| it == anchor);
                assert!(known, "{page}:{number}: {to} has no heading for #{anchor}");
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn documents_are_named_by_links() {
    let known = all();
    for page in known.iter().filter(|page| *page != "fuzz/README.md") {
        let text = text(page);
        for part in parts(&text) {
            let Part::Line(number, line) = part else {
                continue;
            };
            // What a link shows may look like a path.
            let plain = line
                .split("[`")
                .map(|rest| rest.split_once("`]").map_or(rest, |it| it.1));
            for code in plain.flat_map(|part| code(part).collect::<Vec<_>>()) {
                let named = known.iter().any(|known| known == code);
                assert!(!named, "{page}:{number}: `{code}` is no link");
            }
        }
    }
}

/// A page of which nothing links to is one that nobody finds.
#[test]
fn every_page_is_reached_from_the_readme() {
    let (mut reached, mut open) = (vec!["README.md".to_owned()], vec!["README.md".to_owned()]);
    while let Some(page) = open.pop() {
        for (_, line) in prose(&text(&page)) {
            for target in targets(&line).filter(|it| !it.starts_with("https://")) {
                let path = target.split('#').next().unwrap_or_default();
                let to = beside(&page, path);
                if path.ends_with(".md") && !reached.contains(&to) {
                    reached.push(to.clone());
                    open.push(to);
                }
            }
        }
    }
    for page in all() {
        assert!(
            reached.contains(&page),
            "nothing leads to {page}: {reached:?}"
        );
    }
}

#[test]
fn anchors_are_made_as_readers_follow_them() {
    let text = "# From 5 to 100 %\n## `bedrock.models.NAME`\n## notify[]\n# Do\n```sh\n# no heading\n```\n# Do\n";
    let expected = [
        "from-5-to-100-",
        "bedrockmodelsname",
        "notify",
        "do",
        "do-1",
    ];
    assert_eq!(anchors(text), expected);
    assert_eq!(beside("docs/runbook/A.md", "../rules.md"), "docs/rules.md");
    assert_eq!(
        targets("a [b](c.md#d) ![e](f.svg)").collect::<Vec<_>>(),
        ["c.md#d", "f.svg"]
    );
}
