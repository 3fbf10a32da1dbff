//! Every route against every kind of caller. A route that is not in the table fails the test.

use super::{call, release, service, token_of, two_lines};
use crate::support::{
    console::{Console, Page, Visitor},
    seed::{self, Question},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use takt::{
    http::routes,
    run::{GateId, RunId},
    site::{Embed, McpServer, Partner, Scope, Section},
    workflow::GateForm,
};

/// Sam is an operator and is asked; Mia is neither, and may read events; Noor is an operator of another line; Gus may do
/// everything. `no-csrf` is Sam without the page's token. The service accounts have no scope, `runs:read`, all scopes, all
/// of them for the workflow `shift_handover` only, and all of them while they name Mia; the others name nobody. Events and
/// evals are for the plant manager and maintenance. Gus may decide alone, and gives the second of two approvals. One status stands for all callers. After `@` stands what is put into
/// the path: an action, a workflow, a thing that is there.
const TABLE: &str = "
#                                        nobody expired no-csrf mia noor sam gus none reader all limited mia-by-all
GET  /health                             200
GET  /metrics                            200
POST /hooks/{source}                     401
POST /slack/interactions                 401
POST /teams/messages                     401
GET  /sign-in                            200
POST /sign-in                            403
GET  /sign-in/oidc                       404
GET  /sign-in/callback                   404
GET  /answer/{gate}/{token}              404
POST /answer/{gate}/{token}              400
GET  /embed/{token}                      404
GET  /embed/{token}@embed                200
POST /embed/{token}                      404
GET  /partner/{token}                    404
GET  /partner/{token}@partner            200
POST /partner/{token}                    404
POST /partner/{token}@partner            422
GET  /assets/{*path}                     200

GET  /api/runs                           401 401 200 200 200 200 200 403 200 200 403 200
GET  /api/runs/{id}                      401 401 200 200 200 200 200 403 200 200 403 200
POST /api/workflows/{id}/runs            401 401 403 404 404 404 404 403 403 404 403 404
POST /api/workflows/{id}/runs@customer_order_risk 401 401 403 201 201 201 201 403 403 201 403 201
POST /api/workflows/{id}/runs@downtime_escalation 401 401 403 400 400 400 400 403 403 400 403 400
POST /api/workflows/{id}/runs@shift_handover      401 401 403 400 400 400 400 403 403 400 400 400
POST /api/runs/{id}/{action}@pause       401 401 403 403 403 200 409 403 403 409 403 403
POST /api/runs/{id}/{action}@resume      401 401 403 403 403 200 409 403 403 409 403 403
POST /api/runs/{id}/{action}@migrate     401 401 403 403 403 409 409 403 403 409 403 403
POST /api/runs/{id}/{action}@rerun       401 401 403 403 403 400 400 403 403 400 403 403
POST /api/runs/{id}/{action}@retry       401 401 403 403 403 409 409 403 403 409 403 403
POST /api/runs/{id}/{action}@dismiss     401 401 403 403 403 409 409 403 403 409 403 403
POST /api/runs/{id}/{action}@nonsense    401 401 403 403 403 404 404 403 403 404 403 403
POST /api/runs/{id}/{action}@cancel      401 401 403 403 403 200 200 403 403 200 403 403
POST /api/runs/bulk                      401 401 403 403 403 400 400 403 403 400 403 403
GET  /api/gates/{id}                     401 401 200 200 200 200 200 403 403 200 403 200
POST /api/gates/{id}/answer              401 401 403 422 422 200 409 403 403 403 403 409
POST /api/gates/{id}/answer@approve      401 401 403 422 422 200 409 403 403 403 403 409
POST /api/gates/{id}/answer@edit         401 401 403 422 422 200 409 403 403 403 403 409
POST /api/gates/{id}/answer@acknowledge  401 401 403 422 422 200 409 403 403 403 403 409
POST /api/gates/{id}/answer@reject       401 401 403 422 422 200 409 403 403 403 403 409
POST /api/gates/{id}/answer@override     401 401 403 422 422 422 200 403 403 403 403 409
POST /api/gates/{id}/answer@second       401 401 403 422 422 422 200 403 403 403 403 409
POST /api/gates/{id}/answer@sign         401 401 403 422 422 422 422 403 403 403 403 422
POST /api/gates/{id}/embed               401 401 403 201 201 201 201 403 403 403 403 201
GET  /api/delegations                    401 401 200 200 200 200 200 403 403 403 403 200
POST /api/delegations                    401 401 403 201 201 201 201 403 403 403 403 409
POST /api/delegations/{id}/end           401 401 403 404 404 404 404 403 403 403 403 404
POST /api/partner-links                  401 401 403 403 403 201 201 403 403 201 403 403
POST /api/partner-links/{id}/revoke      401 401 403 403 403 404 404 403 403 404 403 403
GET  /api/events                         401 401 403 200 403 403 200 403 403 200 403 200
GET  /api/schedules                      401 401 200 200 200 200 200 403 403 200 403 200
GET  /api/schedules/{workflow}           401 401 404 404 404 404 404 403 403 404 403 404
GET  /api/schedules/{workflow}@shift_handover           401 401 200 200 200 200 200 403 403 200 200 200
POST /api/schedules/{workflow}/pause@shift_handover     401 401 403 403 403 200 409 403 403 409 409 403
POST /api/schedules/{workflow}/resume@shift_handover    401 401 403 403 403 200 409 403 403 409 409 403
POST /api/schedules/{workflow}/trigger@shift_handover   401 401 403 403 403 202 202 403 403 202 202 403
POST /api/schedules/{workflow}/backfill@shift_handover  401 401 403 403 403 200 200 403 403 200 200 403
GET  /api/{*rest}                        404
POST /mcp                                401 401 403 400 400 400 400 403 403 400 403 400

GET  /                                   303 303 200 200 200 200 200 303 303 303 303 303
GET  /me                                 303 303 200 200 200 200 200 303 303 303 303 303
GET  /runs                               303 303 200 200 200 200 200 303 303 303 303 303
GET  /runs/{id}                          303 303 200 200 200 200 200 303 303 303 303 303
POST /runs/{id}/{action}@pause           401 401 403 403 403 303 409 401 401 401 401 401
POST /runs/{id}/{action}@resume          401 401 403 403 403 303 409 401 401 401 401 401
POST /runs/{id}/{action}@dismiss         401 401 403 403 403 409 409 401 401 401 401 401
POST /runs/{id}/{action}@cancel          401 401 403 403 403 303 303 401 401 401 401 401
POST /runs/bulk                          401 401 403 403 403 400 400 401 401 401 401 401
GET  /workflows                          303 303 200 200 200 200 200 303 303 303 303 303
GET  /workflows/{id}                     303 303 200 200 200 200 200 303 303 303 303 303
POST /workflows/{id}/runs                401 401 403 404 404 404 404 401 401 401 401 401
POST /workflows/{id}/runs@customer_order_risk 401 401 403 303 303 303 303 401 401 401 401 401
POST /workflows/{id}/runs@downtime_escalation 401 401 403 422 422 422 422 401 401 401 401 401
GET  /evals                              303 303 403 200 403 403 200 303 303 303 303 303
GET  /attention                          303 303 200 200 200 200 200 303 303 303 303 303
GET  /events                             303 303 403 200 403 403 200 303 303 303 303 303
POST /events/{id}/fire-again             401 401 403 403 403 403 303 401 401 401 401 401
GET  /gates/{id}                         303 303 200 200 200 200 200 303 303 303 303 303
GET  /gates/{id}/sign                    303 303 404 404 404 404 404 303 303 303 303 303
POST /gates/{id}/answer                  401 401 403 409 409 303 409 401 401 401 401 401
POST /gates/{id}/answer@approve          401 401 403 409 409 303 409 401 401 401 401 401
POST /gates/{id}/answer@edit             401 401 403 409 409 303 409 401 401 401 401 401
POST /gates/{id}/answer@acknowledge      401 401 403 409 409 303 409 401 401 401 401 401
POST /gates/{id}/answer@reject           401 401 403 409 409 303 409 401 401 401 401 401
POST /gates/{id}/answer@override         401 401 403 409 409 409 303 401 401 401 401 401
POST /gates/{id}/answer@second           401 401 403 409 409 409 303 401 401 401 401 401
POST /gates/{id}/answer@sign             401 401 403 409 409 200 409 401 401 401 401 401
GET  /delegations                        303 303 200 200 200 200 200 303 303 303 303 303
POST /delegations                        401 401 403 409 409 409 409 401 401 401 401 401
POST /delegations/{id}/end               401 401 403 404 404 404 404 401 401 401 401 401
GET  /audit                              303 303 200 403 403 200 200 303 303 303 303 303
GET  /schedules                          303 303 200 200 200 200 200 303 303 303 303 303
GET  /schedules/{workflow}               303 303 404 404 404 404 404 303 303 303 303 303
GET  /schedules/{workflow}@shift_handover               303 303 200 200 200 200 200 303 303 303 303 303
POST /schedules/{workflow}/pause@shift_handover         401 401 403 403 403 303 409 401 401 401 401 401
POST /schedules/{workflow}/resume@shift_handover        401 401 403 403 403 303 409 401 401 401 401 401
POST /schedules/{workflow}/trigger@shift_handover       401 401 403 403 403 303 303 401 401 401 401 401
POST /schedules/{workflow}/backfill@shift_handover      401 401 403 403 403 200 200 401 401 401 401 401
GET  /status                             303 303 200 200 200 200 200 303 303 303 303 303
GET  /live/{*topic}                      303 303 404 404 404 404 404 303 303 303 303 303
GET  /live/{*topic}@inbox                303 303 200 200 200 200 200 303 303 303 303 303
GET  /live/{*topic}@runs                 303 303 200 200 200 200 200 303 303 303 303 303
GET  /live/{*topic}@events               303 303 403 200 403 403 200 303 303 303 303 303
GET  /live/{*topic}@schedules            303 303 200 200 200 200 200 303 303 303 303 303
GET  /live/{*topic}@runs/it              303 303 200 200 200 200 200 303 303 303 303 303
GET  /live/{*topic}@gates/it             303 303 200 200 200 200 200 303 303 303 303 303
POST /sign-out                           401 401 403 303 303 303 303 401 401 401 401 401
";

const SERVICES: [(&str, &[Scope]); 5] = [
    ("none", &[]),
    ("reader", &[Scope::RunsRead]),
    ("all", &Scope::ALL),
    ("limited", &Scope::ALL),
    ("mia-by-all", &Scope::ALL),
];

struct World {
    console: Console,
    /// One to look at, one to order something of through the API, one on the pages.
    runs: [RunId; 3],
    /// One to be answered on the page, one through the API.
    gates: [GateId; 2],
    /// The same, for each way to decide.
    decisions: BTreeMap<&'static str, [GateId; 2]>,
    people: BTreeMap<&'static str, Visitor>,
    /// Words of links.
    links: BTreeMap<&'static str, String>,
}

impl World {
    async fn start() -> Self {
        let console = Console::with(|site| {
            two_lines(site);
            site.answering.overrides = vec!["plant_manager".to_owned()];
            site.answering.override_review = Some("shift_lead".to_owned());
            let readers = vec!["plant_manager".to_owned(), "maintenance_on_call".to_owned()];
            site.access.reading =
                BTreeMap::from([(Section::Evals, readers.clone()), (Section::Events, readers)]);
            site.access.service_accounts = SERVICES.iter().map(|(id, scopes)| service(id, scopes)).collect();
            for account in site.access.service_accounts.iter_mut().filter(|one| one.id == "limited") {
                account.workflows = BTreeSet::from(["shift_handover".to_owned()]);
            }
            site.access.partners = BTreeMap::from([("acme".to_owned(), Partner { name: "Acme".to_owned() })]);
            site.access.embed = Some(Embed { frame_ancestors: vec!["https://plex.example".to_owned()] });
            site.mcp =
                Some(McpServer { tools: vec![], mask: true, origins: vec![], requests_per_minute: 60 });
        })
        .await;
        let (run, on_page) = seed::three_plans(&console).await;
        let (_, in_api) = seed::three_plans(&console).await;
        let (by_api, _) = seed::three_plans(&console).await;
        let (by_page, _) = seed::three_plans(&console).await;
        let mut decisions = BTreeMap::new();
        for word in DECISIONS {
            decisions.insert(word, [to_decide(&console, word).await, to_decide(&console, word).await]);
        }
        let mut people = BTreeMap::from([("nobody", console.visitor())]);
        let signed_in =
            [("expired", "lee"), ("mia", "mia"), ("noor", "noor"), ("sam", "sam"), ("gus", "gus")];
        for (caller, person) in signed_in {
            people.insert(caller, console.signed_in(person).await);
        }
        people.insert("no-csrf", console.signed_in("sam").await);
        let ended = "update session set expires_at = clock_timestamp() where person = 'lee'";
        sqlx::query(ended).execute(console.store.pool()).await.expect("a session ends");
        let mut links = BTreeMap::new();
        let wanted = [
            ("embed", format!("/api/gates/{on_page}/embed"), Some("sam"), json!({})),
            ("partner", "/api/partner-links".to_owned(), None, partner_link()),
        ];
        for (kind, path, person, body) in wanted {
            let made = call(&console, "POST", &path, &token_of("all"), person, body).await;
            let made: Value = serde_json::from_str(&made.text).expect("JSON");
            let url = made["url"].as_str().unwrap_or_else(|| panic!("a link: {made}"));
            links.insert(kind, url.rsplit('/').next().unwrap_or_default().to_owned());
        }
        Self { console, runs: [run, by_api, by_page], gates: [on_page, in_api], decisions, people, links }
    }

    /// A path with things that are there, where looking is enough or the table names one, and with others where something
    /// would be changed.
    fn path(&self, method: &str, route: &str, word: Option<&str>) -> String {
        let gates = word.and_then(|word| self.decisions.get(word)).unwrap_or(&self.gates);
        let [on_page, in_api] = gates.map(|gate| gate.to_string());
        let [run, by_api, by_page] = self.runs.map(|run| run.to_string());
        let id = match route {
            _ if route.starts_with("/api/gates") => in_api,
            _ if route.starts_with("/gates") => on_page,
            "/workflows/{id}" => "downtime_escalation".into(),
            _ if route.contains("workflows/{id}") => word.unwrap_or("nothing").to_owned(),
            _ if route.contains("runs/{id}/") && route.starts_with("/api/") => by_api,
            _ if route.contains("runs/{id}/") => by_page,
            _ if route.contains("runs/{id}") => run,
            _ => uuid::Uuid::nil().to_string(),
        };
        let action = if method == "POST" { word.unwrap_or("dismiss") } else { "" };
        let token = word.and_then(|word| self.links.get(word)).map_or("x", String::as_str);
        let known = [("{id}", id.as_str()), ("{action}", action), ("{source}", "plant"), ("{*rest}", "x")];
        let more =
            [("{token}", token), ("{workflow}", word.unwrap_or("nothing")), ("{*path}", "console.css")];
        let path =
            known.iter().chain(&more).fold(route.to_owned(), |path, (name, value)| path.replace(name, value));
        let topic = match word {
            Some("runs/it") => format!("runs/{}", self.runs[0]),
            Some("gates/it") => format!("gates/{}", self.gates[0]),
            word => word.unwrap_or("nothing").to_owned(),
        };
        path.replace("{*topic}", &format!("{topic}?seen=x"))
    }

    async fn ask(&mut self, caller: &str, method: &str, route: &str, word: Option<&'static str>) -> Page {
        let path = self.path(method, route, word);
        if SERVICES.iter().any(|(id, _)| *id == caller) {
            let person = caller.strip_suffix("-by-all");
            return call(&self.console, method, &path, &token_of(caller), person, body(route, word)).await;
        }
        let visitor = self.people.get_mut(caller).expect("a caller");
        if method == "GET" {
            return visitor.get(&path).await;
        }
        let csrf = match caller {
            "nobody" | "expired" | "no-csrf" => String::new(),
            _ => visitor.get("/me").await.field("csrf"),
        };
        if route.starts_with("/api/") || route == "/mcp" {
            return visitor.post_json(&path, &csrf, &body(route, word)).await;
        }
        let mut fields = vec![("csrf", csrf.as_str()), ("reason", "a test"), ("action", "cancel")];
        fields.push(("proposal", "hash-of-the-proposal"));
        match word.filter(|word| DECISIONS.contains(word)) {
            None => fields.extend([("decision", "choose"), ("choice", "1")]),
            Some(word) => {
                fields.extend([
                    ("decision", decision(word)),
                    ("draft", "another one"),
                    ("reason_code", "other"),
                ]);
                fields.extend((word == "override").then_some(("override", "on")));
            }
        }
        fields.extend([("input-order", "SO-4001-1"), ("at", "2036-11-24T12:10:00Z")]);
        fields.extend([("from", "2036-11-23T00:00"), ("to", "2036-11-24T00:00"), ("do", "look")]);
        visitor.post(&path, &fields).await
    }
}

const DECISIONS: [&str; 7] = ["approve", "edit", "acknowledge", "reject", "override", "second", "sign"];

/// What is said for a word: the last three are ways to approve.
fn decision(word: &'static str) -> &'static str {
    match word {
        "override" | "second" | "sign" => "approve",
        word => word,
    }
}

/// A question that can be decided this way, asked of the supervisors. What one of them confirms a second time was decided by
/// Sam, so it is asked of the plant manager.
async fn to_decide(console: &Console, word: &'static str) -> GateId {
    if word == "sign" {
        return release(console).await;
    }
    let (run, _) = seed::three_plans(console).await;
    let mut ask = json!({
        "title": "A lot", "body": "", "options": [], "items": [], "draft": "as it is", "subject": "PRESS-4",
        "allow": ["approve", "edit", "acknowledge", "reject"], "workflow": "downtime_escalation",
        "role_title": "Production supervisor",
    });
    if word == "second" {
        ask["first"] = json!({ "by": "sam", "by_name": "Sam Carter", "decision": "approve" });
    }
    let role = if word == "second" { "plant_manager" } else { "production_supervisor" };
    let question = Question { path: "decide", form: GateForm::Approve, role, ask, minutes: 15 };
    let gate = seed::ask(console, run, question).await;
    if word == "second" {
        let first = sqlx::query("update gate set excluded = '{sam}' where id = $1").bind(gate.0);
        first.execute(console.store.pool()).await.expect("the first one is out");
    }
    gate
}

fn partner_link() -> Value {
    json!({ "partner": "acme", "order": "PO-1", "title": "When does it come?" })
}

fn body(route: &str, word: Option<&'static str>) -> Value {
    let decided = word.filter(|word| DECISIONS.contains(word));
    match (route, decided) {
        ("/api/gates/{id}/answer", Some(word)) => json!({
            "decision": decision(word), "edited": (word == "edit").then_some("another one"), "override": word == "override",
            "reason_code": "other", "reason": "a test", "proposal_hash": "hash-of-the-proposal",
        }),
        (route, _) => body_of(route),
    }
}

fn body_of(route: &str) -> Value {
    match route {
        "/api/gates/{id}/answer" => {
            json!({ "decision": "choose", "choice": 1, "proposal_hash": "hash-of-the-proposal" })
        }
        "/api/runs/{id}/{action}" => json!({ "reason": "a test" }),
        "/api/runs/bulk" => json!({ "action": "cancel", "reason": "a test" }),
        "/api/workflows/{id}/runs" => json!({ "inputs": { "order": "SO-4001-1" } }),
        "/api/partner-links" => partner_link(),
        "/api/delegations" => json!({ "delegate": "pat", "until": "2036-12-01T00:00:00Z" }),
        "/api/schedules/{workflow}/backfill" => {
            json!({ "from": "2036-11-23T00:00:00Z", "to": "2036-11-24T00:00:00Z", "dry_run": true })
        }
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_caller_as_the_table_says() {
    let rows = || TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = |row: &'static str| row.split_whitespace().collect::<Vec<_>>();
    let route_of = |cell: &'static str| cell.split('@').next().unwrap_or_default();
    let listed: BTreeSet<_> = rows().map(|row| (route_of(words(row)[1]), words(row)[0])).collect();
    let known: BTreeSet<_> = routes().iter().map(|route| (route.path, route.method)).collect();
    assert_eq!(listed, known, "the table and the router name the same routes");

    let head = TABLE.lines().find(|line| line.starts_with('#')).expect("the callers");
    let callers: Vec<&str> = head.split_whitespace().skip(1).collect();
    let mut world = World::start().await;
    let mut wrong = Vec::new();
    for row in rows() {
        let words = words(row);
        let (method, cell, expected) = (words[0], words[1], &words[2..]);
        let (route, word) = cell.split_once('@').map_or((cell, None), |(route, word)| (route, Some(word)));
        assert!(expected.len() == 1 || expected.len() == callers.len(), "{row}");
        for (at, caller) in callers.iter().enumerate() {
            let expected = expected.get(at).or(expected.first()).expect("a status");
            let page = world.ask(caller, method, route, word).await;
            if page.status.as_str() != *expected {
                wrong.push(format!("{method} {cell}: {caller} gets {}, not {expected}", page.status));
            }
            assert_ne!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {route}: {}", page.text);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every role of the site against everybody, ten past six on a Monday: shift A, whose lead is Ivo. `+` may answer.
const ROLES: &str = "
customer_service       mia- sam- lee- ana+ pat- ivo- noor- kai- gus-
incoming_shift_lead    mia- sam- lee- ana- pat- ivo+ noor- kai- gus-
maintenance_on_call    mia+ sam- lee- ana- pat- ivo- noor- kai- gus-
material_planner       mia- sam- lee- ana+ pat- ivo- noor- kai- gus-
outgoing_shift_lead    mia- sam- lee- ana- pat- ivo- noor- kai+ gus-
plant_manager          mia- sam- lee- ana- pat- ivo- noor- kai- gus+
plant_scheduler        mia- sam- lee+ ana- pat- ivo- noor- kai- gus-
production_supervisor  mia- sam+ lee- ana- pat- ivo- noor- kai- gus-
purchasing_manager     mia- sam- lee- ana- pat+ ivo- noor- kai- gus-
shift_lead             mia- sam- lee- ana- pat- ivo+ noor- kai- gus-
";

#[tokio::test(flavor = "multi_thread")]
async fn every_role_is_answered_for_by_those_who_fill_it_then() {
    let console = Console::with(|site| {
        site.access.service_accounts = vec![service("all", &Scope::ALL)];
    })
    .await;
    let (run, _) = seed::three_plans(&console).await;
    let mut table = String::from("\n");
    for role in console.site.roles.keys() {
        let mut line = format!("{role:22}");
        for person in &console.site.people {
            let path = format!("{role}-{}", person.id);
            let ask = json!({ "title": "A lot", "options": [], "items": [], "allow": ["approve"], "role_title": role });
            let question = Question { path: &path, form: GateForm::Approve, role, ask, minutes: 15 };
            let gate = seed::ask(&console, run, question).await;
            let answer = json!({ "decision": "approve", "proposal_hash": "hash-of-the-proposal" });
            let path = format!("/api/gates/{gate}/answer");
            let page = call(&console, "POST", &path, &token_of("all"), Some(&person.id), answer).await;
            let mark = match page.status {
                StatusCode::OK => '+',
                StatusCode::UNPROCESSABLE_ENTITY => '-',
                other => panic!("{role} {}: {other} {}", person.id, page.text),
            };
            line += &format!(" {}{mark}", person.id);
        }
        table += &format!("{line}\n");
    }
    assert_eq!(table, ROLES, "{table}");
}
