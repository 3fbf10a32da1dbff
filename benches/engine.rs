//! `cargo bench`: `takt bench` as a release build; what stands behind `--` is handed on, such as `-- --in-flight 256`.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // Cargo says `--bench` to the harness that this target does without.
    let given = std::env::args_os().skip(1).filter(|arg| arg != "--bench");
    let ended = Command::new(env!("CARGO_BIN_EXE_takt")).arg("bench").args(given).status();
    match ended {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("takt cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}
