use super::file::read;
use crate::{
    connector::http,
    site::{Environment, Overrides, Site},
};
use std::path::Path;

const SITE: &str = "
name: Test
time_zone: UTC
shifts: []
roles: {}
people: []
systems:
  library: { base_url: \"http://127.0.0.1:1/mcp\" }
";

/// What is wrong with a file whose server nobody has asked yet.
fn problems(file: &str) -> Vec<String> {
    let site =
        Site::parse("takt.yaml", SITE, &Environment::default(), &Overrides::default()).expect("a site");
    let client = http::client().expect("a client");
    let found = read(Path::new("connectors/library.yaml"), file, &site, &client).err().expect("mistakes");
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn every_mistake_of_a_file_is_reported_with_its_place() {
    let file = "\
system: library
mcp: { check_every: soon }
errors: { 404: { kind: not_found } }
tools:
  plex.update_sequence:
    description: Pretends to be another.
    effect: read
  library.order:
    description: Orders.
    effect: write
  library.lend:
    description: Lends.
    effect: write
    idempotency: read
";
    let found = problems(file);
    for words in [
        "library.yaml:2:21: `soon` is not a length of time",
        "library.yaml:1:9: `errors` is for HTTP systems",
        "library.yaml:6:5: a tool of this server is called `library.…`, not `plex.update_sequence`",
        "library.yaml:9:5: a write must say `idempotency`: idempotent or unsafe",
        "library.yaml:12:5: `idempotency: read` on a write",
    ] {
        assert!(found.iter().any(|problem| problem.contains(words)), "{words}: {found:#?}");
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn a_tool_says_what_its_server_may_not_decide() {
    let missing =
        |tool: &str| problems(&format!("system: library\nmcp: {{}}\ntools:\n  library.find: {tool}\n"));
    assert!(missing("{ effect: read }")[0].contains("description"));
    assert!(missing("{ description: Finds. }")[0].contains("effect"));
    assert!(missing("{ description: Finds., effect: read, requests: [] }")[0].contains("requests"));
    let accept = &missing("{ description: Finds., effect: read, name: findAll }")[0];
    assert!(accept.ends_with("run `takt mcp accept library findAll`"), "{accept}");
}
