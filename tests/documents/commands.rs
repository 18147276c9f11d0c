//! What the documents tell to type, typed.
//!
//! Every line of a `sh` block and every command in a line of text is taken out of the documents as it
//! stands and run by a shell, in the state that [`CASES`] names for it; where a block is followed by a
//! `text` block, that is what it must print ([`sample`]). A command that no case covers is a failure, and
//! so is a case that covers none. What cannot be run here is in [`ELSEWHERE`], each with the reason; a
//! command of ours within such a line is run all the same.

use super::cases::{CASES, Case, ELSEWHERE, Way};
use super::page::{Block, Part, code, pages, parts, text};
use super::sample;
use super::stage::{Place, Stage, Told};
use std::collections::{BTreeMap, BTreeSet};

/// Tools whose commands are found in a line of text too.
const TOOLS: &[&str] = &[
    "crossfade ",
    "cargo ",
    "tests/run",
    "docker ",
    "kubectl ",
    "systemctl ",
    "aws ",
    "curl ",
    "export ",
    "promtool ",
    "jq ",
];

/// A command as a document has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// The document and the line.
    pub(super) place: (String, usize),
    /// The whole line, without its comment.
    pub(super) line: String,
    /// What the document says that it prints; empty: nothing.
    pub(super) sample: String,
}

impl Typed {
    /// The command of ours in it: the line itself, or what another tool is to run where crossfade is.
    fn ours(&self) -> Option<&str> {
        let mut words = self.line.split_whitespace();
        if words.find(|word| !word.contains('=')) == Some("crossfade") {
            return Some(&self.line);
        }
        let within = ["-- crossfade ", "exec crossfade crossfade "];
        let end = within
            .iter()
            .find_map(|mark| Some(self.line.find(mark)? + mark.len()))?;
        self.line.get(end - "crossfade ".len()..)
    }
}

/// The commands of a document, in its order.
pub(super) fn typed(page: &str, text: &str) -> Vec<Typed> {
    let mut found = Vec::new();
    // Whether a block of text would be what the last command prints.
    let mut asked = false;
    for part in parts(text) {
        match part {
            Part::Line(_, line) if line.trim().is_empty() => {}
            Part::Line(number, line) => {
                asked = false;
                found.extend(inline(page, number, line));
            }
            Part::Block(block) if block.language == "sh" => {
                asked = true;
                found.extend(commands(page, &block));
            }
            Part::Block(block) => {
                if let Some(last) = found.last_mut()
                    && asked
                    && block.language == "text"
                {
                    let Typed { sample, .. } = last;
                    *sample = block.lines.join("\n");
                }
                asked = false;
            }
        }
    }
    found
}

/// The commands of one block: comments left out, lines that go on put together.
fn commands(page: &str, block: &Block) -> Vec<Typed> {
    let mut found: Vec<Typed> = Vec::new();
    let mut open: Option<Typed> = None;
    for (line, number) in block.lines.iter().zip(block.number..) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut command = open.take().unwrap_or_else(|| Typed {
            place: (page.to_owned(), number),
            line: String::new(),
            sample: String::new(),
        });
        let part = line.strip_suffix('\\');
        command.line.push_str(part.unwrap_or(line));
        match part {
            Some(_) => open = Some(command),
            None => found.push(command),
        }
    }
    assert_eq!(open, None, "a command without an end");
    found
}

/// The commands between backticks in a line of text.
fn inline(page: &str, number: usize, line: &str) -> Vec<Typed> {
    let commands = code(line).filter(|code| TOOLS.iter().any(|tool| code.starts_with(tool)));
    let typed = commands.map(|code| Typed {
        place: (page.to_owned(), number),
        line: code.to_owned(),
        sample: String::new(),
    });
    typed.collect()
}

/// The case of a command on a page: one that names the page, else the longest.
fn case(page: &str, ours: &str) -> Option<&'static Case> {
    let after = ours.split_once("crossfade ").map_or("", |(_, after)| after);
    let fits = |case: &&Case| match case.way {
        Way::Named => after == case.begins,
        Way::Ends(_) | Way::Less(_) | Way::Serves(_) => after.starts_with(case.begins),
    };
    CASES
        .iter()
        .filter(|case| page.ends_with(case.page) && fits(case))
        .max_by_key(|case| (case.page.len(), case.begins.len()))
}

