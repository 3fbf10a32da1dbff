//! The listening server from outside, over real HTTP, as Takt's connectors see it.

mod events;
mod faults;
mod memory;
mod peers;
mod plex;

use super::{Handle, Simulator, SimulatorConfig, StartError};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A running plant and a caller with all its keys.
struct Caller {
    plant: Handle,
    client: reqwest::Client,
}

impl Caller {
    async fn start() -> Self {
        Self::with(SimulatorConfig::default()).await
    }

    async fn with(config: SimulatorConfig) -> Self {
        let plant = Simulator::start(config).await.expect("a free port");
        Self { plant, client: reqwest::Client::builder().no_proxy().build().expect("client") }
    }

    /// A request without credentials.
    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.plant.base_url))
    }

    /// A request with the demo's credentials of whatever system the path is of.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.bare(method, path);
        match path.split('/').nth(1) {
            Some("plex") => request.header("X-Plex-Connect-Api-Key", "sim-plex-key"),
            Some("cmms") => request.header("x-api-key", "sim-cmms-key"),
            Some("tickets") => request.basic_auth("takt", Some("sim-tickets-password")),
            Some("erp") => request.header("Authorization", "token sim-erp-key:sim-erp-secret"),
            Some("portal") => request.bearer_auth("sim-portal-token"),
            Some("andon") => request.bearer_auth("sim-andon-token"),
            _ => request,
        }
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.request(Method::GET, path).send().await.expect("a reply");
        assert_eq!(reply.status(), StatusCode::OK, "GET {path}");
        reply.json().await.expect("JSON")
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        match self.get(path).await {
            Value::Array(rows) => rows,
            other => panic!("{path} gave {other}"),
        }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send_keyed(method, path, body, "key-1").await
    }

    async fn send_keyed(&self, method: Method, path: &str, body: &Value, key: &str) -> (StatusCode, Value) {
        let request = self.request(method, path).header("X-Takt-Key", key).json(body);
        let reply = request.send().await.expect("a reply");
        let status = reply.status();
        (status, reply.json().await.unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, &body).await
    }

    /// A job operation on PRESS-4 that has not begun and may run on PRESS-6 too.
    async fn movable(&self) -> Movable {
        let machines = self.list("/plex/production/v1/production-definitions/workcenters").await;
        let id = |code: &str| {
            let machine = machines.iter().find(|machine| machine["workcenterCode"] == code).expect("machine");
            machine["workcenterId"].as_str().expect("id").to_owned()
        };
        let (from, to) = (id("PRESS-4"), id("PRESS-6"));
        let routes = self.list("/plex/mdm/v1/part-operations?operationCode=PRESS").await;
        let path =
            format!("/plex/scheduling/v1/job-operations?workcenterId={from}&jobOperationStatus=Scheduled");
        for operation in self.list(&path).await {
            let route =
                routes.iter().find(|route| route["id"] == operation["partOperationId"]).expect("route");
            let approved = route["approvedWorkcenters"].as_array().expect("approved");
            if approved.iter().any(|approved| approved["workcenterId"] == to.as_str()) {
                return Movable { operation, to, packing: id("PACK-1") };
            }
        }
        panic!("nothing on PRESS-4 may go to PRESS-6");
    }
}

struct Movable {
    operation: Value,
    to: String,
    packing: String,
}

impl Movable {
    fn path(&self) -> String {
        format!(
            "/plex/scheduling/v1/jobs/{}/operations-schedule",
            self.operation["jobId"].as_str().expect("job")
        )
    }

    fn body(&self, work_center: &str, start: &str, minutes: i64) -> Value {
        json!({
            "jobOperationId": self.operation["jobOperationId"], "jobOperationStatus": "Scheduled",
            "scheduleDetails": [{"workcenterId": work_center, "startDateTime": start, "runLength": minutes}],
        })
    }
}

#[tokio::test]
async fn every_system_asks_for_its_credentials() {
    let caller = Caller::start().await;
    for (path, code) in [
        ("/plex/mdm/v1/tenants", "REQUEST_NOT_AUTHENTICATED"),
        ("/cmms/assets", "Invalid API key"),
        ("/tickets/api/now/table/incident", "User Not Authenticated"),
        ("/erp/api/resource/Supplier", "AuthenticationError"),
        ("/portal/api/asns", "unauthorized"),
        ("/andon/api/calls", "unauthorized"),
    ] {
        let reply = caller.bare(Method::GET, path).send().await.expect("a reply");
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{path}");
        let body = reply.text().await.expect("body");
        assert!(body.contains(code), "{path} says {body}");
        caller.get(path).await;
    }
    let query = caller.bare(Method::GET, "/plex/mdm/v1/tenants?X-Plex-Connect-Api-Key=sim-plex-key");
    let reply = query.send().await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "the key counts in the header only");
    caller.plant.stop().await;
}

#[tokio::test]
async fn the_clock_runs_and_goes_forward_only() {
    let caller = Caller::start().await;
    let (status, body) = caller.post("/sim/clock", json!({"now": "2026-11-23T14:00:00Z"})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body["now"].as_str().expect("now").starts_with("2026-11-23T14:00:0"));
    let (status, _) = caller.post("/sim/clock", json!({"advance_seconds": 3600})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(caller.get("/sim/clock").await["now"].as_str().expect("now").starts_with("2026-11-23T15:00:0"));
    let (status, body) = caller.post("/sim/clock", json!({"now": "2026-11-23T12:00:00Z"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["error"].as_str().expect("error").contains("forward only"));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = Simulator::start(SimulatorConfig::default()).await.expect("a free port");
    let second = Simulator::start(SimulatorConfig { listen: first.addr, ..SimulatorConfig::default() }).await;
    let error = second.err().expect("the port is taken");
    assert!(matches!(error, StartError::PortTaken(address) if address == first.addr));
    assert!(error.to_string().contains(&first.addr.port().to_string()));
    first.stop().await;
}

#[tokio::test]
async fn stopping_closes_the_port() {
    let plant = Simulator::start(SimulatorConfig::default()).await.expect("a free port");
    let addr = plant.addr;
    plant.stop().await;
    let again = Simulator::start(SimulatorConfig { listen: addr, ..SimulatorConfig::default() }).await;
    assert!(again.is_ok(), "the port is free again");
}
