//! The page in a bundle that people read: from the event to the write, with who answered, when and how. It needs no
//! script and no network.

use super::collect::Told;
use crate::{audit::checkpoint::Checkpoint, run::RunId, store::seals::SealedRecord};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1f24}\
    h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccd}\
    table{border-collapse:collapse;width:100%;margin:0 0 1rem}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;\
    border-bottom:1px solid #e5e7ec;overflow-wrap:anywhere}th{white-space:nowrap;font-weight:600}\
    code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}\
    pre{background:#f4f5f8;padding:.6rem;white-space:pre-wrap}.muted{color:#5a6472}";

/// What the page tells of.
pub(super) struct Shown<'a> {
    pub site: &'a str,
    pub zone: Tz,
    pub run: RunId,
    pub told: &'a [Told],
    pub records: &'a [SealedRecord],
    pub writes: &'a Value,
    pub checkpoint: &'a Checkpoint,
}

pub(super) fn html(shown: &Shown<'_>) -> String {
    let title =
        shown.told.first().map_or("A run that is in no list any more", |told| told.run.title.as_str());
    let mut page = Page::default();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
              <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Evidence</title><style>");
    page.raw(STYLE);
    page.raw("</style></head><body>\n");
    page.element("h1", title);
    page.row_of(
        "p class=\"muted\"",
        &format!("Evidence from {}, run {}. Times are those of {}.", shown.site, shown.run, shown.zone),
    );
    for told in shown.told {
        run(&mut page, shown, told);
    }
    writes(&mut page, shown);
    trail(&mut page, shown);
    page.raw("</body></html>\n");
    page.0
}

fn run(page: &mut Page, shown: &Shown<'_>, told: &Told) {
    let (of, start) = (&told.run, &told.start);
    page.element("h2", &format!("{} · {}", of.title, of.workflow));
    page.raw("<table>");
    page.pair("Run", &of.id.to_string());
    page.pair("Began", &shown.time(of.started_at));
    page.pair("Ended", &of.ended_at.map_or("not yet".to_owned(), |at| shown.time(at)));
    page.pair("Outcome", of.outcome.as_deref().unwrap_or("open"));
    page.pair("Definition", told.version.as_deref().unwrap_or("not kept any more"));
    if let Some(event) = &told.event {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        page.pair(
            "Event",
            &format!("{} {} from {} ({})", text("type"), text("subject"), text("source"), text("source_id")),
        );
    }
    page.raw("</table>");
    page.fold(
        "Trigger and inputs",
        &serde_json::json!({ "trigger": start["trigger"], "inputs": start["inputs"] }),
    );
    if told.story.is_empty() {
        page.element(
            "p",
            "The history of this run was taken out by retention; what the trail says of it stands below.",
        );
    }
    page.raw("<table>");
    for line in &told.story {
        page.pair(&shown.time(line.at), &line.text);
    }
    page.raw("</table>");
    agents(page, &told.agents);
    for gate in told.gates.as_array().into_iter().flatten() {
        question(page, shown, gate);
    }
}

fn agents(page: &mut Page, agents: &Value) {
    for (step, entries) in agents.as_object().into_iter().flatten() {
        let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
        let of = |kind: &str| entries.iter().filter(|entry| entry["type"] == kind).collect::<Vec<_>>();
        let Some(started) = of("started").first().copied() else { continue };
        page.element("h3", &format!("Asked of a model in `{step}`"));
        page.raw("<table>");
        let models = started["models"].as_array().into_iter().flatten();
        let models: Vec<&str> = models.filter_map(|model| model["model"].as_str()).collect();
        let joined = models.join(", ");
        page.pair("Models, in order", if models.is_empty() { "none" } else { &joined });
        page.pair("Prompt", started["prompt_sha"].as_str().unwrap_or_default());
        page.pair("Tools offered", started["toolset_sha"].as_str().unwrap_or_default());
        for finished in of("finished") {
            page.pair("Answer from", finished["source"].as_str().unwrap_or_default());
            page.pair("Answer", finished["output_sha"].as_str().unwrap_or_default());
        }
        page.raw("</table>");
    }
}

