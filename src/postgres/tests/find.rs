//! Which PostgreSQL is chosen, with scripts that only know their version.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::Scratch;
use crate::postgres::binaries::{self, Search, find_program};
use crate::postgres::{ClusterError, fetch};

fn install(bin: &Path, version: &str) {
    std::fs::create_dir_all(bin).expect("a folder");
    let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n");
    for program in ["postgres", "initdb"] {
        std::fs::write(bin.join(program), &script).expect("writing");
        std::fs::set_permissions(bin.join(program), PermissionsExt::from_mode(0o755)).expect("marking");
    }
}

fn search(scratch: &Scratch) -> Search {
    Search {
        bin: None,
        path: Some(scratch.0.join("path").into_os_string()),
        system: scratch.0.join("system"),
        cache: scratch.0.join("cache"),
        mirror: None,
    }
}

fn found(search: &Search, installed: Option<u32>) -> Result<Option<String>, ClusterError> {
    let installed = installed.map(|major| (major, PathBuf::from("/data")));
    Ok(binaries::find(search, installed)?.map(|binaries| binaries.version.text))
}

#[test]
fn places_are_searched_in_order_and_newest_major_first() {
    let scratch = Scratch::new();
    let search = search(&scratch);
    assert_eq!(found(&search, None).expect("nothing broken"), None);

    let package = fetch::Package::for_this_machine().expect("a known platform");
    install(&package.bin(&search.cache), "17.10");
    assert_eq!(found(&search, None).expect("cache").as_deref(), Some("17.10"));

    install(&search.system.join("9/bin"), "9.6.24");
    install(&search.system.join("16/bin"), "16.4 (Debian 16.4-1)");
    assert_eq!(found(&search, None).expect("system").as_deref(), Some("16.4 (Debian 16.4-1)"));

    std::fs::create_dir(scratch.0.join("path")).expect("a folder");
    let (elsewhere, link) = (scratch.0.join("elsewhere"), scratch.0.join("path/postgres"));
    install(&elsewhere, "15.18");
    symlink(elsewhere.join("postgres"), link).expect("a link as in /usr/local/bin");
    assert_eq!(found(&search, None).expect("path").as_deref(), Some("15.18"));

    let told = scratch.0.join("told");
    install(&told, "18beta1");
    let search = Search { bin: Some(told), ..search };
    assert_eq!(found(&search, None).expect("told").as_deref(), Some("18beta1"));
}

#[test]
fn an_existing_cluster_is_served_by_its_own_major_or_not_at_all() {
    let scratch = Scratch::new();
    let search = search(&scratch);
    install(&search.system.join("16/bin"), "16.4");
    install(&search.system.join("15/bin"), "15.18");
    assert_eq!(found(&search, Some(15)).expect("15 is there").as_deref(), Some("15.18"));
    assert_eq!(
        found(&search, Some(fetch::MAJOR)).expect("fetchable"),
        None,
        "one that can be fetched is fetched"
    );
    let error = found(&search, Some(14)).expect_err("no 14").to_string();
    assert!(error.contains("made by PostgreSQL 14, but only 16.4, 15.18 was found"), "{error}");
    let told = Search { bin: Some(search.system.join("15/bin")), ..search };
    assert!(matches!(found(&told, Some(fetch::MAJOR)), Err(ClusterError::OtherMajor { .. })), "told is told");
}

#[test]
fn a_wrong_folder_is_an_error_not_a_reason_to_look_elsewhere() {
    let scratch = Scratch::new();
    let search = search(&scratch);
    install(&search.system.join("16/bin"), "16.4");
    let told = Search { bin: Some(scratch.0.clone()), ..search };
    assert!(matches!(found(&told, None), Err(ClusterError::NotABinFolder(_))));
}

#[test]
fn a_broken_program_is_passed_over() {
    let scratch = Scratch::new();
    let search = search(&scratch);
    install(&search.system.join("17/bin"), "nonsense");
    install(&search.system.join("16/bin"), "16.4");
    assert_eq!(found(&search, None).expect("16 works").as_deref(), Some("16.4"));
    let told = Search { bin: Some(search.system.join("17/bin")), ..search };
    assert!(matches!(found(&told, None), Err(ClusterError::BrokenProgram { .. })));
}

#[test]
fn client_programs_are_looked_for_beside_the_server_first() {
    let scratch = Scratch::new();
    let search = search(&scratch);
    let (beside, system) = (scratch.0.join("beside"), search.system.join("16/bin"));
    for folder in [&beside, &system] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    assert_eq!(find_program("psql", &beside, &search), None);
    std::fs::write(system.join("psql"), "").expect("writing");
    assert_eq!(find_program("psql", &beside, &search), Some(system.join("psql")));
    std::fs::write(beside.join("psql"), "").expect("writing");
    assert_eq!(find_program("psql", &beside, &search), Some(beside.join("psql")));
}
