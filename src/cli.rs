//! The command line: what a person types, and with which code it ends.
//!
//! Arguments become one of a few typed commands; `run` and `demo` are the sidecar and its story,
//! [`emulate`] runs the demo's parts, `check` and `explain` read files, the others ask a running sidecar
//! over its admin port ([`place`], [`commands`], [`client`]); `completions` knows the command line itself. Results
//! go to stdout, everything else to stderr. Codes above 63 are those of BSD's `sysexits`, so that a
//! script can tell a typing mistake from a refusal.

use crate::app;
use crate::config::{schema, watch};
use crate::controller::Verb;
use crate::demo;
use check::Format;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use end::{
    EXIT_CODES, EXIT_CONFIG, EXIT_DATA, EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, End, complain,
    finish, show,
};
use explain::{Paint, Trouble};
use http::header::{HeaderName, HeaderValue};
use place::Place;
use std::ffi::OsString;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

pub mod check;
mod client;
mod commands;
mod completions;
mod diff;
mod emulate;
mod end;
mod explain;
mod history;
mod iam;
mod live;
mod place;
mod simulate;
pub(crate) mod who;

#[cfg(test)]
mod tests;

/// Moves an app's chat calls from OpenAI or Azure OpenAI to Amazon Bedrock, a few percent at a
/// time, and takes them back when Bedrock misbehaves.
#[derive(Debug, Parser)]
#[command(name = "crossfade", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar until SIGTERM or Ctrl-C.
    Run(Run),
    /// Watch a whole rollout and its rollback in this terminal, without a cloud account.
    Demo(Demo),
    // Its words are beside its arguments.
    Emulate(emulate::Emulate),
    /// Validate a configuration and show its effect; with --live, ask the providers too.
    Check(Check),
    /// Show what Bedrock would be sent for a request, or why the call stays.
    Explain(Explain),
    // Its words are beside its arguments.
    Simulate(Box<simulate::Simulate>),
    /// Say how the rollout stands.
    Status(Ask),
    /// Say whether the sidecar is alive; made for health checks: exits 0 if it is.
    ///
    /// Asks /healthz alone, so neither a rollback nor a refused configuration counts as ill. It
    /// asks where the running process listens, whatever was written into the configuration since.
    Health(Ask),
    // Its words are beside its arguments.
    History(history::Show),
    /// Take every call back to the original, until `rearm`.
    Rollback(Act),
    /// Clear a rollback and start the next attempt.
    Rearm(Act),
    /// Stay at this stage until `resume`; the rules watch on.
    Pause(Act),
    /// Go on climbing after `pause`.
    Resume(Act),
    /// Go on to the next stage now: past the manual gate, or with --force past what is missing.
    Advance(Advance),
    // Its words are beside its arguments.
    Completions(completions::Completions),
    /// Print the JSON Schema of rollout.yaml, with which editors complete and check it.
    ///
    /// Beside the configuration as rollout.schema.json, its first line is
    /// # yaml-language-server: $schema=./rollout.schema.json
    #[command(verbatim_doc_comment)]
    Schema,
}

#[derive(Debug, Args)]
struct Run {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// The same, without --config.
    #[arg(value_name = "FILE", conflicts_with = "config", hide = true)]
    file: Option<PathBuf>,
    /// The state file, where the configuration does not say: so that it is found with one that is
    /// broken or missing [default: the variable CROSSFADE_STATE].
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    state: Option<String>,
    /// Count a missing state file as rolled back: for places where one must be there.
    #[arg(long)]
    require_state: bool,
}

#[derive(Debug, Args)]
struct Demo {
    /// Tell no story: keep the emulators, the sidecar at 25 % and the load running.
    #[arg(long)]
    serve: bool,
    /// Lines instead of a live view.
    #[arg(long)]
    plain: bool,
    /// One JSON object instead of a view.
    #[arg(long)]
    json: bool,
    /// Add each request that the emulated Bedrock receives to FILE, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Check {
    /// The configuration.
    #[arg(value_name = "FILE", default_value = CONFIG)]
    file: PathBuf,
    /// The same, as other commands take it.
    #[arg(long, value_name = "FILE", conflicts_with = "file", hide = true)]
    config: Option<PathBuf>,
    /// Connect to both providers and send each mapped Bedrock model one minimal call, which costs a
    /// few tokens; say what is wrong and what mends it.
    #[arg(long)]
    live: bool,
    /// Ask only this model, as the app names it or as Bedrock does.
    #[arg(long, value_name = "NAME", requires = "live")]
    model: Option<String>,
    /// Print the least IAM policy for the mapped models, and ask nobody.
    #[arg(long, conflicts_with = "live")]
    iam: bool,
    /// Show what it would change of what is in force, instead of all its effect.
    #[arg(long, conflicts_with_all = ["live", "iam"])]
    diff: bool,
    /// With --diff: compare with this file, not with the last accepted configuration.
    #[arg(long, value_name = "FILE", requires = "diff")]
    against: Option<PathBuf>,
    /// With --diff: the admin port of the sidecar that must run what is compared with.
    #[arg(long, value_name = "URL", requires = "diff", value_parser = client::base)]
    admin: Option<http::Uri>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// The dialect of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// The body names the model.
    Openai,
    /// The path names a deployment, which is the model (give it with --model).
    Azure,
}

