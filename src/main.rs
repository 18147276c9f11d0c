//! The binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    crossfade::cli::run(std::env::args_os())
}
