//! A question to people.

use super::{Decoder, Fields};
use crate::{
    expr::Expr,
    workflow::{Allow, FormFields, GateForm, GateStep, OnExpire, Second, bundle::stays_inside, source::Node},
};
use serde_json::Value;
use std::time::Duration;

const FORMS: [(&str, GateForm); 4] = [
    ("acknowledge", GateForm::Acknowledge),
    ("approve", GateForm::Approve),
    ("choose", GateForm::Choose),
    ("form", GateForm::Form),
];

const ANSWERS: [(&str, Allow); 5] = [
    ("acknowledge", Allow::Acknowledge),
    ("approve", Allow::Approve),
    ("choose", Allow::Choose),
    ("edit", Allow::Edit),
    ("reject", Allow::Reject),
];

const EXPIRIES: [(&str, OnExpire); 3] =
    [("escalate", OnExpire::Escalate), ("reject", OnExpire::Reject), ("fail", OnExpire::Fail)];

/// More people than a shift has of any role.
const QUORUM_MAX: u16 = 20;

/// Stands in for a time that is missing.
const EXPIRES: Duration = Duration::from_secs(3600);

impl<'d> Decoder<'d> {
    pub(super) fn gate(&mut self, fields: &mut Fields<'d>, kind: &'d Node) -> Option<GateStep> {
        let form = self.one_of(kind, &FORMS);
        let ask = match fields.get("ask") {
            Some(node) => self.text(node),
            None => {
                let fix = "add `ask:` with a role";
                self.missing(fields, "ask", ("T012", kind.place), "this gate asks nobody", fix);
                None
            }
        };
        let message = fields.get("message").and_then(|node| self.file(node));
        let options = fields.get("options").and_then(|node| self.template(node));
        if form == Some(GateForm::Choose) && !fields.has("options") {
            let fix = "add `options: ${{ … }}` with the list to choose from";
            let message = "a `choose` gate needs `options`";
            self.missing(fields, "options", ("T002", kind.place), message, fix);
        }
        let items = fields.get("items").and_then(|node| self.template(node));
        let draft = fields.get("draft").and_then(|node| self.template(node));
        let allow = fields.get("allow").map(|node| self.answers(node));
        let form_fields = fields.get("fields").and_then(|node| self.form_fields(node, form));
        let quorum = fields.get("quorum").map_or(Some(1), |node| self.quorum(node));
        let requested_by = fields.get("requested_by").and_then(|node| self.requested_by(node, form));
        let not_author = fields.get("not_author").map_or(Some(false), |node| self.boolean(node));
        let second = fields.get("second").and_then(|node| self.second(node));
        let auto_if = fields.get("auto_if").and_then(|node| self.expr(node));
        let sign = fields.get("sign").and_then(|node| self.text(node));
        let recheck = fields.get("recheck").and_then(|node| self.duration(node));
        let remind = fields.get("remind").and_then(|node| self.duration(node));
        let expires = fields.get("expires").and_then(|node| self.duration(node));
        if !fields.has("expires") {
            let fix = "add `expires:` with a time like 30m; nobody waits for ever";
            self.missing(fields, "expires", ("T012", kind.place), "this gate never expires", fix);
        }
        let on_expire = self.on_expire(fields, kind);
        let escalate = fields.get("escalate").and_then(|node| self.text(node));
        let background = fields.get("background").map_or(Some(false), |node| self.boolean(node));
        let form = form?;
        Some(GateStep {
            allow: allow.unwrap_or_else(|| usual_answers(form)),
            form,
            ask: ask?,
            message,
            options,
            items,
            draft,
            fields: form_fields,
            quorum: quorum.unwrap_or(1),
            requested_by,
            not_author: not_author.unwrap_or(false),
            second,
            auto_if,
            sign,
            recheck,
            remind,
            // The mistake is told; the rest of the gate can be checked with any.
            expires: expires.unwrap_or(EXPIRES),
            on_expire: on_expire.unwrap_or(OnExpire::Reject),
            escalate,
            background: background?,
        })
    }

