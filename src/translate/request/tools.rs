//! Tools, and which of them the model may call.

use super::Losses;
use super::fields::refuse;
use super::schema;
use crate::converse::request::{
    Empty, InputSchema, NamedTool, NativeToolChoice, Text, Tool, ToolChoice, ToolConfig, ToolSpec,
};
use crate::openai::request::Fields;
use crate::openai::token;
use crate::openai::tool::{self, AllowedTools, ExactChoice, Function};
use crate::translate::capability::{Choice, Tools};
use crate::translate::{Loss, Reason, Target};
use std::borrow::Cow;

/// What the model is offered.
#[derive(Debug, Default)]
pub(super) struct Offer<'r> {
    /// The tools; none: no tools.
    pub(super) config: Option<ToolConfig<'r>>,
    /// Claude's own way to choose, which replaces Converse's.
    pub(super) native_choice: Option<NativeToolChoice<'r>>,
    /// Whether the model must call a tool.
    pub(super) forced: bool,
    /// Whether the app has tools, and forbids to call any.
    forbidden: bool,
}

impl<'r> Offer<'r> {
    /// One tool that must be called.
    pub(super) fn forced(spec: ToolSpec<'r>) -> Self {
        let name = spec.name.clone();
        let config = ToolConfig {
            tools: vec![Tool::ToolSpec(spec)],
            tool_choice: Some(ToolChoice::Tool(NamedTool { name })),
        };
        Self {
            config: Some(config),
            forced: true,
            ..Self::default()
        }
    }

    /// Whether the calls in the conversation agree with the tools: Bedrock wants tools where there
    /// are calls, and knows no way to forbid them.
    pub(super) fn check_history(&self, called: &[Cow<'r, str>]) -> Result<(), Reason> {
        if called.is_empty() {
            return Ok(());
        }
        refuse(self.forbidden, Reason::ToolChoiceUnsupported)?;
        let config = self
            .config
            .as_ref()
            .ok_or(Reason::ToolHistoryWithoutTools)?;
        let is_offered = |name: &Cow<'r, str>| {
            config
                .tools
                .iter()
                .any(|tool| matches!(tool, Tool::ToolSpec(spec) if spec.name == *name))
        };
        refuse(!called.iter().all(is_offered), Reason::ToolHistory)
    }
}

/// Translates tools, functions, the choice of them, and whether several may be called.
pub(super) fn offer<'r>(
    fields: &'r Fields<'r>,
    target: &Target,
    losses: &mut Losses,
) -> Result<Offer<'r>, Reason> {
    let legacy = fields.functions.is_some() || fields.function_call.is_some();
    let newer = fields.tools.is_some() || fields.tool_choice.is_some();
    refuse(legacy && newer, Reason::Malformed)?;
    let functions = functions(fields)?;
    let choice = fields
        .tool_choice
        .as_ref()
        .or(fields.function_call.as_ref());
    let pick = pick(choice, legacy)?;
    if functions.is_empty() {
        // Bedrock would refuse an empty list, OpenAI a choice from it.
        let forces = !matches!(pick, Pick::Auto | Pick::None);
        refuse(forces, Reason::Malformed)?;
        return Ok(Offer::default());
    }
    losses.add_if(legacy, Loss::LegacyFunctions);
    let mut specs = specs(&functions, target, losses)?;
    let named = |specs: &[ToolSpec<'r>], name: &str| specs.iter().any(|spec| spec.name == name);
    let (forced, tool_choice) = match pick {
        Pick::None => {
            losses.add(Loss::ToolChoiceNone);
            return Ok(Offer {
                forbidden: true,
                ..Offer::default()
            });
        }
        Pick::Auto => (None, None),
        Pick::Any => (Some(Choice::Any), Some(ToolChoice::Any(Empty {}))),
        Pick::Named(name) => {
            refuse(!named(&specs, &name), Reason::Malformed)?;
            (
                Some(Choice::Named),
                Some(ToolChoice::Tool(NamedTool { name })),
            )
        }
        Pick::Of { must, names } => {
            refuse(
                !names.iter().all(|name| named(&specs, name)),
                Reason::Malformed,
            )?;
            let before = specs.len();
            specs.retain(|spec| names.contains(&spec.name));
            losses.add_if(specs.len() < before, Loss::AllowedTools);
            if must {
                (Some(Choice::Any), Some(ToolChoice::Any(Empty {})))
            } else {
                (None, None)
            }
        }
    };
    refuse(
        target.capabilities.tools == Tools::Unsupported,
        Reason::ToolsUnsupported,
    )?;
    let known = forced.is_none_or(|choice| choice <= target.capabilities.choice);
    refuse(!known, Reason::ToolChoiceUnsupported)?;
    let mut offer = Offer {
        config: Some(ToolConfig {
            tools: specs.into_iter().map(Tool::ToolSpec).collect(),
            tool_choice,
        }),
        forced: forced.is_some(),
        ..Offer::default()
    };
    let single = legacy || fields.parallel_tool_calls == Some(false);
    if single {
        let reason = if legacy {
            Reason::LegacyFunctions
        } else {
            Reason::ParallelToolCalls
        };
        refuse(!target.capabilities.single_call, reason)?;
        offer.native_choice = native(&mut offer.config);
    }
    Ok(offer)
}

/// Claude's own choice, which alone can say that at most one tool is called. Two choices would
/// contradict each other, so Converse's is taken away.
fn native<'r>(config: &mut Option<ToolConfig<'r>>) -> Option<NativeToolChoice<'r>> {
    let (kind, name) = match config.as_mut()?.tool_choice.take() {
        None => ("auto", None),
        Some(ToolChoice::Any(Empty {})) => ("any", None),
        Some(ToolChoice::Tool(tool)) => ("tool", Some(tool.name)),
    };
    Some(NativeToolChoice {
        kind,
        name,
        disable_parallel_tool_use: true,
    })
}

