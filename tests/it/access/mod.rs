//! Who gets in, how far they reach, and what proves it: single sign-on, roles, service accounts, signatures, links.

mod hostile;
mod limits;
mod links;
mod matrix;
mod oidc;
mod pages;
mod programs;
mod reach;
mod signing;

use crate::support::{
    console::{Console, Page},
    seed::{self, Question},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use takt::{
    gate::hash_of,
    run::GateId,
    site::{Claim, Oidc, Reach, Scope, ServiceAccount, Site},
    store::audit,
    workflow::GateForm,
};

/// What `takt.yaml` would say of a provider at this address.
fn provider(issuer: &str, claim: Claim) -> Oidc {
    Oidc {
        title: "Plant SSO".into(),
        issuer: issuer.to_owned(),
        client_id: "takt".into(),
        client_secret: Some(SecretString::from("a secret: 100%".to_owned())),
        claim,
        scopes: vec!["openid".into(), "email".into()],
    }
}

/// The token of a test's service account is its name.
fn service(id: &str, scopes: &[Scope]) -> ServiceAccount {
    ServiceAccount {
        id: id.to_owned(),
        title: id.to_owned(),
        token_hash: hash_of(&token_of(id)).into(),
        scopes: scopes.iter().copied().collect(),
        workflows: BTreeSet::new(),
        reach: Reach::default(),
    }
}

fn token_of(id: &str) -> String {
    format!("token-of-{id}")
}

/// Two lines; Noor is the supervisor of the other one.
fn two_lines(site: &mut Site) {
    let line = |title: &str, at: &[&str]| takt::site::Line {
        title: title.to_owned(),
        work_centers: at.iter().map(|at| (*at).to_owned()).collect(),
    };
    site.access.lines = BTreeMap::from([
        ("L1".to_owned(), line("Press line", &["PRESS-4", "PRESS-6"])),
        ("L2".to_owned(), line("Weld line", &["WELD-1"])),
    ]);
    let reach = Reach { lines: BTreeSet::from(["L2".to_owned()]), ..Reach::default() };
    for person in site.people.iter_mut().filter(|person| person.id == "noor") {
        // On shift all day, so that only the line is in the way.
        person.shifts.clear();
        person.reach.insert("production_supervisor".into(), reach.clone());
    }
}

/// A question that wants a signature.
async fn release(console: &Console) -> GateId {
    let (run, _) = seed::three_plans(console).await;
    let ask = json!({
        "title": "Release lot L-77", "body": "All checks are good.", "options": [], "items": [], "draft": null,
        "allow": ["approve", "reject"], "sign": "I release this lot for shipment", "workflow": "downtime_escalation",
        "step": "release", "role_title": "Production supervisor", "subject": "PRESS-4",
    });
    let question = Question {
        path: "release",
        form: GateForm::Approve,
        role: "production_supervisor",
        ask,
        minutes: 15,
    };
    seed::ask(console, run, question).await
}

async fn call(
    console: &Console,
    method: &str,
    path: &str,
    token: &str,
    person: Option<&str>,
    body: Value,
) -> Page {
    let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let url = format!("{}{path}", console.url);
    let mut request = client.expect("a client").request(method.clone(), url).bearer_auth(token);
    if (path.starts_with("/api/") || path == "/mcp") && method != reqwest::Method::GET {
        request = request.json(&body);
    } else if method != reqwest::Method::GET {
        // A page takes forms, also from a program that has no business there.
        request = request.form(&body);
    }
    if let Some(person) = person {
        request = request.header("x-takt-person", person);
    }
    Page::of(request.send().await.expect("an answer")).await
}

/// The newest entries of the audit: actor, action and cause.
async fn newest(console: &Console) -> (String, String, Value) {
    let mut db = console.store.connection().await.expect("a connection");
    let entry = audit::recent(&mut db, 1).await.expect("the audit").pop().expect("an entry");
    (entry.actor, entry.action, entry.detail)
}
