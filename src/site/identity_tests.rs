//! Who could be taken for somebody else, and what would open a door: every such line of takt.yaml is refused at its place.

use super::{Environment, Overrides, Place, Site};

const SMALL: &str = r##"name: Small
time_zone: UTC
shifts: [{ id: A, starts: "06:00", ends: "14:00" }]
roles:
  lead: { title: Lead, ladder: up }
people:
  - { id: ann, name: Ann, roles: [lead], email: ann@x.example, slack_id: U1, teams_id: aad-1, subject: s-1 }
  - { id: bob, name: Bob, roles: [lead], email: bob@x.example, slack_id: U2, teams_id: aad-2, subject: s-2 }
ladders:
  up: [{ person: ann, within: 5m }]
operators: [lead]
sign_in: { idle: 1h, oidc: { issuer: "https://login.example", client_id: takt } }
service_accounts:
  mes: { title: MES, token_hash: "${env:ONE}", scopes: ["runs:read"] }
  erp: { title: ERP, token_hash: "${env:TWO}", scopes: ["runs:read"] }
partners: { acme: { name: Acme } }
embed: { frame_ancestors: ["https://plex.example"] }
slack: { bot_token: "${env:TOKEN}", signing_secret: "${env:TOKEN}", default_channel: "#t" }
systems:
  plex: { base_url: "https://connect.plex.example" }
limits: { event_bytes_max: 65536, webhook_age_max: 5m }
mcp: { tools: ["plex.*"], requests_per_minute: 60 }
"##;

fn parse(text: &str) -> Result<Site, String> {
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    let environment = Environment::of([("ONE", one.as_str()), ("TWO", two.as_str()), ("TOKEN", "t")]);
    Site::parse("takt.yaml", text, &environment, &Overrides::default()).map_err(|error| error.to_string())
}

#[test]
fn a_slip_that_would_make_one_person_another_is_told_where_it_stands() {
    parse(SMALL).expect("a good site");
    let mistakes = [
        ("slack_id: U2", "slack_id: U1", "takt.yaml:8:74", "`bob` and `ann` have the same slack_id `U1`"),
        ("teams_id: aad-2", "teams_id: AAD-1", "takt.yaml:8:88", "the same teams_id `AAD-1`"),
        ("subject: s-2", "subject: s-1", "takt.yaml:8:104", "the same subject `s-1`"),
        ("subject: s-1", "subject: bob", "", ""),
        (", subject: s-2", "", "", ""),
        ("email: bob@x", "email: ANN@x", "takt.yaml:8:49", "the same email `ANN@x.example`"),
        ("id: bob", "id: ann", "takt.yaml:8:11", "two people have the id `ann`"),
        ("id: bob", "id: Ann", "takt.yaml:8:11", "lower-case letters"),
        ("id: bob", "id: takt", "takt.yaml:8:11", "a name of the audit trail's own"),
        ("id: bob", "id: 'service:mes'", "takt.yaml:8:11", "is no id"),
        ("id: bob", "id: 'a b'", "takt.yaml:8:11", "is no id"),
        ("id: bob", "id: ''", "takt.yaml:8:11", "is no id"),
        ("slack_id: U2", "slack_id: ''", "takt.yaml:8:74", "`slack_id` is empty"),
        ("name: Bob", "name: ''", "takt.yaml:8:22", "stands under every answer"),
        ("bob@x.example", "\"bob@x.example\\r\\nBcc: y\"", "takt.yaml:8:49", "is no mail address"),
        ("${env:TWO}", "${env:ONE}", "takt.yaml:14:34", "have the same token"),
        ("erp: {", "'e p': {", "takt.yaml:15:10", "`e p` is no id"),
        ("erp: {", "root: {", "takt.yaml:15:9", "TAKT_API_TOKEN: call it otherwise"),
        (
            "${env:TWO}\", scopes: [\"runs:read\"]",
            "${env:TWO}\", scopes: []",
            "takt.yaml:15",
            "may do nothing",
        ),
        ("acme:", "'a/c':", "takt.yaml:16", "`a/c` is no id"),
    ];
    for (from, to, place, expected) in mistakes {
        assert!(SMALL.contains(from), "{from}");
        let read = parse(&SMALL.replacen(from, to, 1));
        match read {
            Ok(_) => assert_eq!(expected, "", "{to} is taken"),
            Err(error) => assert!(
                !expected.is_empty() && error.contains(place) && error.contains(expected),
                "{to}: {error}"
            ),
        }
    }
    // Without `subject` the id counts as one.
    let twice = SMALL.replacen(", subject: s-2", "", 1).replacen("subject: s-1", "subject: bob", 1);
    let error = parse(&twice).expect_err("one subject for two");
    assert!(error.contains("`bob` and `ann` have the same subject `bob`"), "{error}");
}