/// The functions of either generation.
fn functions<'r>(fields: &'r Fields<'r>) -> Result<Vec<&'r Function<'r>>, Reason> {
    let newer = fields.tools.as_deref().unwrap_or_default();
    let older = fields.functions.as_deref().unwrap_or_default();
    refuse(newer.len() + older.len() > TOOLS_MAX, Reason::Malformed)?;
    newer
        .iter()
        .map(function_of)
        .chain(older.iter().map(Ok))
        .collect()
}

/// The most tools that OpenAI takes.
const TOOLS_MAX: usize = 128;

fn function_of<'r>(tool: &'r tool::Tool<'r>) -> Result<&'r Function<'r>, Reason> {
    match tool.kind.ok_or(Reason::Malformed)?.decode().as_ref() {
        "function" => {}
        "custom" => return Err(Reason::CustomTool),
        _ => return Err(Reason::UnknownField),
    }
    refuse(tool.unknown, Reason::UnknownField)?;
    refuse(tool.custom.is_some(), Reason::CustomTool)?;
    tool.function.as_ref().ok_or(Reason::Malformed)
}

fn specs<'r>(
    functions: &[&'r Function<'r>],
    target: &Target,
    losses: &mut Losses,
) -> Result<Vec<ToolSpec<'r>>, Reason> {
    let mut specs: Vec<ToolSpec<'r>> = Vec::with_capacity(functions.len());
    for function in functions {
        refuse(function.unknown, Reason::UnknownField)?;
        let name = function.name.ok_or(Reason::Malformed)?.decode();
        refuse(!is_name(&name), Reason::ToolName)?;
        refuse(
            specs.iter().any(|spec| spec.name == name),
            Reason::Malformed,
        )?;
        let json = schema::input(function.parameters, target.capabilities.schema, losses)?;
        let strict = function.strict == Some(true);
        let keeps_strict = strict && target.capabilities.strict_tools;
        losses.add_if(strict && !keeps_strict, Loss::ToolStrict);
        specs.push(ToolSpec {
            name,
            description: function.description.and_then(description),
            input_schema: InputSchema { json },
            strict: keeps_strict.then_some(true),
        });
    }
    Ok(specs)
}

/// A description that says something; Bedrock refuses others.
pub(super) fn description(text: token::Text<'_>) -> Option<Text<'_>> {
    (!text.is_blank()).then(|| Text::Token(text.token()))
}

/// What both sides take as a name: `[a-zA-Z0-9_-]{1,64}`.
pub(super) fn is_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    matches!(name.len(), 1..=64) && name.bytes().all(word)
}

/// Which tools the app lets the model call.
enum Pick<'r> {
    Auto,
    None,
    Any,
    Named(Cow<'r, str>),
    /// Only some; whether it must.
    Of {
        must: bool,
        names: Vec<Cow<'r, str>>,
    },
}

fn pick<'r>(choice: Option<&'r tool::ToolChoice<'r>>, legacy: bool) -> Result<Pick<'r>, Reason> {
    match choice {
        None => Ok(Pick::Auto),
        Some(tool::ToolChoice::Mode(mode)) => match &*mode.decode() {
            "auto" => Ok(Pick::Auto),
            "none" => Ok(Pick::None),
            "required" if !legacy => Ok(Pick::Any),
            _ => Err(Reason::Malformed),
        },
        Some(tool::ToolChoice::Exact(exact)) => pick_exact(exact, legacy),
    }
}

fn pick_exact<'r>(exact: &'r ExactChoice<'r>, legacy: bool) -> Result<Pick<'r>, Reason> {
    let name =
        |name: Option<token::Text<'r>>| name.map(token::Text::decode).ok_or(Reason::Malformed);
    if legacy {
        refuse(exact.unknown, Reason::UnknownField)?;
        return Ok(Pick::Named(name(exact.name)?));
    }
    match exact.kind.ok_or(Reason::Malformed)?.decode().as_ref() {
        "custom" => Err(Reason::CustomTool),
        "function" => {
            let function = exact.function.as_ref().ok_or(Reason::Malformed)?;
            refuse(exact.unknown || function.unknown, Reason::UnknownField)?;
            Ok(Pick::Named(name(function.name)?))
        }
        "allowed_tools" => {
            let allowed = exact.allowed_tools.as_ref().ok_or(Reason::Malformed)?;
            refuse(exact.unknown || allowed.unknown, Reason::UnknownField)?;
            pick_allowed(allowed)
        }
        _ => Err(Reason::UnknownField),
    }
}

fn pick_allowed<'r>(allowed: &'r AllowedTools<'r>) -> Result<Pick<'r>, Reason> {
    let must = match allowed.mode.ok_or(Reason::Malformed)?.decode().as_ref() {
        "auto" => false,
        "required" => true,
        _ => return Err(Reason::Malformed),
    };
    let tools = allowed.tools.as_deref().unwrap_or_default();
    refuse(
        tools.is_empty() || tools.len() > TOOLS_MAX,
        Reason::Malformed,
    )?;
    let mut names = Vec::with_capacity(tools.len());
    for tool in tools {
        let custom = tool.custom.is_some() || tool.kind.is_some_and(|kind| kind.is("custom"));
        refuse(custom, Reason::CustomTool)?;
        let function = tool.function.as_ref().ok_or(Reason::Malformed)?;
        refuse(tool.unknown || function.unknown, Reason::UnknownField)?;
        names.push(function.name.ok_or(Reason::Malformed)?.decode());
    }
    Ok(Pick::Of { must, names })
}
