//! What a library keeps and what it takes up when files of its site change: the last good version of each workflow stays
//! in force.

use super::*;

#[test]
fn a_broken_file_keeps_its_last_good_version() {
    let folder = Folder::new("broken");
    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, end: done }"));
    folder.write("workflows/a.test.yaml", "not: a workflow");
    let (tools, site) = (registry(), folder.site());
    let mut library = Library::load(&tools, &site).expect("loads");
    let first = library.get("a").expect("is there").sha256.clone();
    assert_eq!(messages(&library), Vec::<String>::new());

    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, call: plex.inventry }"));
    library.reload(&tools, &site).expect("reloads");
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(library.get("a").expect("is still there").sha256, first);
    assert_eq!(messages(&library), ["workflows/a.yaml 6:20 there is no tool `plex.inventry`"]);

    folder.write("workflows/a.yaml", "steps: [");
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(library.get("a").expect("is still there").sha256, first);

    folder.write("workflows/a.yaml", &workflow("a", "  - { id: y, end: done }"));
    library.reload(&tools, &site).expect("reloads");
    assert_ne!(library.get("a").expect("is new").sha256, first);
    assert_eq!(messages(&library), Vec::<String>::new());

    fs::remove_file(folder.0.join("workflows/a.yaml")).expect("removed");
    library.reload(&tools, &site).expect("reloads");
    assert!(library.get("a").is_none());
}

#[test]
fn what_did_not_change_is_not_compiled_again() {
    let folder = Folder::new("settled");
    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, end: done }"));
    let (tools, site) = (registry(), folder.site());
    let mut library = Library::load(&tools, &site).expect("loads");
    let first = Arc::clone(library.get("a").expect("is there"));
    library.reload(&tools, &site).expect("reloads");
    assert!(Arc::ptr_eq(&first, library.get("a").expect("is there")));
}

#[test]
fn a_changed_message_is_a_new_version() {
    let folder = Folder::new("message");
    let steps =
        "  - { id: x, gate: approve, ask: lead, message: messages/m.hbs, expires: 1h, on_expire: fail }";
    folder.write("workflows/a.yaml", &workflow("a", steps));
    folder.write("messages/m.hbs", "one");
    let (tools, site) = (registry(), folder.site());
    let mut library = Library::load(&tools, &site).expect("loads");
    let first = library.get("a").expect("is there").clone();
    assert_eq!(first.render("messages/m.hbs", &serde_json::json!({})).as_deref(), Ok("one"));
    folder.write("messages/m.hbs", "two");
    library.reload(&tools, &site).expect("reloads");
    let second = library.get("a").expect("is there");
    assert_ne!(second.sha256, first.sha256);
    assert_eq!(first.render("messages/m.hbs", &serde_json::json!({})).as_deref(), Ok("one"));
    let again =
        Definition::compile(first.bundle.clone()).expect("a pinned bundle compiles without its files");
    assert_eq!(again.sha256, first.sha256);
}

/// What is wrong only beside other workflows was told, and went into force all the same.
#[test]
fn what_does_not_fit_the_others_is_not_put_into_force() {
    let folder = Folder::new("unfit");
    let (tools, site) = (registry(), folder.site());
    let child = |id: &str| format!("  - {{ id: x, run: {id}, with: {{ part: P }} }}");
    folder.write("workflows/a.yaml", &workflow("a", &child("b")));
    folder.write("workflows/b.yaml", &workflow("b", "  - { id: x, end: done }"));
    let mut library = Library::load(&tools, &site).expect("loads");
    assert_eq!(messages(&library), Vec::<String>::new());
    let first = library.get("a").expect("is there").sha256.clone();
    let second = library.get("b").expect("is there").sha256.clone();

    folder.write("workflows/a.yaml", &workflow("a", &child("nobody")));
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(messages(&library), ["workflows/a.yaml 6:19 there is no workflow `nobody`"]);
    assert_eq!(library.get("a").expect("the last good one").sha256, first);

    // A copy puts neither the original nor what stood in its file before out of force.
    folder.write("workflows/a.yaml", &workflow("b", "  - { id: y, end: done }"));
    library.reload(&tools, &site).expect("reloads");
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(messages(&library).len(), 2);
    assert_eq!(library.get("a").expect("the last good one").sha256, first);
    assert_eq!(library.get("b").expect("the original").sha256, second);

    folder.write("workflows/a.yaml", &workflow("a", "  - { id: y, end: done }"));
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(messages(&library), Vec::<String>::new());
    assert_ne!(library.get("a").expect("the new one").sha256, first);

    // Whoever runs a workflow that goes by another name now is told at once.
    folder.write("workflows/c.yaml", &workflow("c", &child("a")));
    folder.write("workflows/a.yaml", &workflow("d", "  - { id: y, end: done }"));
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(messages(&library), ["workflows/c.yaml 6:19 there is no workflow `a`"]);
    assert!(library.get("a").is_none() && library.get("d").is_some());

    let fresh = Folder::new("unfit-fresh");
    fresh.write("workflows/a.yaml", &workflow("a", &child("nobody")));
    let library = Library::load(&tools, &fresh.site()).expect("loads");
    assert!(library.get("a").is_none());
    assert_eq!(library.absence("a"), "workflows/a.yaml has a mistake, see `takt check`");
}
