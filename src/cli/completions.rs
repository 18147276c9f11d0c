//! `crossfade completions`: a script with which a shell completes commands and options.
//!
//! It is made from the definition of the command line itself, so it is always that of this version.

use super::Cli;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script for a shell.
///
/// bash:  crossfade completions bash > ~/.local/share/bash-completion/completions/crossfade
/// zsh:   crossfade completions zsh > ~/.zfunc/_crossfade
/// fish:  crossfade completions fish > ~/.config/fish/completions/crossfade.fish
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Completions {
    /// Which shell.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// The script.
pub(super) fn script(args: &Completions) -> String {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "crossfade", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_completes_every_command_and_its_options() {
        let command = Cli::command();
        let names = || command.get_subcommands().map(clap::Command::get_name);
        assert!(names().count() > 10);
        for &shell in Shell::value_variants() {
            let script = script(&Completions { shell });
            for word in names().chain(["require-state", "reason", "html"]) {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
