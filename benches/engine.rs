//! `cargo bench`: `takt bench` as a release build; what stands behind `--` is handed on, such as `-- --in-flight 256`.

use std::{
    io,
    process::{Command, ExitCode},
};

fn main() -> io::Result<ExitCode> {
    // Cargo says `--bench` to the harness that this target does without.
    let given = std::env::args_os().skip(1).filter(|arg| arg != "--bench");
    let ended = Command::new(env!("CARGO_BIN_EXE_takt")).arg("bench").args(given).status()?;
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
