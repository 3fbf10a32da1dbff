//! Workflows are held against the events of their site, whichever of the two changes.

use super::*;

/// A site with one workflow, which asks for the field `status` of its event.
fn with_event(name: &str) -> Folder {
    let folder = Folder::new(name);
    fs::create_dir_all(folder.0.join("events")).expect("a folder");
    let workflow = "workflow: a\nowner: me\ntrigger: { event: press.down, where: event.status == 'DOWN' }\n\
                    steps:\n  - { id: x, end: done }\n";
    folder.write("workflows/a.yaml", workflow);
    folder.write("events/press.down.json", &event("status"));
    folder
}

fn event(field: &str) -> String {
    format!(r#"{{"type": "object", "properties": {{"{field}": {{"type": "string"}}}}}}"#)
}

/// The workflow's own file is as it was, and went on as if its event were, too.
#[test]
fn an_event_that_changes_is_held_against_what_it_starts() {
    let folder = with_event("event");
    let (tools, site) = (registry(), folder.site());
    let mut library = Library::load(&tools, &site).expect("loads");
    assert_eq!(messages(&library), Vec::<String>::new());
    folder.write("events/press.down.json", &event("state"));
    library.reload(&tools, &site).expect("reloads");
    let told = messages(&library);
    assert!(told.len() == 1 && told[0].contains("status"), "{told:?}");
    assert!(library.get("a").is_some(), "the last good version stays");
    folder.write("events/press.down.json", &event("status"));
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(messages(&library), Vec::<String>::new());
}

#[test]
fn an_event_that_changes_while_the_workflows_cannot_be_read_is_held_against_them_later() {
    let folder = with_event("unread");
    let (tools, site) = (registry(), folder.site());
    let mut library = Library::load(&tools, &site).expect("loads");
    folder.write("events/press.down.json", &event("state"));
    let (here, away) = (folder.0.join("workflows"), folder.0.join("away"));
    fs::rename(&here, &away).expect("moved");
    library.reload(&tools, &site).expect_err("there is no folder");
    fs::rename(&away, &here).expect("moved back");
    library.reload(&tools, &site).expect("reloads");
    let told = messages(&library);
    assert!(told.len() == 1 && told[0].contains("status"), "{told:?}");
}
