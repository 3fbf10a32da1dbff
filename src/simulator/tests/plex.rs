use super::{Caller, Method, SimulatorConfig, StatusCode, Value, json};
use std::collections::{HashMap, HashSet};

const STATUS_ENTRIES: &str = "/plex/production/v1/production-history/workcenter-status-entries";

async fn refused(caller: &Caller, path: &str) -> Value {
    let reply = caller.request(Method::GET, path).send().await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{path}");
    reply.json().await.expect("JSON")
}

#[tokio::test]
async fn history_needs_a_window_of_proper_times() {
    let caller = Caller::start().await;
    let body = refused(&caller, STATUS_ENTRIES).await;
    assert_eq!(body["code"], "REQUEST_VALIDATION_FAILED");
    assert_eq!(body["errors"].as_array().expect("errors").len(), 2, "both missing filters are named");
    for wrong in ["2026-11-23", "2026-11-23T06:00:00", "2026-11-23T06:00:00%2B01:00", "yesterday"] {
        let path = format!("{STATUS_ENTRIES}?beginDate={wrong}&endDate=2026-11-23T12:00:00Z");
        let body = refused(&caller, &path).await;
        assert_eq!(body["errors"][0]["code"], "INVALID_DATE", "{wrong}");
    }
    let window = "beginDate=2026-11-23T04:00Z&endDate=2026-11-23T12:10:00.000Z&noSuchFilter=1";
    let entries = caller.list(&format!("{STATUS_ENTRIES}?{window}&status=Unplanned%20Downtime")).await;
    let machines: HashSet<&str> =
        entries.iter().map(|entry| entry["workcenterCode"].as_str().expect("code")).collect();
    assert_eq!(machines, HashSet::from(["PRESS-4", "PRESS-2", "WELD-2"]));
    for kind in ["production-entries", "scrap-entries", "labor-entries"] {
        let path = format!("/plex/production/v1/production-history/{kind}?{window}");
        assert!(!caller.list(&path).await.is_empty(), "the past shift has {kind}");
    }
}