/// Types what these pages say; how many commands of ours that were.
async fn type_all(mine: impl Fn(&str) -> bool) -> usize {
    let (mut count, mut wrong) = (0, Vec::new());
    let mut places = BTreeMap::new();
    for page in pages().into_iter().filter(|page| mine(page)) {
        for typed in typed(&page, &text(&page)) {
            match check(&typed, &mut places).await {
                Ok(ours) => count += usize::from(ours),
                Err(why) => wrong.push(format!("{}:{}: {why}", typed.place.0, typed.place.1)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    count
}

/// Types one command; whether there was one of ours.
async fn check(typed: &Typed, places: &mut BTreeMap<Stage, Place>) -> Result<bool, String> {
    let Typed {
        place,
        line,
        sample,
    } = typed;
    let Some(ours) = typed.ours() else {
        return match ELSEWHERE.iter().any(|(begins, _)| line.starts_with(begins)) {
            true => Ok(false),
            false => Err(format!("nobody runs {line:?}, and no reason is given")),
        };
    };
    let case = case(&place.0, ours).ok_or_else(|| format!("no case for {ours:?}"))?;
    // A command that changes something leaves no place for another one.
    let at = match places.remove(&case.stage) {
        Some(place) => place,
        None => Place::at(case.stage).await,
    };
    let (told, code) = match case.way {
        Way::Ends(code) => (at.types(ours).await, code),
        Way::Less(more) => (at.types(&format!("{ours}{more}")).await, 0),
        Way::Serves(more) => (at.starts(&format!("{ours}{more}")).await, 0),
        Way::Named => (at.types(&format!("{ours} --help")).await, 0),
    };
    let Told { code: ended, text } = &told;
    if *ended != Some(code) {
        return Err(format!("{ours} ended with {ended:?}\n{text}"));
    }
    if let Some(part) = case.tells.iter().find(|part| !text.contains(**part)) {
        return Err(format!("{ours} does not say {part:?}\n{text}"));
    }
    if let Err(missing) = sample::is_in(sample, text) {
        return Err(format!("{ours} does not print {missing:?}\n{text}"));
    }
    if !ours.contains("--reason") {
        places.insert(case.stage, at);
    }
    Ok(true)
}

fn is_readme(page: &str) -> bool {
    page == "README.md"
}

fn is_runbook(page: &str) -> bool {
    page.starts_with("docs/runbook/")
}

/// Half of the runbook: two tests are done sooner than one.
fn is_early(page: &str) -> bool {
    page < "docs/runbook/CrossfadeN"
}

#[tokio::test]
async fn what_the_readme_tells_to_type_works() {
    assert!(type_all(is_readme).await > 20);
}

#[tokio::test]
async fn what_the_runbook_tells_to_type_works() {
    assert!(type_all(|page| is_runbook(page) && is_early(page)).await > 10);
}

#[tokio::test]
async fn what_the_rest_of_the_runbook_tells_to_type_works() {
    assert!(type_all(|page| is_runbook(page) && !is_early(page)).await > 10);
}

#[tokio::test]
async fn what_the_other_documents_tell_to_type_works() {
    let others = |page: &str| !is_readme(page) && !is_runbook(page);
    assert!(type_all(others).await > 20);
}

#[test]
fn no_case_is_left_over() {
    let (mut used, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
    for page in pages() {
        for typed in typed(&page, &text(&page)) {
            let known = ELSEWHERE
                .iter()
                .filter(|(begins, _)| typed.line.starts_with(begins));
            elsewhere.extend(known.map(|(begins, _)| *begins));
            let case = typed.ours().and_then(|ours| case(&page, ours));
            used.extend(case.map(|case| (case.page, case.begins)));
        }
    }
    let keys = CASES.iter().map(|case| (case.page, case.begins));
    let left: Vec<_> = keys.filter(|key| !used.contains(key)).collect();
    assert!(left.is_empty(), "no document has {left:?}");
    for (begins, reason) in ELSEWHERE {
        assert!(
            elsewhere.contains(begins),
            "no document has {begins:?} ({reason})"
        );
    }
}

#[test]
fn commands_are_found_where_documents_have_them() {
    let text = "Try `crossfade status` or `other`.\n\n```sh\n# first\ncrossfade check  # why\n\
                kubectl exec POD -- \\\n    crossfade history -n 20\n```\n\n```text\nok\n```\n";
    let found = typed("p", text);
    let lines: Vec<_> = found
        .iter()
        .map(|it| (it.place.1, it.line.as_str()))
        .collect();
    let expected = [
        (1, "crossfade status"),
        (5, "crossfade check"),
        (6, "kubectl exec POD -- crossfade history -n 20"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(found[2].ours(), Some("crossfade history -n 20"));
    assert_eq!(found[2].sample, "ok");
    assert_eq!(found[1].sample, "");
    let compose = typed(
        "p",
        "`docker compose exec crossfade crossfade rearm --reason \"x\"`",
    );
    assert_eq!(compose[0].ours(), Some("crossfade rearm --reason \"x\""));
    let (variable, other) = ("`A=1 crossfade check`", "`cargo build`");
    assert!(
        typed("p", variable).is_empty(),
        "only lines that begin with a tool"
    );
    assert_eq!(typed("p", other)[0].ours(), None);
}
