use super::{
    activity::{Activity, Did},
    adaptive::Action,
    card::{CARD_BYTES_MAX, Viewer, bytes, card},
};
use crate::notify::{Button, CONTENT_TOO_LONG, Message, OPEN_TO_READ, Press, Question};
use chrono_tz::America::Chicago;
use proptest::prelude::*;
use serde_json::{Value, json};

fn question(json: Value) -> Question {
    let mut whole = json!({
        "title": "PRESS-4 down", "gate": "01890a5d-ac96-774b-bcce-b302099a8057", "token": "tok",
        "asked": "production supervisor: Sam", "allow": ["choose", "reject"],
        "options": [{ "title": "Move 3 jobs", "facts": [{ "label": "Late", "value": 0 }] }, { "title": "Wait" }],
        "asked_at": "2026-11-23T12:12:00Z", "expires_at": "2026-11-23T12:27:00Z",
        "on_silence": "Without an answer the plant scheduler is asked.", "url": "https://takt.example/gates/1",
    });
    for (name, value) in json.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    serde_json::from_value(whole).expect("a question")
}

fn shown(question: Question, viewer: &Viewer) -> Value {
    json!(card(&Message::Ask(question), Chicago, viewer))
}

#[test]
fn who_is_asked_sees_buttons_and_others_the_state() {
    let asked = Viewer::Room(vec!["29:sam".to_owned()]);
    let for_all = shown(question(json!({})), &asked);
    assert!(for_all["actions"].is_null() && !for_all.to_string().contains("takt.decide"), "{for_all}");
    assert_eq!(for_all["refresh"]["userIds"], json!(["29:sam"]));
    assert_eq!(for_all["refresh"]["action"]["data"], json!({ "gate": "tok" }));
    let for_sam = shown(question(json!({})), &Viewer::Asked);
    let titles: Vec<_> =
        for_sam["actions"].as_array().expect("buttons").iter().map(|one| &one["title"]).collect();
    assert_eq!(titles, ["Choose 1", "Choose 2", "Reject"]);
    assert_eq!(for_sam["actions"][0]["data"], json!({ "press": "tok:choose.1" }));
    assert_eq!(for_sam["actions"][0]["fallback"]["type"], "Action.Submit");
    assert_eq!(for_sam["actions"][2]["card"]["actions"][0]["verb"], "takt.decide");
    // Where nobody knows who is in the room, everybody sees the buttons; who may answer is checked anyway.
    let unknown = shown(question(json!({})), &Viewer::Room(vec![]));
    assert_eq!(unknown["actions"].as_array().map(Vec::len), Some(3));
    let outbound = shown(question(json!({})), &Viewer::Outbound);
    assert_eq!(outbound["actions"].as_array().map(Vec::len), Some(1));
    assert_eq!(outbound["actions"][0]["type"], "Action.OpenUrl");
}

#[test]
fn what_is_signed_is_answered_on_the_page() {
    let signed = shown(question(json!({ "sign": "approved for release" })), &Viewer::Asked);
    assert_eq!(
        signed["actions"],
        json!([{ "type": "Action.OpenUrl", "title": "Open to sign", "url": "https://takt.example/gates/1" }])
    );
    assert!(!signed.to_string().contains("tok:"), "{signed}");
}

#[test]
fn what_is_approved_stands_in_the_card_or_is_read_on_the_page() {
    let asked = |draft: &str| {
        let more = json!({ "allow": ["approve", "reject"], "options": [], "filled": [["Scrap pieces", "12"]],
            "draft": { "summary": draft } });
        shown(question(more), &Viewer::Asked)
    };
    let short = asked("PRESS-4 runs.\n**All** is well.");
    let lines: Vec<String> = short["body"]
        .as_array()
        .expect("a body")
        .iter()
        .map(|item| {
            let runs = item["inlines"].as_array().expect("runs").iter();
            runs.filter_map(|run| run["text"].as_str()).collect()
        })
        .collect();
    for line in ["Scrap pieces: 12", "Summary:\nPRESS-4 runs.\n**All** is well."] {
        assert!(lines.iter().any(|shown| shown == line), "{line}: {lines:#?}");
    }
    assert!(short.to_string().contains("tok:approve"), "{short:#}");
    let long = asked(&"a".repeat(2500)).to_string();
    assert!(long.contains(CONTENT_TOO_LONG) && long.contains(OPEN_TO_READ), "{long}");
    assert!(!long.contains("tok:approve") && long.contains("tok:reject") && !long.contains("aaa"), "{long}");
}

