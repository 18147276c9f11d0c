//! `original`: where the app's calls went before.

use super::super::Original;
use super::super::address;
use super::super::address::BaseUrl;
use super::super::raw::Node;
use super::super::secret::Secret;
use super::super::section::Mistake;
use super::super::section::Section;
use super::super::section::kind;
use super::super::shape::{Reader, Shape, Text};
use super::variable;

/// Reads the section; none if there is no usable URL.
pub(super) fn read(
    mut section: Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
) -> Option<(Original, BaseUrl)> {
    let url = section.required("url", address::URL, address::url(Some));
    let written_out =
        matches!(section.node("api_key"), Some(Node::Text(text)) if !text.contains("${"));
    let api_key = section.optional("api_key", api_key(env));
    if written_out {
        let text = "the key stands in the file and in its copy beside the state file; \
                    ${NAME} takes it from the environment";
        section.sink().warning(section.path("api_key"), text);
    }
    if url
        .as_ref()
        .is_some_and(|url| url.path_prefix.ends_with("/v1"))
    {
        let text = "calls of an app with the base URL http://…/v1 would go to …/v1/v1/…; the path \
                    of the app's calls is added to this one";
        section.sink().warning(section.path("url"), text);
    }
    section.finish();
    url.map(|url| {
        let original = Original {
            tls: url.tls,
            authority: url.authority.clone(),
            path_prefix: url.path_prefix.clone(),
            api_key,
            dialect: url.dialect(),
        };
        (original, url)
    })
}

/// A key, with `${NAME}` replaced from the environment. The text is never shown.
fn api_key(env: &impl Fn(&str) -> Option<String>) -> Reader<'_, Secret> {
    let shape = Shape::Text(Text::new(API_KEY, "^[!-~]+$"));
    Reader::new(shape, |node| match node.text() {
        Some(text) => key(text, env),
        None => Err(Mistake::found(kind(node), API_KEY)),
    })
}

fn key(text: &str, env: &impl Fn(&str) -> Option<String>) -> Result<Secret, Mistake> {
    let key = Secret::new(expanded(text, env, API_KEY)?);
    if key.fits_a_header() {
        return Ok(key);
    }
    Err(Mistake::found(
        "an empty key, or one with spaces or unprintable characters",
        API_KEY,
    ))
}

/// `text` with each `${NAME}` replaced from the environment; `accepted` says what may be there.
pub(super) fn expanded(
    text: &str,
    env: &impl Fn(&str) -> Option<String>,
    accepted: &str,
) -> Result<String, Mistake> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let name = behind.split_once('}').filter(|(name, _)| is_name(name));
        let Some((name, after)) = name else {
            return Err(Mistake::found(
                "${ without a variable's name and }",
                accepted,
            ));
        };
        let Some(value) = variable(env, name) else {
            let found = format!("${{{name}}}, which the environment does not have");
            return Err(Mistake::found(
                found,
                format!("{name} set in crossfade's environment"),
            ));
        };
        whole.push_str(before);
        whole.push_str(value.trim());
        rest = after;
    }
    whole.push_str(rest);
    Ok(whole)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

const API_KEY: &str = "${NAME} of an environment variable, or the key itself";
