mod fetch;
mod find;

use std::path::PathBuf;
use std::str::FromStr;

use proptest::prelude::*;
use sqlx::postgres::PgConnectOptions;

use super::postmaster::PidFile;

/// A folder of a test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let folder = std::env::temp_dir().join(format!("takt-unit-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder");
        Scratch(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The server's account owns what is inside, and as that user Takt would not get further either.
#[test]
fn who_made_the_cluster_is_named_and_not_the_account_of_its_server() {
    let scratch = Scratch::new();
    // Root may enter everything, so here root plays the account that owns only the inner folder.
    let home = if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&scratch.0, Some(65_534), None).expect("giving it away");
        scratch.0.clone()
    } else {
        PathBuf::from("/usr")
    };
    let data = scratch.0.join("data");
    std::fs::create_dir(&data).expect("a folder");
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let told = super::ClusterError::inside(&home, &data, denied).to_string();
    let owner = super::account::owner_name(&home);
    assert!(told.contains(&format!("it belongs to {owner}, so run Takt as that user")), "{told}");
}

#[test]
fn a_database_that_looks_like_a_path_is_found() {
    let options =
        PgConnectOptions::from_str(&super::url(std::path::Path::new("/data/socket"), "a/.")).expect("a URL");
    assert_eq!(options.get_database(), Some("a/."));
    assert_eq!(options.get_socket(), Some(&PathBuf::from("/data/socket")));
}

proptest! {
    #[test]
    fn the_url_leads_back_to_the_socket_and_the_database(folder in "/[ -~äß]{1,40}", database in "[a-z][ -~äß]{0,20}") {
        let url = super::url(&PathBuf::from(&folder), &database);
        let options = PgConnectOptions::from_str(&url).expect("a URL");
        prop_assert_eq!(options.get_socket(), Some(&PathBuf::from(folder)));
        prop_assert_eq!(options.get_database(), Some(database.as_str()));
        prop_assert_eq!(options.get_username(), "takt");
    }

    #[test]
    fn no_pid_file_breaks_the_reader(text in "\\PC*") {
        let _ = PidFile::parse(&text);
    }
}

#[test]
fn the_pid_file_says_when_the_server_is_ready() {
    let starting = "4711\n/data\n1795000000\n5432\n/socket\n\n  5001001    720896\nstarting\n";
    assert_eq!(PidFile::parse(starting), Some(PidFile { pid: 4711, is_ready: false }));
    let ready = starting.replace("starting", "ready   ");
    assert_eq!(PidFile::parse(&ready), Some(PidFile { pid: 4711, is_ready: true }));
    assert_eq!(PidFile::parse("4711\n/data\n"), Some(PidFile { pid: 4711, is_ready: false }), "half written");
    assert_eq!(PidFile::parse(""), None);
}
