//! Standard output, for all commands: whoever closes the pipe has seen enough, and the exit code says the rest.

use std::{
    io::{self, ErrorKind, IsTerminal, StdoutLock, Write},
    sync::atomic::{AtomicBool, Ordering},
};

/// Something was not written, though somebody reads: a full disk, say.
static IS_CUT: AtomicBool = AtomicBool::new(false);

/// Standard output, line by line; what nobody reads any more is written nowhere.
pub(super) struct Out(StdoutLock<'static>);

pub(super) fn out() -> Out {
    Out(io::stdout().lock())
}

/// Whether what is drawn there is drawn in colours.
#[expect(
    clippy::disallowed_methods,
    reason = "https://no-color.org is a matter of the terminal, not of the site"
)]
pub(super) fn is_coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// For the macros below, which stand for the standard library's: those panic.
pub(super) fn print(text: std::fmt::Arguments<'_>) {
    let mut out = out();
    if let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) {
        IS_CUT.store(true, Ordering::Relaxed);
        let _ = writeln!(io::stderr(), "standard output takes nothing more: {error}");
    }
}

pub(super) fn is_cut() -> bool {
    IS_CUT.load(Ordering::Relaxed)
}

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::output::print(format_args!($($text)*)) };
}

macro_rules! println {
    () => { print!("\n") };
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}
