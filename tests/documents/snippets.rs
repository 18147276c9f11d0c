//! What the documents show besides commands: every piece of `rollout.yaml` is one that `check` accepts.

use super::page::{Block, Part, pages, parts, text};
use crossfade::cli::check::{self, Format};
use crossfade::config::resolve;
use serde_yaml::Value;
use std::path::Path;

/// What a block may be. A block of another language would be looked at by nobody.
const LANGUAGES: &[&str] = &["sh", "text", "yaml", "python"];

/// How the configuration of somebody else's begins.
const FOREIGN: &str = "# config.yaml of ";

/// What a file has that a piece of one may leave out.
const ORIGINAL: &str = "original: { url: https://api.openai.com }\n";
const BEDROCK: &str = "bedrock: { region: us-east-1, models: { m: amazon.nova-lite-v1:0 } }\n";

fn blocks(page: &str) -> Vec<Block> {
    let text = text(page);
    let blocks = parts(&text).into_iter().filter_map(|part| match part {
        Part::Block(block) => Some(block),
        Part::Line(..) => None,
    });
    blocks.collect()
}

#[test]
fn every_piece_of_configuration_is_accepted() {
    let mut seen = 0;
    for page in pages() {
        for block in blocks(&page).into_iter().filter(|it| it.language == "yaml") {
            let place = format!("{page}:{}", block.number);
            let piece = block.lines.join("\n") + "\n";
            let tree: Value =
                serde_yaml::from_str(&piece).unwrap_or_else(|why| panic!("{place}: {why}"));
            if piece.starts_with(FOREIGN) {
                continue;
            }
            let mut file = piece.clone();
            for (key, usual) in [("original", ORIGINAL), ("bedrock", BEDROCK)] {
                if tree.get(key).is_none() {
                    file.push_str(usual);
                }
            }
            // Each variable that a piece names is set.
            let env = |name: &str| {
                piece
                    .contains(&format!("${{{name}}}"))
                    .then(|| "a-value".to_owned())
            };
            let path = Path::new("/etc/crossfade/rollout.yaml");
            let result = resolve::load_at(&file, path, &env);
            let told = check::render(path, &result, Format::Text);
            assert_eq!(check::exit_code(&result), 0, "{place}: {told}");
            assert!(!told.contains("warning"), "{place}: {told}");
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen}");
}

#[test]
fn every_block_is_of_a_kind_that_is_checked() {
    for page in pages() {
        for Block {
            language,
            number,
            lines,
        } in blocks(&page)
        {
            assert!(
                LANGUAGES.contains(&language.as_str()),
                "{page}:{number}: {language:?}"
            );
            assert!(!lines.is_empty(), "{page}:{number}: nothing");
        }
    }
}
