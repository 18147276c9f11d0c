//! The layering of `src/ARCHITECTURE.md` and a few habits, read off the source.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. A module may use what is below its own layer, and only what `MORE`
/// and `NEVER` add to or take from that.
const LAYERS: &[&[&str]] = &[
    &["openai", "converse", "split", "outcome"],
    &["translate", "rollout"],
    &["clock", "config", "snapshot", "telemetry", "drain", "page"],
    &["upstream", "controller", "journal", "state"],
    &["proxy", "notify", "otlp"],
    &["server", "admin"],
    &["app", "cli", "demo", "simulate", "fuzz"],
];

/// What a module may use of its own layer.
const MORE: &[(&str, &[&str])] = &[
    ("snapshot", &["config"]),
    ("telemetry", &["snapshot", "config", "clock"]),
    ("drain", &["clock"]),
    ("config", &["clock"]),
    ("controller", &["state", "journal"]),
    ("journal", &["state"]),
    ("app", &["cli"]),
    ("cli", &["app", "demo", "simulate"]),
    ("fuzz", &["demo"]),
];

/// What a module may not use although it is below.
const NEVER: &[(&str, &[&str])] = &[
    ("openai", &[]),
    ("translate", &["split", "outcome"]),
    ("rollout", &["openai", "converse"]),
    ("proxy", &["controller", "state", "journal"]),
    (
        "server",
        &["controller", "state", "journal", "notify", "otlp"],
    ),
    ("admin", &["proxy", "upstream", "state", "notify", "otlp"]),
];

/// What a pure file never contains: waiting, I/O, clocks and randomness.
const IMPURE: &[&str] = &[
    "async ",
    ".await;",
    ".await?",
    ".await)",
    "tokio",
    "hyper",
    "std::io",
    "std::fs",
    "std::net",
    "std::env",
    "Instant",
    "SystemTime",
    "rand::",
    "tracing",
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn may_use(module: &str, used: &str) -> bool {
    let listed = |table: &[(&str, &[&str])]| {
        table
            .iter()
            .any(|(name, list)| *name == module && list.contains(&used))
    };
    let (Some(own), Some(other)) = (layer(module), layer(used)) else {
        return false;
    };
    used == module || listed(MORE) || (other < own && !listed(NEVER))
}

/// Every source file with the module of the crate's root that it belongs to.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
        {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).expect("inside").to_owned();
                let first = relative.components().next().expect("a name").as_os_str();
                let module = first
                    .to_str()
                    .expect("text")
                    .trim_end_matches(".rs")
                    .to_owned();
                found.push((module, path));
            }
        }
    }
    found.retain(|(module, _)| module != "lib" && module != "main");
    assert!(found.len() > 50, "the source was not found");
    found
}

/// The lines of a file up to its inline tests, without comments.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("readable");
    let lines = text.lines().enumerate().take_while(|(_, line)| {
        !line.starts_with("#[cfg(test)]") || text.contains("#[cfg(test)]\nmod tests;")
    });
    lines
        .map(|(number, line)| {
            (
                number + 1,
                line.split("//").next().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

fn is_test(path: &Path) -> bool {
    let test = |name: &str| matches!(name, "tests" | "tests.rs" | "properties.rs");
    path.components()
        .any(|part| part.as_os_str().to_str().is_some_and(test))
}

#[test]
fn imports_go_down_the_layers() {
    let mut wrong = Vec::new();
    for (module, path) in sources() {
        if is_test(&path) {
            continue;
        }
        assert!(
            layer(&module).is_some(),
            "{module} is in no layer: add it to the table"
        );
        for (number, line) in code(&path) {
            for used in line.split("crate::").skip(1) {
                let end = used.find(|c: char| !c.is_alphanumeric() && c != '_');
                let used = &used[..end.unwrap_or(used.len())];
                if layer(used).is_some() && !may_use(&module, used) {
                    wrong.push(format!("{}:{number}: {module} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "against the import table:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (module, path) in sources() {
        if layer(&module).is_none_or(|layer| layer > 1) || is_test(&path) {
            continue;
        }
        for (number, line) in code(&path) {
            if let Some(word) = IMPURE.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("{}:{number}: {}", path.display(), word.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "not pure:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    for (_, path) in sources() {
        let text = fs::read_to_string(&path).expect("readable");
        assert!(
            is_test(&path) || text.starts_with("//! "),
            "{} has no header",
            path.display()
        );
    }
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|(_, path)| !is_test(path) && code(path).len() > 450)
        .map(|(_, path)| path.display().to_string())
        .collect();
    assert!(long.is_empty(), "longer than 450 lines: {long:?}");
}

/// The table of what must hold names tests that are there.
#[test]
fn every_invariant_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("src/rollout/tests.rs")).expect("readable");
    let rows: Vec<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.rsplit_once(" | "))
        .filter(|(row, _)| row.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    let mut all = String::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                all += &fs::read_to_string(path).expect("readable");
            }
        }
    }
    assert_eq!(rows.len(), 22);
    for (row, tests) in rows {
        let named = tests.split('`').skip(1).step_by(2);
        let missing: Vec<_> = named
            .clone()
            .filter(|name| !all.contains(&format!("fn {name}(")))
            .collect();
        assert!(missing.is_empty(), "{row}: {missing:?}");
        assert!(named.count() > 0 || tests.contains("no fleet yet"), "{row}");
    }
}