#[test]
fn text_of_others_is_no_markup() {
    let hostile = "[click](https://evil.example) **now** {{DATE(2026-01-01)}}";
    let card = shown(question(json!({ "title": hostile, "body": hostile })), &Viewer::Asked);
    for item in card["body"].as_array().expect("a body") {
        assert_eq!(item["type"], "RichTextBlock", "markup is read in text blocks only: {item}");
    }
}

#[test]
fn clicks_are_read_from_buttons_old_and_new() {
    let base = json!({ "channelId": "msteams", "serviceUrl": "https://smba.trafficmanager.net/emea/",
        "from": { "id": "29:sam", "aadObjectId": "aad-sam" }, "conversation": { "id": "19:room;messageid=1", "tenantId": "t" } });
    let read = |more: Value| {
        let mut whole = base.clone();
        whole.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        serde_json::from_value::<Activity>(whole).expect("an activity")
    };
    let press = |button, option| Press { token: "tok".to_owned(), button, option };
    let invoke = |verb: &str, data: Value| {
        read(
            json!({ "type": "invoke", "name": "adaptiveCard/action", "value": { "action": { "type": "Action.Execute", "verb": verb, "data": data } } }),
        )
    };
    let chosen = invoke("takt.decide", json!({ "press": "tok:choose.2", "reason": "not for choices" }));
    assert_eq!(
        chosen.did(),
        Some(Did::Pressed { press: press(Button::Choose, Some(2)), code: None, reason: None })
    );
    assert_eq!((chosen.conversation_id(), chosen.tenant()), ("19:room", Some("t")));
    let rejected = read(
        json!({ "type": "message", "value": { "press": "tok:reject", "code": "Not now", "reason": " visit " } }),
    );
    let (code, reason) = (Some("Not now".to_owned()), Some("visit".to_owned()));
    assert_eq!(rejected.did(), Some(Did::Pressed { press: press(Button::Reject, None), code, reason }));
    assert_eq!(
        invoke("takt.look", json!({ "gate": "tok" })).did(),
        Some(Did::Looked { token: "tok".to_owned() })
    );
    for other in [
        invoke("other.verb", json!({ "press": "tok:approve" })),
        invoke("takt.decide", json!({ "press": "x" })),
        read(json!({ "type": "message", "text": "hello" })),
        read(json!({ "type": "conversationUpdate" })),
    ] {
        assert_eq!(other.did(), None, "{other:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_card_fits_and_has_at_most_four_buttons(
        body in ".{0,9000}", title in ".{0,600}", options in 0_usize..12, facts in 0_usize..20, text in ".{0,900}",
        filled in prop::collection::vec((".{0,60}", ".{0,300}"), 0..6), draft in ".{0,2600}", shape in 0_usize..3,
    ) {
        let fact = json!({ "label": text, "value": text });
        let option = json!({ "title": text, "rationale": text, "facts": vec![fact; facts] });
        let draft = match shape {
            0 => Value::Null,
            1 => json!(draft),
            _ => json!({ "summary": draft, "open_points": ["a", "b"] }),
        };
        let question = question(json!({ "filled": filled, "draft": draft, "title": title, "body": body, "options": vec![option; options], "asked": text,
            "allow": ["acknowledge", "approve", "choose", "edit", "reject"], "basis": vec![text; 9] }));
        let (content, is_approved_here) = (question.content(), question.takes(Button::Approve));
        let made = card(&Message::Ask(question), Chicago, &Viewer::Asked);
        prop_assert!(bytes(&made) <= CARD_BYTES_MAX, "{} bytes", bytes(&made));
        prop_assert!((1..=4).contains(&made.actions.len()));
        let items = json!(made.body);
        prop_assert_eq!(json!(made.actions).to_string().contains(":approve\""), is_approved_here);
        for fact in content.iter().filter(|_| is_approved_here) {
            let (label, value) = fact.parts();
            let is_shown = |item: &Value| item["inlines"][0]["text"] == label && item["inlines"][1]["text"] == value;
            prop_assert!(items.as_array().is_some_and(|items| items.iter().any(is_shown)), "{fact:?}");
        }
        let in_text = serde_json::to_string(&made.body).expect("JSON").contains("https://takt.example");
        let in_buttons = made.actions.iter().any(|action| matches!(action, Action::OpenUrl { .. }));
        prop_assert!(in_text || in_buttons, "a way to the page");
    }
}