#[test]
fn what_would_open_a_door_or_shut_everybody_out_is_refused() {
    let mistakes = [
        ("https://login.example", "http://127.0.0.1:80@evil.example", "must be an https:// address"),
        ("https://login.example", "http://localhost:1@evil.example/", "must be an https:// address"),
        ("https://login.example", "https://", "must be an https:// address"),
        ("https://login.example", "https://login.example/?a=b", "must be an https:// address"),
        ("https://login.example", "http://127.0.0.1:9000", ""),
        ("client_id: takt", "client_id: ''", "knows Takt by its `client_id`"),
        ("idle: 1h", "idle: 0s", "between 1m and 30d"),
        ("idle: 1h", "length: 3650d", "between 1m and 30d"),
        ("https://plex.example", "https://*", "is no origin"),
        ("https://plex.example", "https://*.com", "is no origin"),
        ("https://plex.example", "https://ok@evil", "is no origin"),
        ("https://plex.example", "https://*.plant1.example", ""),
        ("default_channel", "base_url: 'http://evil.example', default_channel", "must begin with https://"),
        ("default_channel", "base_url: 'not a url', default_channel", "must begin with https://"),
        ("\"#t\"", "\"\"", "name the channel"),
        ("https://connect.plex.example", "https://user:pw@plex.example", "secrets go under `secrets`"),
        ("https://connect.plex.example", "https://plex.example?api_key=abc123", "secrets go under `secrets`"),
        ("https://connect.plex.example", "ftp://plex.example", "must be a whole address"),
        ("https://connect.plex.example", "http://plex.plant1.example:8080/api", ""),
        ("event_bytes_max: 65536", "event_bytes_max: 0", "no event would fit"),
        ("webhook_age_max: 5m", "webhook_age_max: 100d", "between 1s and 1h"),
        ("requests_per_minute: 60", "requests_per_minute: 0", "answers nobody"),
        ("within: 5m", "within: 0s", "nobody answers in no time"),
        ("title: Lead,", "title: Lead, from: lead,", "made from itself"),
        ("name: Small", "name: ''", "at the top of every page"),
        ("time_zone:", "reading: { audit: [] }\ntime_zone:", "nobody could read this"),
        (
            "name: Ann,",
            "name: Ann, password_hash: '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c29tZWhhc2hzb21laGFzaA',",
            "of sensible cost",
        ),
    ];
    for (from, to, expected) in mistakes {
        assert!(SMALL.contains(from), "{from}");
        match parse(&SMALL.replacen(from, to, 1)) {
            Ok(_) => assert_eq!(expected, "", "{to} is taken"),
            Err(error) => assert!(!expected.is_empty() && error.contains(expected), "{to}: {error}"),
        }
    }
}

#[test]
fn the_sample_sites_published_credentials_are_found() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let site = Site::load(folder, &Environment::default(), &Overrides::default()).expect("the sample site");
    let found = site.published_credentials();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("signs in mia, sam") && found[1].contains("`sources: plant`"), "{found:?}");
    let own = Environment::of([("TAKT_PLANT_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
    let mut site = Site::load(folder, &own, &Overrides::default()).expect("the sample site");
    site.people.iter_mut().for_each(|person| person.password_hash = None);
    assert_eq!(site.published_credentials(), Vec::<String>::new());
}

#[test]
fn a_limited_program_acts_within_all_of_its_limits() {
    let limited = SMALL.replacen("[\"runs:read\"] }", "[\"runs:read\"], lines: [L1], workflows: [down] }", 1)
        + "lines: { L1: { title: One, work_centers: [A-1] } }\n";
    let site = parse(&limited).expect("a good site");
    let [mes, erp] = ["mes", "erp"].map(|id| {
        let mut accounts = site.access.service_accounts.iter();
        accounts.find(|account| account.id == id).expect("an account")
    });
    let place = |work_center, workflow| Place { work_center, workflow };
    assert!(mes.is_limited() && site.account_reaches(mes, &place(Some("A-1"), Some("down"))));
    for elsewhere in
        [(Some("B-1"), Some("down")), (Some("A-1"), Some("other")), (None, Some("down")), (Some("A-1"), None)]
    {
        assert!(!site.account_reaches(mes, &place(elsewhere.0, elsewhere.1)), "{elsewhere:?}");
    }
    assert!(!erp.is_limited() && site.account_reaches(erp, &place(None, None)));
    let slip = limited.replacen("lines: [L1],", "work_centers: [A-11],", 1);
    let said = parse(&slip).expect_err("no line has it");
    assert!(said.contains("no line has a work center `A-11`: did you mean `A-1`?"), "{said}");
}
