//! The files of a site folder: read only where they are plain files that lie in it.

use super::Site;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Far more than anybody writes.
const BYTES_MAX: u64 = 16 << 20;

/// The text of a file of the site, by its path in the folder or with it. Pipes and devices are none: they may never end.
///
/// # Errors
/// Those of reading; `InvalidInput` where there is no plain file, one that lies elsewhere, or more of it than a site
/// can hold.
pub fn read_text(folder: &Path, path: impl AsRef<Path>) -> io::Result<String> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    let path = path.as_ref();
    let path = if path.starts_with(folder) { path.to_owned() } else { folder.join(path) };
    let found = fs::metadata(&path)?;
    if leads_out(folder, &path)?.is_some() {
        return Err(refused("it is a link that leaves the site folder"));
    }
    if !found.is_file() {
        return Err(refused("it is no plain file"));
    }
    if found.len() > BYTES_MAX {
        return Err(refused("it has more than 16 MiB"));
    }
    fs::read_to_string(path)
}

impl Site {
    /// The path below the site folder of what somebody names: from where they stand, or from the folder.
    ///
    /// # Errors
    /// There is nothing at either place.
    pub fn path_within(&self, named: &Path) -> io::Result<Option<PathBuf>> {
        let root = self.folder.canonicalize()?;
        let (here, below) = (named.canonicalize(), self.folder.join(named).canonicalize());
        let within = |found: &PathBuf| found.strip_prefix(&root).ok().map(Path::to_owned);
        let inside = [&here, &below].into_iter().flatten().find_map(within);
        match inside {
            None => here.or(below).map(|_| None),
            found => Ok(found),
        }
    }
}

/// Where a path of the site folder really leads, when that is elsewhere.
fn leads_out(folder: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let real = path.canonicalize()?;
    Ok(if real.starts_with(folder.canonicalize()?) { None } else { Some(real) })
}

/// Whether a path of the site folder is there, as a link that leads elsewhere.
pub fn is_link_outside(folder: &Path, path: impl AsRef<Path>) -> bool {
    matches!(leads_out(folder, &folder.join(path)), Ok(Some(_)))
}