#[derive(Debug, Args)]
struct Explain {
    /// The body of a chat completion request; - is stdin.
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
    /// The model (Azure: the deployment), instead of the one that the body names.
    #[arg(long, value_name = "NAME", required_if_eq("dialect", "azure"),
          value_parser = NonEmptyStringValueParser::new())]
    model: Option<String>,
    /// How the app asks.
    #[arg(long = "as", value_name = "DIALECT", value_enum, default_value_t = Dialect::Openai)]
    dialect: Dialect,
    /// A header of the call, for `sticky: header:NAME`; may be repeated.
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = explain::header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The configuration that maps the model.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// What Bedrock answered (Converse JSON, ConverseStream events as JSON, or the binary event
    /// stream), to show what the app would see; - is stdin.
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Where the sidecar is, and in which form to answer.
#[derive(Debug, Args)]
struct Ask {
    #[command(flatten)]
    place: Place,
    /// The admin port itself, such as http://127.0.0.1:8788.
    #[arg(long, value_name = "URL", conflicts_with = "config", value_parser = client::base)]
    admin: Option<http::Uri>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Act {
    /// Why: it is stored, logged and shown.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, Args)]
struct Advance {
    /// Although time, calls or a gate are still missing. Never past a rollback, a pause or
    /// rollout.percent.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    act: Act,
}

/// Does what the arguments say, the program's name first, and gives the exit code.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(other) => {
            // A closed terminal is no failure of its own.
            let _ = other.print();
            let code = if other.use_stderr() { EXIT_USAGE } else { 0 };
            return ExitCode::from(code);
        }
    };
    match cli.command {
        Command::Run(Run {
            config,
            file,
            state,
            require_state,
        }) => app::run(app::Options {
            config_path: file.unwrap_or(config),
            state,
            require_state,
        }),
        Command::Demo(Demo {
            serve,
            plain,
            json,
            record,
        }) => {
            let told = block_on(demo::run(demo::Options {
                serve,
                plain,
                json,
                record,
            }));
            match told {
                Ok(Ok(())) => ExitCode::SUCCESS,
                Ok(Err(failed)) => complain(failed.exit_code(), &failed),
                Err(error) => complain(EXIT_FAILED, &error),
            }
        }
        Command::Emulate(args) => emulate::run(args),
        Command::Check(mut args) => {
            args.file = args.config.take().unwrap_or(args.file);
            checked(&args)
        }
        Command::Explain(explain) => explained(explain),
        Command::Simulate(args) => simulate::run(&args),
        Command::History(show) => finish(Ok(history::run(&show))),
        Command::Status(ask) => finish(block_on(commands::status(&ask))),
        Command::Health(ask) => finish(block_on(commands::health(&ask))),
        Command::Rollback(act) => finish(block_on(commands::act(Verb::Rollback, &act))),
        Command::Rearm(act) => finish(block_on(commands::act(Verb::Rearm, &act))),
        Command::Pause(act) => finish(block_on(commands::act(Verb::Pause, &act))),
        Command::Resume(act) => finish(block_on(commands::act(Verb::Resume, &act))),
        Command::Advance(Advance { force, act }) => {
            finish(block_on(commands::act(Verb::Advance { force }, &act)))
        }
        Command::Schema => finish(Ok(End::Done(schema::json()))),
        Command::Completions(args) => finish(Ok(End::Done(completions::script(&args)))),
    }
}

/// Validates a configuration and tells its effect, or what else was asked for.
fn checked(args: &Check) -> ExitCode {
    let read = watch::read(&args.file, &variable);
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    if let Ok(loaded) = &read
        && args.diff
        && loaded.result.is_ok()
    {
        return finish(block_on(diff::run(args, loaded, format)));
    }
    let result = read.and_then(|loaded| loaded.result);
    match &result {
        Ok(config) if args.iam => {
            show(&iam::render(config, &variable));
            ExitCode::SUCCESS
        }
        Err(problems) if args.iam => complain(EXIT_CONFIG, problems),
        Ok(config) if args.live => match block_on(live::check(config, args.model.as_deref())) {
            Ok(Ok(report)) => {
                show(&check::render_live(&args.file, config, &report, format));
                ExitCode::from(report.verdict().exit_code())
            }
            Ok(Err(why)) => complain(EXIT_USAGE, &why),
            Err(error) => complain(EXIT_FAILED, &error),
        },
        Ok(_) | Err(_) => {
            show(&check::render(&args.file, &result, format));
            ExitCode::from(check::exit_code(&result))
        }
    }
}

/// Explains a request, and tells how that went.
fn explained(args: Explain) -> ExitCode {
    let coloured =
        io::stdout().is_terminal() && variable("NO_COLOR").is_none_or(|set| set.is_empty());
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    let told = explain::explain(&explain::Options {
        request: args.request,
        model: args.model,
        headers: args.headers.into_iter().collect(),
        config: args.config,
        response: args.response,
        format,
        paint: if coloured {
            Paint::Colour
        } else {
            Paint::Plain
        },
    });
    match told {
        Ok(text) => {
            show(&text);
            ExitCode::SUCCESS
        }
        Err(Trouble::Config(text)) if format == Format::Json => {
            show(&text);
            ExitCode::from(EXIT_CONFIG)
        }
        Err(Trouble::Config(text)) => complain(EXIT_CONFIG, &text),
        Err(Trouble::Input(text)) => complain(EXIT_FAILED, &text),
    }
}

/// Runs one command to its end.
fn block_on<T>(command: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(command);
    // A name server that does not answer is not waited for.
    runtime.shutdown_background();
    Ok(result)
}

/// A variable of the environment; none if it is no text.
#[expect(
    clippy::disallowed_methods,
    reason = "commands have no app that reads it for them"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where the configuration is unless something else is said.
const CONFIG: &str = "rollout.yaml";
