//! One demo per data folder: two would each play a plant of their own to one database, and a write would reach
//! only one of them.

use super::DemoError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    net::SocketAddr,
    path::Path,
};

/// The lock, held until the process ends; it names the address for whoever comes second.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    pub(super) fn take(data: &Path) -> Result<Self, DemoError> {
        let path = data.join("demo.lock");
        let failed = |source| DemoError::Folder { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::Error(source)) => Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                let mut address = String::new();
                file.read_to_string(&mut address).map_err(failed)?;
                let place = match address.trim() {
                    "" => String::new(),
                    address => format!(" at http://{address}"),
                };
                Err(DemoError::RunsAlready { data: data.to_owned(), place })
            }
        }
    }

    /// Says where this demo's console is.
    pub(super) fn publish(&mut self, console: SocketAddr) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(self.0, "{console}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_demo_of_a_folder_is_told_where_the_first_is() {
        let folder = std::env::temp_dir().join(format!("takt-demo-lock-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut first = Lock::take(&folder).unwrap();
        first.publish("127.0.0.1:8420".parse().unwrap()).unwrap();
        let refused = Lock::take(&folder).unwrap_err().to_string();
        assert!(refused.contains("http://127.0.0.1:8420") && refused.contains("--data"), "{refused}");
        drop(first);
        Lock::take(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
