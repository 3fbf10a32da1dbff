use super::{Caller, SimulatorConfig, StatusCode, Value, json};
use crate::simulator::events::Signer;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode as AxumStatus},
    routing::post,
};
use standardwebhooks::Webhook;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};

/// A receiver that answers with the given statuses, then 202, and passes on what it got.
struct Receiver {
    url: String,
    deliveries: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
}

impl Receiver {
    async fn answering(statuses: Vec<AxumStatus>) -> Self {
        let (sender, deliveries) = mpsc::unbounded_channel();
        let statuses = Arc::new(Mutex::new(statuses.into_iter()));
        let app = Router::new().route(
            "/hooks/plant",
            post(move |headers: HeaderMap, body: Bytes| {
                let (sender, statuses) = (sender.clone(), Arc::clone(&statuses));
                async move {
                    sender.send((headers, body)).expect("the test listens");
                    statuses.lock().await.next().unwrap_or(AxumStatus::ACCEPTED)
                }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hooks/plant", listener.local_addr().expect("address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, deliveries }
    }

    async fn next(&mut self) -> (HeaderMap, Value) {
        let received = tokio::time::timeout(Duration::from_secs(10), self.deliveries.recv()).await;
        let (headers, body) = received.expect("an event in time").expect("the receiver runs");
        let webhook = Webhook::new(SimulatorConfig::DEMO_WEBHOOK_SECRET).expect("secret");
        webhook.verify(&body, &headers).expect("the official library accepts the signature");
        (headers, serde_json::from_slice(&body).expect("JSON"))
    }
}

async fn caller_for(receiver: &Receiver) -> Caller {
    Caller::with(SimulatorConfig { target: Some(receiver.url.clone()), ..SimulatorConfig::default() }).await
}

/// The vector of the Standard Webhooks specification.
#[test]
fn signatures_are_the_ones_of_the_specification() {
    let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("secret");
    let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert!(Signer::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_err());
}

#[tokio::test]
async fn a_machine_goes_down_in_every_system_and_says_so() {
    let mut receiver = Receiver::answering(vec![]).await;
    let caller = caller_for(&receiver).await;
    let down =
        json!({"event": "machine_down", "work_center": "PRESS-4", "reason_text": "hydraulic pressure lost"});
    let (status, fired) = caller.post("/sim/fire", down.clone()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let (headers, event) = receiver.next().await;
    assert_eq!(event, fired["event"]);
    assert_eq!(headers["webhook-id"], event["id"].as_str().expect("id"));
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    assert_eq!([&event["type"], &event["subject"]], [&json!("plex.work_center_status"), &json!("PRESS-4")]);
    let told = ["status", "planned", "criticality", "equipment_id", "area"].map(|name| &event["data"][name]);
    assert_eq!(told, [&json!("DOWN"), &json!(false), &json!("A"), &json!("EQ-4"), &json!("Press shop")]);
    assert!(
        event["time"].as_str().is_some_and(|time| time.starts_with("2026-11-23T12:10")),
        "the plant's time"
    );

    let press_4 = json!({"workcenterCodes": ["PRESS-4"]});
    let setups = "/plex/production/v1/control/workcenter-setups";
    let (_, machine) = caller.post(setups, press_4.clone()).await;
    assert_eq!(machine[0]["statusDescription"], "Unplanned Downtime");
    assert_eq!(caller.get("/cmms/assets/EQ-4").await["status"], "DOWN");
    assert_eq!(caller.list("/cmms/asset-downtimes/asset/EQ-4").await[0]["duration"], Value::Null);
    let calls = caller.get("/andon/api/calls?open=true&work_center=PRESS-4").await;
    assert_eq!(
        (&calls["calls"][0]["line_stop"], calls["calls"].as_array().map(Vec::len)),
        (&json!(true), Some(1))
    );
    assert_eq!(caller.post("/sim/fire", down).await.0, StatusCode::CONFLICT, "it is down already");

    let (status, _) =
        caller.post("/sim/fire", json!({"event": "machine_up", "work_center": "PRESS-4"})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(receiver.next().await.1["data"]["status"], "RUNNING");
    assert_eq!(caller.post(setups, press_4).await.1[0]["statusDescription"], "Production");
    assert_eq!(caller.get("/cmms/assets/EQ-4").await["status"], "OPERATIONAL");
    let calls = caller.get("/andon/api/calls?open=true&work_center=PRESS-4").await;
    assert_eq!(calls["calls"], json!([]));
    caller.plant.stop().await;
}

#[tokio::test]
async fn an_event_is_posted_until_it_is_taken() {
    let refusals = vec![AxumStatus::SERVICE_UNAVAILABLE, AxumStatus::UNAUTHORIZED];
    let mut receiver = Receiver::answering(refusals).await;
    let caller = caller_for(&receiver).await;
    let (_, fired) = caller.post("/sim/fire", json!({"event": "shift_end"})).await;
    for _ in 0..3 {
        assert_eq!(receiver.next().await.1["id"], fired["event_id"]);
    }
    let posting = loop {
        let posting = caller.get("/sim/events").await["events"][0].clone();
        if posting["delivered_at"].is_string() {
            break posting;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&posting["attempts"], &posting["last_status"]), (&json!(3), &json!(202)));
    caller.plant.stop().await;
}

#[tokio::test]
async fn events_can_be_doubled_late_and_old() {
    let mut receiver = Receiver::answering(vec![]).await;
    let caller = Caller::start().await;
    let firing = json!({"event": "andon_call", "work_center": "WELD-1", "category": "quality", "text": "spatter",
        "copies": 2, "delay_seconds": 0.2, "age_seconds": 600});
    caller.post("/sim/fire", firing).await;
    // Nobody listens yet: the event waits for its target.
    let (status, _) = caller.post("/sim/target", json!({"url": receiver.url})).await;
    assert_eq!(status, StatusCode::OK);
    let (first, second) = (receiver.next().await.1, receiver.next().await.1);
    assert_eq!(first, second, "a duplicate is the same event");
    assert!(first["time"].as_str().is_some_and(|time| time.starts_with("2026-11-23T12:00")));
    let call = first["data"]["call_id"].as_str().expect("call");
    let calls = caller.get("/andon/api/calls?open=true&work_center=WELD-1").await;
    assert_eq!(
        calls["calls"].as_array().map(|calls| calls.iter().any(|known| known["id"] == call)),
        Some(true)
    );
    caller.plant.stop().await;
}

#[tokio::test]
async fn a_late_delivery_is_late_everywhere_until_it_arrives() {
    let mut receiver = Receiver::answering(vec![]).await;
    let caller = caller_for(&receiver).await;
    caller.post("/sim/fire", json!({"event": "supplier_delay", "days_late": 6})).await;
    let event = receiver.next().await.1;
    let data = &event["data"];
    assert_eq!(
        [&event["type"], &data["part"], &data["days_late"]],
        [&json!("supplier.asn_delayed"), &json!("FST-3050"), &json!(6)]
    );
    let po = data["po_number"].as_str().expect("po");
    let releases = caller.list("/plex/purchasing/v2-beta1/releases?status=Open").await;
    let release = releases.iter().find(|release| release["poNumber"] == po).expect("release");
    assert_eq!((&release["dueDate"], &release["originalDueDate"]), (&data["new_eta"], &data["original_eta"]));
    let notice = caller.get(&format!("/portal/api/asns?po={po}")).await["asns"][0].clone();
    assert_eq!(
        (&notice["status"], &notice["eta"], &notice["days_late"]),
        (&json!("delayed"), &data["new_eta"], &json!(6))
    );

    let stock = async || -> f64 {
        let rows =
            caller.list("/plex/inventory/v1/inventory-tracking/containers?inventoryType=Component").await;
        let of_part = rows.iter().filter(|row| row["partNo"] == "FST-3050");
        of_part.filter_map(|row| row["quantity"].as_f64()).sum()
    };
    let before = stock().await;
    caller.post("/sim/fire", json!({"event": "goods_receipt", "po": po})).await;
    let receipt = receiver.next().await.1;
    assert_eq!(Some(stock().await - before), receipt["data"]["qty"].as_f64());
    let order = caller.get(&format!("/erp/api/resource/Purchase%20Order/{po}")).await;
    assert_eq!(order["data"]["status"], "Completed");
    assert_eq!(
        caller.post("/sim/fire", json!({"event": "goods_receipt", "po": po})).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_quality_hold_blocks_stock_and_names_the_jobs() {
    let mut receiver = Receiver::answering(vec![]).await;
    let caller = caller_for(&receiver).await;
    let hold = json!({"event": "quality_hold", "part": "COIL-3012", "reason_text": "rust"});
    assert_eq!(caller.post("/sim/fire", hold).await.0, StatusCode::ACCEPTED);
    let data = receiver.next().await.1["data"].clone();
    assert!(data["qty"].as_f64() > Some(0.0) && !data["job_numbers"].as_array().expect("jobs").is_empty());
    let open = caller.list("/plex/quality/v1/deviations?deviationStatus=Open").await;
    assert!(open.iter().any(|deviation| deviation["deviationNo"] == data["deviation_no"]));
    let blocked = caller.list("/plex/inventory/v1/inventory-tracking/containers?location=QUARANTINE").await;
    assert!(blocked.iter().any(|container| container["partNo"] == "COIL-3012"));
    let unknown = json!({"event": "quality_hold", "part": "XX-1", "reason_text": "?"});
    assert_eq!(caller.post("/sim/fire", unknown).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_machine_told_to_recover_comes_back_after_the_schedule_write() {
    let mut receiver = Receiver::answering(vec![]).await;
    let caller = caller_for(&receiver).await;
    caller.post("/sim/fire", json!({"event": "machine_down", "work_center": "PRESS-4"})).await;
    receiver.next().await;
    let (status, _) =
        caller.post("/sim/auto_recover", json!({"work_center": "PRESS-4", "after_seconds": 0.1})).await;
    assert_eq!(status, StatusCode::OK);
    let movable = caller.movable().await;
    let body = movable.body(&movable.to, "2026-11-23T15:00:00Z", 155);
    assert_eq!(caller.post(&movable.path(), body).await.0, StatusCode::OK);
    let up = receiver.next().await.1;
    assert_eq!((&up["subject"], &up["data"]["status"]), (&json!("PRESS-4"), &json!("RUNNING")));
}

#[tokio::test]
async fn what_a_stopped_machine_interrupted_may_go_elsewhere() {
    let caller = Caller::start().await;
    caller.post("/sim/fire", json!({"event": "machine_down", "work_center": "PRESS-4"})).await;
    let movable = caller.movable().await;
    let press_4 = movable.operation["workcenterId"].as_str().expect("id");
    let path =
        format!("/plex/scheduling/v1/job-operations?workcenterId={press_4}&jobOperationStatus=In%20Process");
    let interrupted = caller.list(&path).await.remove(0);
    let mut body = movable.body(&movable.to, "2026-11-23T12:20:00Z", 155);
    body["jobOperationId"] = interrupted["jobOperationId"].clone();
    let path = format!(
        "/plex/scheduling/v1/jobs/{}/operations-schedule",
        interrupted["jobId"].as_str().expect("job")
    );
    assert_eq!(caller.post(&path, body).await.0, StatusCode::OK);
    let moved = format!(
        "/plex/scheduling/v1/job-operations?jobOperationId={}",
        interrupted["jobOperationId"].as_str().expect("id")
    );
    let moved = caller.list(&moved).await.remove(0);
    assert_eq!(
        (&moved["workcenterCode"], &moved["jobOperationStatus"]),
        (&json!("PRESS-6"), &json!("Scheduled"))
    );
}
