//! The page of the last kept eval report.

use crate::{eval::copy_site, support::console::Console};
use std::{fs, process::Command};

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_report_is_shown_and_escaped() {
    let site = copy_site();
    // Somebody may have kept one in this checkout.
    drop(fs::remove_file(site.join("evals/report.json")));
    let folder = site.clone();
    let console = Console::with(move |site| site.folder = folder).await;
    let mut sam = console.signed_in("sam").await;
    let page = sam.get("/evals").await.text;
    assert!(page.contains("No report is kept yet"), "{page}");

    let case = site.join("evals/downtime_escalation/near_miss.case.yaml");
    let text = fs::read_to_string(&case).unwrap();
    fs::write(&case, text.replace("handled_manually", "<b>handled</b>")).unwrap();
    let takt = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["eval", "--keep", "--site"])
        .arg(&site)
        .args([&case, &site.join("evals/supplier_delay")])
        .output()
        .unwrap();
    assert_eq!(takt.status.code(), Some(1), "{}", String::from_utf8_lossy(&takt.stdout));
    let page = sam.get("/evals").await.text;
    for wanted in
        ["Regressed (1)", "Known (1)", "As in the baseline (", "&lt;b&gt;handled", "supplier_delay/plan@"]
    {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    assert!(!page.contains("<b>handled"), "{page}");

    fs::write(site.join("evals/report.json"), "{}").unwrap();
    let page = sam.get("/evals").await.text;
    assert!(page.contains("is not a report"), "{page}");
    fs::remove_dir_all(&site).unwrap();
}