#[tokio::test]
async fn unknown_resources_and_ids_are_told_apart() {
    let caller = Caller::start().await;
    for (path, status, code) in [
        ("/plex/scheduling/v1/orders", StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND"),
        (
            "/plex/scheduling/v1/jobs/00000000-0000-0000-0000-000000000001",
            StatusCode::NOT_FOUND,
            "RESOURCE_NOT_FOUND",
        ),
        ("/plex/scheduling/v1/jobs/J-1001", StatusCode::BAD_REQUEST, "REQUEST_VALIDATION_FAILED"),
    ] {
        let reply = caller.request(Method::GET, path).send().await.expect("a reply");
        assert_eq!(reply.status(), status, "{path}");
        assert_eq!(reply.json::<Value>().await.expect("JSON")["code"], code, "{path}");
    }
}

#[tokio::test]
async fn filters_repeat_and_narrow() {
    let caller = Caller::start().await;
    let open = caller.list("/plex/scheduling/v1/jobs?jobStatuses=Open&limit=1").await;
    assert_eq!(open.len(), 80, "there is no paging, `limit` is ignored");
    let two = caller.list("/plex/scheduling/v1/jobs?jobNumber=J-1001&jobNumber=J-1002").await;
    assert_eq!(two.len(), 2);
    let tier_a = caller.list("/plex/scheduling/v1/jobs?jobStatuses=Open&priority=A").await;
    assert!(!tier_a.is_empty() && tier_a.len() < open.len());
    let (status, setups) = caller
        .post("/plex/production/v1/control/workcenter-setups", json!({"workcenterGroups": ["WELD"]}))
        .await;
    assert_eq!((status, setups.as_array().map(Vec::len)), (StatusCode::OK, Some(2)));
    let nothing = json!({"workcenterCodes": ["LATHE-1"]});
    let (status, _) = caller.post("/plex/production/v1/control/workcenter-setups", nothing).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn calls_over_the_limit_are_throttled() {
    let caller =
        Caller::with(SimulatorConfig { plex_calls_per_minute: 3, ..SimulatorConfig::default() }).await;
    for _ in 0..3 {
        caller.get("/plex/mdm/v1/tenants").await;
    }
    let reply = caller.request(Method::GET, "/plex/mdm/v1/tenants").send().await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
    caller.get("/cmms/assets").await;
}

#[tokio::test]
async fn a_schedule_write_shows_in_the_next_read() {
    let caller = Caller::start().await;
    let movable = caller.movable().await;
    let body = movable.body(&movable.to, "2026-11-23T15:00:00Z", 155);
    let (status, reply) = caller.post(&movable.path(), body.clone()).await;
    assert_eq!((status, reply), (StatusCode::OK, Value::Null));
    let path = format!(
        "/plex/scheduling/v1-beta1/jobs/{}/operations/{}",
        movable.operation["jobId"].as_str().expect("job"),
        movable.operation["jobOperationId"].as_str().expect("operation")
    );
    let moved = caller.get(&path).await;
    assert_eq!(moved["workcenterCode"], "PRESS-6");
    assert_eq!(moved["scheduledStartDate"], "2026-11-23T15:00:00Z");
    let minutes = moved["setupTime"].as_f64().zip(moved["runTime"].as_f64()).map(|(setup, run)| setup + run);
    assert_eq!(minutes, Some(155.0));
    // An array of one is the same request in the other form; the content is the same, so nothing changes.
    let (status, _) = caller.post(&movable.path(), json!([body])).await;
    assert_eq!(status, StatusCode::OK);
    let other = movable.body(&movable.to, "2026-11-23T15:30:00Z", 155);
    caller.post(&movable.path(), other).await;
    let summary = caller.get("/sim/writes/summary").await;
    let counts =
        ["received", "applied", "repeated", "refused", "duplicate_effects"].map(|name| &summary[name]);
    assert_eq!(counts, [&json!(3), &json!(2), &json!(1), &json!(0), &json!(1)]);
    assert_eq!(summary["keys"][0]["takt_key"], "key-1");
}

#[tokio::test]
async fn a_schedule_write_is_checked_before_anything_changes() {
    let caller = Caller::start().await;
    let movable = caller.movable().await;
    let before = caller.list("/plex/scheduling/v1/job-operations").await;
    let running =
        before.iter().find(|operation| operation["jobOperationStatus"] == "In Process").expect("running");
    let mut foreign = movable.body(&movable.to, "2026-11-23T15:00:00Z", 100);
    foreign["jobOperationId"] = running["jobOperationId"].clone();
    let good = movable.body(&movable.to, "2026-11-23T15:00:00Z", 100);
    for (body, code) in [
        (movable.body(&movable.packing, "2026-11-23T15:00:00Z", 100), "WORKCENTER"),
        (movable.body(&movable.to, "2026-11-23T11:00:00Z", 100), "START_DATE_TIME"),
        (movable.body(&movable.to, "2026-11-23T15:00:00Z", 0), "RUN_LENGTH"),
        (foreign.clone(), "JOB_OPERATION"),
        (json!([good, foreign]), "JOB_OPERATION"),
        (json!([]), "REQUIRED"),
    ] {
        let (status, reply) = caller.post(&movable.path(), body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(reply["errors"][0]["code"], code);
    }
    let (status, reply) = caller.post(&movable.path(), json!({"jobOperationId": "?"})).await;
    assert_eq!((status, reply["code"].as_str()), (StatusCode::BAD_REQUEST, Some("REQUEST_MALFORMED")));
    let job = running["jobId"].as_str().expect("job");
    let mut of_running =
        movable.body(running["workcenterId"].as_str().expect("machine"), "2026-11-23T15:00:00Z", 100);
    of_running["jobOperationId"] = running["jobOperationId"].clone();
    let path = format!("/plex/scheduling/v1/jobs/{job}/operations-schedule");
    let (status, reply) = caller.post(&path, of_running).await;
    assert_eq!(
        (status, &reply["errors"][0]["code"]),
        (StatusCode::BAD_REQUEST, &json!("JOB_OPERATION_STATUS"))
    );
    let starts = |rows: &[Value]| -> HashMap<String, (String, String)> {
        let text = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
        rows.iter()
            .map(|row| {
                let place = (text(row, "workcenterCode"), text(row, "scheduledStartDate"));
                (text(row, "jobOperationId"), place)
            })
            .collect()
    };
    let after = caller.list("/plex/scheduling/v1/job-operations").await;
    assert_eq!(starts(&after), starts(&before));
    let summary = caller.get("/sim/writes/summary").await;
    assert_eq!((&summary["applied"], &summary["refused"]), (&json!(0), &json!(8)));
}

#[tokio::test]
async fn a_job_on_hold_is_not_scheduled_until_it_is_released() {
    let caller = Caller::start().await;
    let movable = caller.movable().await;
    let job = movable.operation["jobId"].as_str().expect("job").to_owned();
    let hold = format!("/plex/scheduling/v1-beta1/jobs/{job}/hold");
    assert_eq!(caller.post(&hold, json!(null)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(caller.get(&format!("/plex/scheduling/v1/jobs/{job}")).await["jobStatus"], "Hold");
    let body = movable.body(&movable.to, "2026-11-23T15:00:00Z", 100);
    assert_eq!(caller.post(&movable.path(), body.clone()).await.0, StatusCode::BAD_REQUEST);
    let release = format!("/plex/scheduling/v1-beta1/jobs/{job}/release-hold");
    assert_eq!(caller.post(&release, json!(null)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(caller.post(&movable.path(), body).await.0, StatusCode::OK);
}

#[tokio::test]
async fn dates_of_orders_and_jobs_can_be_changed() {
    let caller = Caller::start().await;
    let path = "/plex/sales/v1/releases?releaseNumber=SO-4001-1";
    let release = caller.list(path).await.remove(0);
    let put = format!("/plex/sales/v1/releases/{}", release["id"].as_str().expect("id"));
    let change = json!({"shipDate": "2026-11-25T22:00:00Z", "note": "agreed by phone"});
    let (status, changed) = caller.send(Method::PUT, &put, &change).await;
    assert_eq!((status, &changed["shipDate"]), (StatusCode::OK, &json!("2026-11-25T22:00:00Z")));
    assert_eq!(caller.list(path).await[0]["note"], "agreed by phone");
    assert_eq!(changed["dueDate"], release["dueDate"], "what is not given stays");

    let job = caller.list("/plex/scheduling/v1/jobs?jobNumber=J-1001").await.remove(0);
    let put = format!("/plex/scheduling/v1/jobs/{}", job["id"].as_str().expect("id"));
    let (status, _) = caller.send(Method::PUT, &put, &json!({"priority": "C"})).await;
    assert_eq!((status, &caller.get(&put).await["priority"]), (StatusCode::OK, &json!("C")));

    let release = caller.list("/plex/purchasing/v2-beta1/releases?status=Open").await.remove(0);
    let put = format!("/plex/purchasing/v2-beta1/releases/{}", release["id"].as_str().expect("id"));
    let (status, changed) = caller.send(Method::PUT, &put, &json!({"note": "expedited"})).await;
    assert_eq!((status, &changed["note"]), (StatusCode::OK, &json!("expedited")));
}

#[tokio::test]
async fn a_handover_note_is_kept_once_under_its_identifier() {
    let caller = Caller::start().await;
    let path = "/plex/platform/custom-objects/v1/data/ShiftHandover";
    let note = json!({"recordIdentifier": "run-1", "customFields": {"shift": "A", "note": "PRESS-4 down"}});
    let (status, created) = caller.post(path, note.clone()).await;
    assert_eq!((status, &created["recordIdentifier"]), (StatusCode::CREATED, &json!("run-1")));
    let (status, again) = caller.post(path, note).await;
    assert_eq!((status, &again["code"]), (StatusCode::BAD_REQUEST, &json!("ARGUMENT_INVALID")));
    let search =
        json!({"fieldValueSearchFilters": [{"fieldName": "shift", "operation": "Equals", "operand": "A"}]});
    let (status, found) = caller.post(&format!("{path}/search"), search).await;
    assert_eq!((status, found.as_array().map(Vec::len)), (StatusCode::OK, Some(1)));
    let other = json!({"recordIdentifiers": ["run-2"]});
    assert_eq!(caller.post(&format!("{path}/search"), other).await.1, json!([]));
    let id = created["id"].as_str().expect("id");
    let change = json!({"customFields": {"note": "PRESS-4 runs again"}});
    let (status, changed) = caller.send(Method::PUT, &format!("{path}/{id}"), &change).await;
    assert_eq!((status, &changed["customFields"]["shift"]), (StatusCode::OK, &json!("A")));
}

#[tokio::test]
async fn every_system_tells_of_the_same_plant() {
    let caller = Caller::start().await;
    let ids = |rows: &[Value], name: &str| -> HashSet<String> {
        rows.iter().map(|row| row[name].as_str().expect("text").to_owned()).collect()
    };
    let parts = ids(&caller.list("/plex/mdm/v1/parts").await, "id");
    let jobs = caller.list("/plex/scheduling/v1/jobs?jobStatuses=Open").await;
    assert!(ids(&jobs, "partId").is_subset(&parts));
    let releases = caller.list("/plex/sales/v1/releases").await;
    assert!(ids(&jobs, "externalJobCode").is_subset(&ids(&releases, "releaseNumber")));

    let orders = caller.get("/erp/api/resource/Sales%20Order?fields=[\"*\"]&limit_page_length=0").await;
    let orders = orders["data"].as_array().expect("orders").clone();
    let tiers: HashMap<&str, &str> = orders
        .iter()
        .map(|order| (order["name"].as_str().expect("name"), order["custom_tier"].as_str().expect("tier")))
        .collect();
    for job in &jobs {
        let order = job["externalJobCode"].as_str().and_then(|code| code.strip_suffix("-1")).expect("order");
        assert_eq!(job["priority"], tiers[order], "the job has the tier of its customer");
    }

    let people = caller.list("/plex/mdm/v1/employees").await;
    for user in ["mia", "sam", "lee", "ana", "pat", "ivo", "noor", "gus"] {
        assert!(people.iter().any(|person| person["userId"] == user), "{user} works here");
    }
    for person in people {
        let badge = person["badgeNumber"].as_str().expect("badge");
        caller.get(&format!("/erp/api/resource/Employee%20Skill%20Map/{badge}")).await;
    }
    let equipment = caller.list("/plex/maintenance/v1/equipment").await;
    for machine in equipment {
        let asset = machine["equipmentId"].as_str().expect("equipment");
        assert_eq!(caller.get(&format!("/cmms/assets/{asset}")).await["name"], machine["workcenter"]);
    }
    let notices = caller.get("/portal/api/asns").await;
    for release in caller.list("/plex/purchasing/v2-beta1/releases?status=Open").await {
        let notice = notices["asns"]
            .as_array()
            .expect("asns")
            .iter()
            .find(|notice| notice["po_number"] == release["poNumber"]);
        assert_eq!(notice.expect("a ship notice")["part"], release["partNumber"]);
        let order = release["poNumber"].as_str().expect("po");
        caller.get(&format!("/erp/api/resource/Purchase%20Order/{order}")).await;
    }
}
