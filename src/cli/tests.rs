//! Arguments and exit codes.
use super::*;
use std::path::Path;

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("crossfade").chain(args.iter().copied()))
}

#[test]
fn the_definition_is_sound() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn bad_usage_is_told_from_help() {
    for (args, help) in [
        (&["--help"][..], true),
        (&["--version"], true),
        (&["rollback", "--help"], true),
        (&[], false),
        (&["nonsense"], false),
        (&["run", "--nonsense"], false),
        (&["rollback"], false),
        (&["rollback", "--reason", ""], false),
        (&["advance", "--force"], false),
        (&["check", "--model", "gpt-4o"], false),
        (&["check", "--live", "--iam"], false),
        (&["pause", "--force", "--reason", "x"], false),
        (&["simulate", "trace.jsonl", "--rate", "10"], false),
        (&["simulate", "--error-rate", "5"], false),
        (&["history", "--since", "yesterday"], false),
        (&["emulate"], false),
        (&["emulate", "--help"], true),
        (&["emulate", "azure"], false),
        (&["emulate", "openai", "--listen", "9001"], false),
        (&["emulate", "app", "--rate", "0"], false),
        (
            &["emulate", "app", "--base-url", "https://127.0.0.1/v1"],
            false,
        ),
        (&["emulate", "tell", "bedrock"], false),
        (&["emulate", "tell", "app", "fail"], false),
        (
            &["emulate", "tell", "bedrock", "fail", "--percent", "0"],
            false,
        ),
        (
            &["emulate", "tell", "bedrock", "fail", "--rules", "[]"],
            false,
        ),
        (&["completions", "cobol"], false),
        (&["simulate", "--bursts", "1h/15s"], false),
        (&["status", "--admin", "ftp://127.0.0.1"], false),
        (
            &["status", "--admin", "127.0.0.1:1", "--config", "a.yaml"],
            false,
        ),
    ] {
        let error = parse(args).expect_err("nothing to run");
        assert_eq!(!error.use_stderr(), help, "{args:?}: {error}");
    }
}

#[test]
fn the_usual_commands_are_understood() {
    for args in [
        &["run"][..],
        &["run", "--config", "a.yaml", "--require-state"],
        &["run", "--state", "/var/lib/crossfade/state.json"],
        &["history", "--state", "s.json"],
        &["rearm", "--state", "s.json", "--reason", "healthy again"],
        &["demo", "--plain"],
        &["demo", "--serve"],
        &["demo", "--record", "a.jsonl"],
        &["emulate", "openai"],
        &["emulate", "bedrock", "--listen", "0.0.0.0:9000"],
        &[
            "emulate",
            "app",
            "--rate",
            "20",
            "--base-url",
            "http://crossfade:8787/v1",
        ],
        &["emulate", "tell", "bedrock", "fail", "--percent", "30"],
        &[
            "emulate",
            "tell",
            "openai",
            "--rules",
            "[]",
            "--at",
            "127.0.0.1:1",
        ],
        &["emulate", "ask", "app", "--json"],
        &["check"],
        &["check", "a.yaml", "--json"],
        &["check", "--live", "--model", "gpt-4o", "--json"],
        &["check", "a.yaml", "--iam"],
        &["explain", "request.json"],
        &["explain", "-", "--as", "azure", "--model", "d", "--json"],
        &["simulate", "trace.jsonl", "--json"],
        &["simulate", "-", "--percent", "25", "--html", "a.html"],
        &["simulate"],
        &["history", "-n", "5", "--since", "2h", "--json"],
        &[
            "simulate",
            "--rate",
            "2.5",
            "--error-rate",
            "0.05",
            "--onset",
            "600",
            "--bursts",
            "15s/1h",
        ],
        &["completions", "bash"],
        &["status", "--json"],
        &["health"],
        &["health", "--config", "a.yaml", "--json"],
        &["health", "--admin", "127.0.0.1:8788"],
        &["status", "--admin", "http://127.0.0.1:8788"],
        &["rollback", "--reason", "throttled"],
        &["pause", "--reason", "let me look"],
        &["resume", "--reason", "looked", "--json"],
        &["advance", "--reason", "approved"],
        &["advance", "--reason", "we know", "--force"],
        &[
            "rearm",
            "--reason",
            "quota raised",
            "--config",
            "a.yaml",
            "--json",
        ],
    ] {
        parse(args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    }
}

#[test]
fn help_names_every_exit_code() {
    let help = parse(&["--help"]).expect_err("help").to_string();
    for code in [
        0,
        EXIT_FAILED,
        EXIT_USAGE,
        EXIT_DATA,
        EXIT_UNAVAILABLE,
        78,
        130,
    ] {
        assert!(
            help.contains(&format!("\n  {code:<4} ")),
            "{code} in {help}"
        );
    }
}

/// A file is named with `--config` or without, whichever comes to mind.
#[test]
fn a_configuration_is_named_in_two_ways() {
    for args in [
        ["check", "a.yaml"].as_slice(),
        &["check", "--config", "a.yaml"],
    ] {
        let Ok(Cli {
            command: Command::Check(check),
        }) = parse(args)
        else {
            panic!("{args:?}");
        };
        assert_eq!(check.config.unwrap_or(check.file), Path::new("a.yaml"));
    }
    for args in [["run", "a.yaml"].as_slice(), &["run", "--config", "a.yaml"]] {
        let Ok(Cli {
            command: Command::Run(run),
        }) = parse(args)
        else {
            panic!("{args:?}");
        };
        assert_eq!(run.file.unwrap_or(run.config), Path::new("a.yaml"));
    }
    assert!(parse(&["check", "a.yaml", "--config", "b.yaml"]).is_err());
    assert!(parse(&["run", "a.yaml", "--config", "b.yaml"]).is_err());
}

/// A command that prints a result prints it for programs too, and says so.
#[test]
fn every_result_is_there_for_programs() {
    let command = <Cli as clap::CommandFactory>::command();
    let emulate = command.find_subcommand("emulate").expect("it is there");
    let (mut told, mut silent) = (0, Vec::new());
    for command in command.get_subcommands().chain(emulate.get_subcommands()) {
        let json = command.get_arguments().find(|it| it.get_id() == "json");
        match json {
            Some(it) if it.get_help().is_some() && !it.is_hide_set() => told += 1,
            Some(_) | None => silent.push(command.get_name()),
        }
    }
    // They run until they are stopped, or have commands of their own, or print a program or JSON.
    let expected = [
        "run",
        "emulate",
        "completions",
        "schema",
        "openai",
        "bedrock",
        "app",
    ];
    assert_eq!(silent, expected);
    assert!(told > 10, "{told}");
}