    fn on_expire(&mut self, fields: &mut Fields<'d>, kind: &'d Node) -> Option<OnExpire> {
        let Some(node) = fields.get("on_expire") else {
            let fix = "add `on_expire: escalate`, `reject` or `fail`";
            let message = "this gate does not say what happens when it expires";
            self.missing(fields, "on_expire", ("T012", kind.place), message, fix);
            return None;
        };
        if node.scalar().is_some_and(|scalar| scalar.text == "approve") {
            let fix = "silence never approves: write `escalate`, `reject` or `fail`";
            self.error("T012", node.place, "`on_expire: approve` does not exist", fix);
            return None;
        }
        self.one_of(node, &EXPIRIES)
    }

    fn requested_by(&mut self, node: &'d Node, form: Option<GateForm>) -> Option<Expr> {
        if form == Some(GateForm::Acknowledge) {
            let fix = "remove `requested_by`: whoever asked for it may acknowledge it as well";
            self.error("T002", node.place, "an `acknowledge` gate decides nothing", fix);
            return None;
        }
        self.expr(node)
    }

    fn answers(&mut self, node: &'d Node) -> Vec<Allow> {
        let items = self.list(node, "allow").unwrap_or_default();
        items.iter().filter_map(|item| self.one_of(item, &ANSWERS)).collect()
    }

    fn quorum(&mut self, node: &'d Node) -> Option<u16> {
        let quorum: u64 = self.whole(node)?;
        match u16::try_from(quorum).ok().filter(|quorum| (1..=QUORUM_MAX).contains(quorum)) {
            Some(quorum) => Some(quorum),
            None => {
                let message = format!("a quorum of {quorum} is none");
                self.error("T012", node.place, message, format!("write a number from 1 to {QUORUM_MAX}"));
                None
            }
        }
    }

    /// A path of a schema, or the schema itself.
    fn form_fields(&mut self, node: &'d Node, form: Option<GateForm>) -> Option<FormFields> {
        if form.is_some_and(|form| form != GateForm::Form) {
            let fix = "write `gate: form`, or remove `fields`";
            self.error("T002", node.place, "only a form has `fields`", fix);
            return None;
        }
        if node.scalar().is_some() {
            return self.file(node).map(FormFields::File);
        }
        let schema = self.json(node);
        if let Err(problem) = jsonschema::validator_for(&schema) {
            let fix = "write a JSON Schema, with `type: object` and its `properties`";
            self.error("T017", node.place, format!("not a valid JSON Schema: {problem}"), fix);
            return None;
        }
        Some(FormFields::Inline(schema))
    }

    fn second(&mut self, node: &'d Node) -> Option<Second> {
        let mut fields = self.fields(node, "`second`")?;
        let condition = fields.get("if").and_then(|node| self.expr(node));
        let ask = self.required(&mut fields, "ask", "a role").and_then(|node| self.text(node));
        self.finish(&fields, "`second`");
        Some(Second { condition, ask: ask? })
    }

    /// A path of the site folder.
    pub(super) fn file(&mut self, node: &'d Node) -> Option<String> {
        let path = self.text(node)?;
        if !stays_inside(&path) {
            let fix = "write a path inside the site folder, like messages/ask.hbs";
            self.error("T019", node.place, format!("`{path}` leaves the site folder"), fix);
            return None;
        }
        Some(path)
    }
}

fn usual_answers(form: GateForm) -> Vec<Allow> {
    match form {
        GateForm::Acknowledge => vec![Allow::Acknowledge],
        GateForm::Choose => vec![Allow::Choose, Allow::Reject],
        GateForm::Approve | GateForm::Form => vec![Allow::Approve, Allow::Reject],
    }
}

/// Whether a `with` names a message file: those travel with the workflow that names them.
pub(in crate::workflow) fn messages_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.ends_with(".hbs") && !text.contains("${{") => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| messages_in(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| messages_in(field, found)),
        _ => {}
    }
}
