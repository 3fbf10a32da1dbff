//! Every route against every kind of caller. A route that is not in the table fails the test.

use super::{call, service, token_of, two_lines};
use crate::support::{
    console::{Console, Page, Visitor},
    seed,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use takt::{
    http::routes,
    run::{GateId, RunId},
    site::{Scope, Section},
};

/// Sam is an operator and is asked; Mia is neither; Noor is an operator of another line. `no-csrf` is Sam without
/// the page's token. The service accounts have no scope, `runs:read`, and all scopes; they name no person.
/// Only the plant manager and maintenance may read the evals. One status stands for all callers.
const TABLE: &str = "
#                                        nobody expired no-csrf mia noor none reader all sam
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
POST /embed/{token}                      404
GET  /partner/{token}                    404
POST /partner/{token}                    404
GET  /assets/{*path}                     200

GET  /api/runs                           401 401 200 200 200 403 200 200 200
GET  /api/runs/{id}                      401 401 200 200 200 403 200 200 200
POST /api/workflows/{id}/runs            401 401 403 404 404 403 403 404 404
POST /api/runs/{id}/{action}             401 401 403 403 403 403 403 409 409
POST /api/runs/bulk                      401 401 403 403 403 403 403 400 400
GET  /api/gates/{id}                     401 401 200 200 200 403 403 200 200
POST /api/gates/{id}/answer              401 401 403 422 422 403 403 403 200
POST /api/gates/{id}/embed               401 401 403 409 409 403 403 403 409
GET  /api/delegations                    401 401 200 200 200 403 403 403 200
POST /api/delegations                    401 401 403 400 400 403 403 403 400
POST /api/delegations/{id}/end           401 401 403 404 404 403 403 403 404
POST /api/partner-links                  401 401 403 403 403 403 403 400 400
POST /api/partner-links/{id}/revoke      401 401 403 403 403 403 403 404 404
GET  /api/events                         401 401 200 200 200 403 403 200 200
GET  /api/schedules                      401 401 200 200 200 403 403 200 200
GET  /api/schedules/{workflow}           401 401 404 404 404 403 403 404 404
POST /api/schedules/{workflow}/pause     401 401 403 404 404 403 403 404 404
POST /api/schedules/{workflow}/resume    401 401 403 404 404 403 403 404 404
POST /api/schedules/{workflow}/trigger   401 401 403 404 404 403 403 404 404
POST /api/schedules/{workflow}/backfill  401 401 403 404 404 403 403 404 404
GET  /api/{*rest}                        404
POST /mcp                                404

GET  /                                   303 303 200 200 200 303 303 303 200
GET  /me                                 303 303 200 200 200 303 303 303 200
GET  /runs                               303 303 200 200 200 303 303 303 200
GET  /runs/{id}                          303 303 200 200 200 303 303 303 200
POST /runs/{id}/{action}                 401 401 403 403 403 401 401 401 409
POST /runs/bulk                          401 401 403 403 403 401 401 401 400
GET  /workflows                          303 303 200 200 200 303 303 303 200
GET  /workflows/{id}                     303 303 200 200 200 303 303 303 200
POST /workflows/{id}/runs                401 401 403 404 404 401 401 401 404
GET  /evals                              303 303 403 200 403 303 303 303 403
GET  /attention                          303 303 200 200 200 303 303 303 200
GET  /events                             303 303 200 200 200 303 303 303 200
POST /events/{id}/fire-again             401 401 403 303 303 401 401 401 303
GET  /gates/{id}                         303 303 200 200 200 303 303 303 200
GET  /gates/{id}/sign                    303 303 404 404 404 303 303 303 404
POST /gates/{id}/answer                  401 401 403 409 409 401 401 401 303
GET  /delegations                        303 303 200 200 200 303 303 303 200
POST /delegations                        401 401 403 409 409 401 401 401 409
POST /delegations/{id}/end               401 401 403 404 404 401 401 401 404
GET  /audit                              303 303 200 403 403 303 303 303 200
GET  /schedules                          303 303 200 200 200 303 303 303 200
GET  /schedules/{workflow}               303 303 404 404 404 303 303 303 404
POST /schedules/{workflow}/pause         401 401 403 404 404 401 401 401 404
POST /schedules/{workflow}/resume        401 401 403 404 404 401 401 401 404
POST /schedules/{workflow}/trigger       401 401 403 404 404 401 401 401 404
POST /schedules/{workflow}/backfill      401 401 403 404 404 401 401 401 404
GET  /status                             303 303 200 200 200 303 303 303 200
GET  /live/{*topic}                      303 303 404 404 404 303 303 303 404
POST /sign-out                           401 401 403 303 303 401 401 401 303
";

const SERVICES: [(&str, &[Scope]); 3] = [("none", &[]), ("reader", &[Scope::RunsRead]), ("all", &Scope::ALL)];

struct World {
    console: Console,
    run: RunId,
    /// One to be answered on the page, one through the API.
    gates: [GateId; 2],
    people: BTreeMap<&'static str, Visitor>,
}

impl World {
    async fn start() -> Self {
        let console = Console::with(|site| {
            two_lines(site);
            let readers = vec!["plant_manager".to_owned(), "maintenance_on_call".to_owned()];
            site.access.reading = BTreeMap::from([(Section::Evals, readers)]);
            site.access.service_accounts = SERVICES.iter().map(|(id, scopes)| service(id, scopes)).collect();
        })
        .await;
        let (run, on_page) = seed::three_plans(&console).await;
        let (_, in_api) = seed::three_plans(&console).await;
        let mut people = BTreeMap::from([("nobody", console.visitor())]);
        for (caller, person) in [("expired", "lee"), ("mia", "mia"), ("noor", "noor"), ("sam", "sam")] {
            people.insert(caller, console.signed_in(person).await);
        }
        people.insert("no-csrf", console.signed_in("sam").await);
        let ended = "update session set expires_at = clock_timestamp() where person = 'lee'";
        sqlx::query(ended).execute(console.store.pool()).await.expect("a session ends");
        Self { console, run, gates: [on_page, in_api], people }
    }

    /// A path with things that are there, where looking is enough, and with others where something would be changed.
    fn path(&self, method: &str, route: &str) -> String {
        let [on_page, in_api] = self.gates.map(|gate| gate.to_string());
        let id = match route {
            _ if route.starts_with("/api/gates") => in_api,
            _ if route.starts_with("/gates") => on_page,
            "/workflows/{id}" => "downtime_escalation".into(),
            _ if route.contains("runs/{id}") => self.run.to_string(),
            _ => uuid::Uuid::nil().to_string(),
        };
        let action = if method == "POST" { "dismiss" } else { "" };
        let known = [("{id}", id.as_str()), ("{action}", action), ("{source}", "plant"), ("{*rest}", "x")];
        let more = [("{token}", "x"), ("{workflow}", "nothing"), ("{*path}", "console.css")];
        let path =
            known.iter().chain(&more).fold(route.to_owned(), |path, (name, value)| path.replace(name, value));
        path.replace("{*topic}", "nothing?seen=x")
    }

    async fn ask(&mut self, caller: &str, method: &str, route: &str) -> Page {
        let path = self.path(method, route);
        if SERVICES.iter().any(|(id, _)| *id == caller) {
            return call(&self.console, method, &path, &token_of(caller), None, body(route)).await;
        }
        let visitor = self.people.get_mut(caller).expect("a caller");
        if method == "GET" {
            return visitor.get(&path).await;
        }
        let csrf = match caller {
            "nobody" | "expired" | "no-csrf" => String::new(),
            _ => visitor.get("/me").await.field("csrf"),
        };
        if route.starts_with("/api/") {
            return visitor.post_json(&path, &csrf, &body(route)).await;
        }
        let mut fields = vec![("csrf", csrf.as_str()), ("reason", "a test"), ("action", "cancel")];
        fields.extend([("proposal", "hash-of-the-proposal"), ("decision", "choose"), ("choice", "1")]);
        visitor.post(&path, &fields).await
    }
}

fn body(route: &str) -> Value {
    match route {
        "/api/gates/{id}/answer" => {
            json!({ "decision": "choose", "choice": 1, "proposal_hash": "hash-of-the-proposal" })
        }
        "/api/runs/{id}/{action}" => json!({ "reason": "a test" }),
        "/api/runs/bulk" => json!({ "action": "cancel", "reason": "a test" }),
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_caller_as_the_table_says() {
    let rows = || TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = |row: &'static str| row.split_whitespace().collect::<Vec<_>>();
    let listed: BTreeSet<_> = rows().map(|row| (words(row)[1], words(row)[0])).collect();
    let known: BTreeSet<_> = routes().iter().map(|route| (route.path, route.method)).collect();
    assert_eq!(listed, known, "the table and the router name the same routes");

    let head = TABLE.lines().find(|line| line.starts_with('#')).expect("the callers");
    let callers: Vec<&str> = head.split_whitespace().skip(1).collect();
    let mut world = World::start().await;
    let mut wrong = Vec::new();
    for row in rows() {
        let words = words(row);
        let (method, route, expected) = (words[0], words[1], &words[2..]);
        assert!(expected.len() == 1 || expected.len() == callers.len(), "{row}");
        for (at, caller) in callers.iter().enumerate() {
            let expected = expected.get(at).or(expected.first()).expect("a status");
            let page = world.ask(caller, method, route).await;
            if page.status.as_str() != *expected {
                wrong.push(format!("{method} {route}: {caller} gets {}, not {expected}", page.status));
            }
            assert_ne!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {route}: {}", page.text);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
