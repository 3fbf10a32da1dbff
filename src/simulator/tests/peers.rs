use super::{Caller, Method, StatusCode, Value, json};

#[tokio::test]
async fn the_cmms_knows_what_happened_to_press_4() {
    let caller = Caller::start().await;
    let history = caller.list("/cmms/work-orders/asset/EQ-4").await;
    let hydraulic = history.iter().filter(|order| order["category"]["name"] == "Hydraulic").count();
    assert!(hydraulic >= 4 && history.iter().any(|order| order["status"] == "OPEN"));
    let created: Vec<&str> = history.iter().map(|order| order["createdAt"].as_str().expect("time")).collect();
    assert!(created.is_sorted_by(|earlier, later| earlier >= later), "newest first");
    assert!(!caller.list("/cmms/asset-downtimes/asset/EQ-4").await.is_empty());
    let overdue = caller.list("/cmms/tooling?setupFamily=DIE-C&workCenter=PRESS-5").await;
    assert_eq!(overdue.len(), 1);
    assert!(overdue[0]["calibrationDueDate"].as_str() < Some("2026-11-23"));
    assert_eq!(caller.list("/cmms/pm-windows?asset=EQ-2").await.len(), 1);
}

#[tokio::test]
async fn work_orders_are_created_changed_and_searched() {
    let caller = Caller::start().await;
    let body =
        json!({"title": "Hydraulics", "priority": "HIGH", "asset": {"id": "EQ-4"}, "location": {"id": 3}});
    let (status, order) = caller.post("/cmms/work-orders", body).await;
    assert_eq!(
        (status, &order["status"], &order["location"]["id"]),
        (StatusCode::OK, &json!("OPEN"), &json!(3))
    );
    let path = format!("/cmms/work-orders/{}", order["id"]);
    let (status, done) =
        caller.send(Method::PATCH, &path, &json!({"status": "COMPLETE", "feedback": "hose"})).await;
    assert_eq!((status, &done["feedback"]), (StatusCode::OK, &json!("hose")));
    assert!(done["completedOn"].is_string());
    let (status, _) = caller.send(Method::PATCH, &path, &json!({"status": "COMPLETE"})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = caller.send(Method::PATCH, &path, &json!({"status": "BROKEN"})).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    let (status, _) = caller.post("/cmms/work-orders", json!({"title": "?", "asset": {"id": "EQ-99"}})).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    let search = json!({"filterFields": [
        {"field": "status", "operation": "in", "values": ["OPEN", "IN_PROGRESS"]},
        {"field": "asset", "operation": "eq", "value": "EQ-4"}], "pageNum": 0, "pageSize": 50});
    let (_, page) = caller.post("/cmms/work-orders/search", search).await;
    assert_eq!(
        (&page["totalElements"], &page["content"][0]["asset"]["name"]),
        (&json!(1), &json!("PRESS-4"))
    );
    let summary = caller.get("/sim/writes/summary").await;
    assert_eq!(
        [&summary["applied"], &summary["repeated"], &summary["refused"]],
        [&json!(2), &json!(1), &json!(2)]
    );
}

#[tokio::test]
async fn incidents_are_found_by_what_they_belong_to() {
    let caller = Caller::start().await;
    let table = "/tickets/api/now/table/incident";
    let body =
        json!({"short_description": "PRESS-4 down", "urgency": 1, "impact": "2", "correlation_id": "run-1"});
    let (status, created) = caller.post(table, body.clone()).await;
    let incident = &created["result"];
    assert_eq!(
        (status, &incident["number"], &incident["priority"]),
        (StatusCode::CREATED, &json!("INC0010001"), &json!("2"))
    );
    // The real table takes a correlation id twice: who wants one incident must look first.
    caller.post(table, body).await;
    let query = format!("{table}?sysparm_query=correlation_id=run-1^state!=7&sysparm_fields=number");
    assert_eq!(
        caller.get(&query).await["result"],
        json!([{"number": "INC0010001"}, {"number": "INC0010002"}])
    );
    assert_eq!(
        caller.get(&format!("{query}&sysparm_limit=1")).await["result"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(caller.get("/sim/writes/summary").await["duplicate_effects"], 1);

    let path = format!("{table}/{}", incident["sys_id"].as_str().expect("id"));
    for note in ["first", "second"] {
        caller.send(Method::PATCH, &path, &json!({"work_notes": note})).await;
    }
    assert_eq!(caller.get(&path).await["result"]["work_notes"], "first\nsecond");
    let (status, _) = caller.send(Method::PATCH, &path, &json!({"state": "7"})).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "closing needs a code and notes");
    let close = json!({"state": "7", "close_code": "Solved (Permanently)", "close_notes": "hose replaced"});
    let (status, closed) = caller.send(Method::PATCH, &path, &close).await;
    assert_eq!(status, StatusCode::OK);
    assert!(closed["result"]["closed_at"].as_str().is_some_and(|at| at.starts_with("2026-11-23 12:")));
    assert_eq!(caller.get(&query).await["result"], json!([{"number": "INC0010002"}]));
    let missing = caller.request(Method::GET, &format!("{table}/0000")).send().await.expect("a reply");
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_of_the_erp_select_like_frappe() {
    let caller = Caller::start().await;
    let resource = |doctype: &str, query: &str| format!("/erp/api/resource/{doctype}?{query}");
    let names = caller.get(&resource("Supplier", "")).await;
    assert_eq!(names["data"][0], json!({"name": "S-101"}), "only the name without `fields`");
    let sources = resource(
        "Item%20Supplier",
        "filters=[[\"parent\",\"=\",\"FST-3050\"],[\"custom_lead_time_days\",\"<\",10]]&fields=[\"supplier\"]&order_by=supplier desc",
    );
    assert_eq!(caller.get(&sources).await["data"], json!([{"supplier": "S-106"}, {"supplier": "S-105"}]));
    let page = resource("Sales%20Order", "filters={\"status\":[\"like\",\"To%25\"]}");
    assert_eq!(
        caller.get(&page).await["data"].as_array().map(Vec::len),
        Some(20),
        "twenty rows are the default"
    );
    let all = caller.get(&resource("Sales%20Order", "limit_page_length=0&fields=[\"*\"]")).await;
    assert!(all["data"].as_array().is_some_and(|rows| rows.len() >= 80));
    assert!(all["data"][0].get("items").is_none(), "lists hold no child tables");
    let one = caller.get("/erp/api/resource/Sales%20Order/SO-4001").await;
    assert_eq!(one["data"]["items"].as_array().map(Vec::len), Some(1));
    for (path, status) in [
        (resource("Spaceship", ""), StatusCode::NOT_FOUND),
        (resource("Supplier", "filters=nonsense"), StatusCode::EXPECTATION_FAILED),
        ("/erp/api/resource/Supplier/S-999".to_owned(), StatusCode::NOT_FOUND),
    ] {
        let reply = caller.request(Method::GET, &path).send().await.expect("a reply");
        assert_eq!(reply.status(), status, "{path}");
    }
    let (status, _) = caller.post("/erp/api/resource/Supplier", json!({"name": "S-999"})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_material_request_is_made_once_per_key() {
    let caller = Caller::start().await;
    let path = "/erp/api/resource/Material%20Request";
    let body = json!({"schedule_date": "2026-11-27", "custom_supplier": "S-105", "custom_takt_key": "k-1",
        "items": [{"item_code": "FST-3050", "qty": 2000, "schedule_date": "2026-11-27"}]});
    let (status, created) = caller.post(path, body.clone()).await;
    assert_eq!((status, &created["data"]["docstatus"]), (StatusCode::OK, &json!(0)));
    let name = created["data"]["name"].as_str().expect("name").to_owned();
    let (status, again) = caller.post(path, body.clone()).await;
    assert_eq!(
        (status, &again["exc_type"]),
        (StatusCode::EXPECTATION_FAILED, &json!("UniqueValidationError"))
    );
    let found = caller.get(&format!("{path}?filters=[[\"custom_takt_key\",\"=\",\"k-1\"]]")).await;
    assert_eq!(found["data"], json!([{"name": name}]));
    let one = format!("{path}/{name}");
    for (change, status) in [
        (json!({"docstatus": 2}), StatusCode::EXPECTATION_FAILED),
        (json!({"docstatus": 1}), StatusCode::OK),
        (json!({"schedule_date": "2026-11-30"}), StatusCode::EXPECTATION_FAILED),
        (json!({"docstatus": 2}), StatusCode::OK),
    ] {
        assert_eq!(caller.send(Method::PUT, &one, &change).await.0, status, "{change}");
    }
    assert_eq!(caller.get(&one).await["data"]["status"], "Cancelled");
    let mut unknown = body;
    unknown["custom_takt_key"] = json!("k-2");
    unknown["items"][0]["item_code"] = json!("FST-9999");
    let (status, reply) = caller.post(path, unknown).await;
    assert_eq!((status, &reply["exc_type"]), (StatusCode::EXPECTATION_FAILED, &json!("LinkValidationError")));
}

#[tokio::test]
async fn a_message_with_an_idempotency_key_is_sent_once() {
    let caller = Caller::start().await;
    let send = async |body: &Value, key: &str| {
        let request = caller.request(Method::POST, "/portal/api/messages").header("X-Takt-Key", key);
        let reply = request.header("Idempotency-Key", key).json(body).send().await.expect("a reply");
        let replayed = reply.headers().contains_key("idempotency-replayed");
        (reply.status(), replayed, reply.json::<Value>().await.expect("JSON"))
    };
    let body =
        json!({"supplier": "S-104", "po_number": "PO-7705", "subject": "Delay", "body": "Please expedite."});
    let first = send(&body, "k-1").await;
    let again = send(&body, "k-1").await;
    assert_eq!((first.0, first.1, again.1), (StatusCode::CREATED, false, true));
    assert_eq!(first.2, again.2);
    let other = json!({"supplier": "S-104", "body": "Something else"});
    assert_eq!(send(&other, "k-1").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(&other, "k-2").await.0, StatusCode::CREATED);
    assert_eq!(send(&json!({"supplier": "S-999", "body": "?"}), "k-3").await.0, StatusCode::NOT_FOUND);
    let messages = caller.get("/portal/api/messages?supplier=S-104").await;
    assert_eq!(messages["messages"].as_array().map(Vec::len), Some(2));
    let summary = caller.get("/sim/writes/summary").await;
    assert_eq!(
        [&summary["applied"], &summary["repeated"], &summary["refused"]],
        [&json!(2), &json!(1), &json!(2)]
    );
}

#[tokio::test]
async fn andon_calls_appear_with_the_clock_and_are_answered_once() {
    let caller = Caller::start().await;
    let open =
        async || caller.get("/andon/api/calls?open=true").await["calls"].as_array().expect("calls").clone();
    let before = open().await;
    assert!(before.iter().any(|call| call["category"] == "safety") && before.len() >= 3);
    caller.post("/sim/clock", json!({"advance_seconds": 3 * 3600})).await;
    let later = open().await;
    assert!(later.len() > before.len(), "someone called in the meantime");
    let path = format!("/andon/api/calls/{}/resolve", later[0]["id"].as_str().expect("id"));
    let answer = json!({"resolved_by": "mia", "reason_code": "repaired"});
    let (status, call) = caller.post(&path, answer.clone()).await;
    assert_eq!((status, &call["open"], &call["resolved_by"]), (StatusCode::OK, &json!(false), &json!("mia")));
    let (_, again) = caller.post(&path, json!({"resolved_by": "sam"})).await;
    assert_eq!(again["resolved_by"], "mia", "the first answer stays");
    assert_eq!(caller.get("/sim/writes/summary").await["repeated"], 1);
    let window = "from=2026-11-23T00:00:00Z&to=2026-11-23T12:10:00Z";
    let past = caller.get(&format!("/andon/api/calls?{window}")).await;
    assert!(past["calls"].as_array().expect("calls").iter().any(|call| call["open"] == false));
}