fn question(page: &mut Page, shown: &Shown<'_>, gate: &Value) {
    let question = &gate["question"];
    page.element("h3", &format!("Asked: {}", text(&question["ask"]["title"])));
    page.raw("<table>");
    page.pair("Of", &text(if question["role"].is_null() { &question["person"] } else { &question["role"] }));
    page.pair("At", &shown.time_of(&question["opened_at"]));
    for (index, option) in question["ask"]["options"].as_array().into_iter().flatten().enumerate() {
        page.pair(&format!("Option {}", index + 1), &text(&option["title"]));
    }
    page.pair("What was shown", &text(&question["proposal_hash"]));
    for to in question["handed_on"].as_array().into_iter().flatten() {
        page.pair("Handed on to", &text(if to["role"].is_null() { &to["person"] } else { &to["role"] }));
    }
    let answers = gate["answers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if answers.is_empty() {
        page.pair("Answer", "none that was kept");
    }
    for given in answers {
        answer(page, shown, given);
    }
    page.raw("</table>");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn answer(page: &mut Page, shown: &Shown<'_>, answer: &Value) {
    page.pair("Answered by", &text(&answer["person"]));
    if let Some(other) = answer["on_behalf_of"].as_str() {
        page.pair("On behalf of", other);
    }
    page.pair("At", &shown.time_of(&answer["at"]));
    page.pair("Through", &text(&answer["channel"]));
    page.pair("Decision", &text(&answer["decision"]));
    if let Some(choice) = answer["body"]["choice"].as_u64() {
        page.pair("Choice", &format!("option {choice}"));
    }
    if let Some(reason) = answer["reason"].as_str() {
        page.pair("Reason", reason);
    }
    if let Some(signature) = answer.get("signature").filter(|signature| signature.is_object()) {
        let (name, at) = (text(&signature["name"]), shown.time_of(&signature["at"]));
        page.pair("Signed by", &format!("{name}, {at}, with {}", text(&signature["method"])));
        page.pair("Meaning", &text(&signature["meaning"]));
        page.pair("Signature", &text(&signature["record_hash"]));
    }
    page.pair("Sealed as record", &answer["record"].to_string());
}

fn writes(page: &mut Page, shown: &Shown<'_>) {
    let writes = shown.writes.as_array().map(Vec::as_slice).unwrap_or_default();
    page.element("h2", "Written to other systems");
    if writes.is_empty() {
        page.element("p", "Nothing.");
    }
    for write in writes {
        let text = |field: &str| write[field].as_str().unwrap_or_default();
        page.raw("<table>");
        page.pair("What", &format!("{} ({})", text("tool"), text("action")));
        page.pair("At", &shown.time_of(&write["at"]));
        page.pair("Called there", write["external_id"].as_str().unwrap_or("no id given"));
        page.pair("Request", text("request_hash"));
        page.pair("Response", write["response_hash"].as_str().unwrap_or("none"));
        page.pair("Key", text("idempotency_key"));
        if let Some(by) = write["detail"]["approved"]["by"].as_str() {
            let second = write["detail"]["approved"]["second_by"].as_str();
            page.pair(
                "On the answer of",
                &second.map_or(by.to_owned(), |second| format!("{by}, then {second}")),
            );
        }
        page.raw("</table>");
        if !write["detail"]["input"].is_null() {
            page.fold("What was sent", &write["detail"]["input"]);
        }
    }
}

fn trail(page: &mut Page, shown: &Shown<'_>) {
    page.element("h2", "In the audit trail");
    page.raw("<table><tr><th>No.</th><th>When</th><th>Who</th><th>What</th></tr>");
    for record in shown.records {
        page.raw("<tr>");
        page.element("td", &record.seq.to_string());
        page.element("td", &shown.time_of(&Value::from(record.at.as_str())));
        let by = record.auth.as_ref().map_or(String::new(), |auth| format!(" ({auth})"));
        page.element("td", &format!("{}{by}", record.actor));
        let step = record.step.as_deref().unwrap_or_default();
        page.element("td", &format!("{} {step}", record.action));
        page.raw("</tr>");
    }
    page.raw("</table>");
    let at = shown.checkpoint;
    page.row_of(
        "p class=\"muted\"",
        &format!(
            "Covered by the checkpoint of {} UTC at record {}, signed with the key {}. To check all of it: takt audit \
             verify --bundle FILE --public-key KEY.pub, with a public key that did not come with this file.",
            at.time, at.seq, at.key
        ),
    );
}

impl Shown<'_> {
    fn time(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn time_of(&self, value: &Value) -> String {
        let read = value.as_str().and_then(|text| text.parse().ok());
        read.map_or_else(String::new, |at| self.time(at))
    }
}

/// HTML under construction; every text is escaped.
#[derive(Default)]
struct Page(String);

impl Page {
    fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                other => self.0.push(other),
            }
        }
    }

    fn element(&mut self, tag: &str, text: &str) {
        self.row_of(tag, text);
    }

    /// `tag` may have attributes.
    fn row_of(&mut self, tag: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "<{tag}>");
        self.text(text);
        let _ = writeln!(self.0, "</{}>", tag.split(' ').next().unwrap_or(tag));
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.raw("<tr>");
        self.element("th", name);
        self.element("td", value);
        self.raw("</tr>");
    }

    fn fold(&mut self, name: &str, value: &Value) {
        self.raw("<details>");
        self.element("summary", name);
        self.element("pre", &serde_json::to_string_pretty(value).unwrap_or_default());
        self.raw("</details>");
    }
}
