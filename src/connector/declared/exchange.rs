//! One call in progress: the names in scope, the requests made so far, and what a failure means after
//! some of them were accepted.

use super::{
    answer::Answer,
    file::ErrorKind,
    operation::{Each, Operation, Request, System},
    request::{Prepared, WriteKey, prepare},
    send::Bounds,
};
use crate::{
    expr::{EvalError, Expr, Scope, ValueTemplate},
    tool::{Call, ToolError, ToolErrorKind},
};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use tokio::time::Instant;

pub(super) struct Exchange<'c> {
    system: &'c System,
    operation: &'c Operation,
    call: &'c Call,
    scope: Scope,
    bounds: Bounds,
    writes_accepted: usize,
    parts: BTreeSet<String>,
}

impl<'c> Exchange<'c> {
    pub(super) fn new(system: &'c System, operation: &'c Operation, call: &'c Call, input: Value) -> Self {
        let mut scope = Scope::new();
        scope.insert("input".to_owned(), input);
        let about = json!({
            "run": call.run,
            "step": call.step,
            "key": call.key,
            "attempt": call.attempt,
            "now": call.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        });
        scope.insert("call".to_owned(), about);
        scope.insert("site".to_owned(), system.site.clone());
        scope.insert("responses".to_owned(), Value::Object(Map::new()));
        scope.insert("values".to_owned(), Value::Object(Map::new()));
        let deadline = Instant::now() + call.timeout.min(operation.spec.timeout);
        let bounds =
            Bounds { lease: call.lease.clone(), deadline, bytes_max: operation.spec.result_bytes_max };
        Self { system, operation, call, scope, bounds, writes_accepted: 0, parts: BTreeSet::new() }
    }

    pub(super) async fn perform(&mut self, request: &Request) -> Result<(), ToolError> {
        let answer = match &request.each {
            Some(each) => Value::Array(self.every(request, each).await?),
            None => self.once(request, None).await?.unwrap_or(Value::Null),
        };
        self.keep("responses", &request.id, answer);
        Ok(())
    }

    pub(super) fn compute(&mut self, values: &[(String, ValueTemplate)]) -> Result<(), ToolError> {
        for (name, value) in values {
            let value = self.project(value)?;
            self.keep("values", name, value);
        }
        Ok(())
    }

    pub(super) fn project(&self, returns: &ValueTemplate) -> Result<Value, ToolError> {
        returns.eval(&self.scope).map_err(|error| self.no_value(&error))
    }

    pub(super) fn test(&self, condition: &Expr) -> Result<bool, ToolError> {
        condition.test(&self.scope).map_err(|error| self.no_value(&error))
    }

    pub(super) fn has_written(&self) -> bool {
        self.writes_accepted > 0
    }

    async fn every(&mut self, request: &Request, each: &Each) -> Result<Vec<Value>, ToolError> {
        let Value::Array(items) = self.project(&each.list)? else {
            let message = format!("{}: `each` of `{}` is not a list", self.operation.spec.name, request.id);
            return Err(self.after_writes(ToolError::invalid(message)));
        };
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            self.scope.insert(each.item.clone(), item.clone());
            answers.extend(self.once(request, Some(&item)).await?);
        }
        self.scope.remove(&each.item);
        Ok(answers)
    }

    /// `None` where its `if` does not hold.
    async fn once(&mut self, request: &Request, item: Option<&Value>) -> Result<Option<Value>, ToolError> {
        if let Some(condition) = &request.condition
            && !self.test(condition)?
        {
            return Ok(None);
        }
        let part =
            if request.write && self.operation.has_parts() { Some(self.part(request, item)) } else { None };
        let key = request.write.then(|| WriteKey { key: &self.call.key, part });
        let prepared = prepare(request, &self.scope, &self.operation.key, key.as_ref());
        let mut prepared = prepared.map_err(|error| {
            let message = format!("{}, request `{}`: {error}", self.operation.spec.name, request.id);
            self.after_writes(ToolError::invalid(message))
        })?;
        let trace = self.call.trace.as_ref().and_then(|trace| HeaderValue::from_str(trace).ok());
        if let Some(trace) = trace {
            prepared.headers.insert(HeaderName::from_static("traceparent"), trace);
        }
        let answer = self.system.send(&prepared, &self.bounds, &request.expect).await;
        let answer = answer.map_err(|error| self.after_writes(error))?;
        self.judge(request, &prepared, &answer).map_err(|error| self.after_writes(error))?;
        self.writes_accepted += usize::from(request.write);
        Ok(Some(answer.body))
    }

    /// Names a write among others of the call by its request and item, not by its position: the list
    /// may have become shorter before a second attempt.
    fn part(&mut self, request: &Request, item: Option<&Value>) -> String {
        let name = match item {
            Some(item) => format!("{}-{}", request.id, hex::encode(&Sha256::digest(item.to_string())[..6])),
            None => request.id.clone(),
        };
        let mut part = name.clone();
        let mut count = 1;
        while !self.parts.insert(part.clone()) {
            count += 1;
            part = format!("{name}-{count}");
        }
        part
    }

    fn judge(&self, request: &Request, prepared: &Prepared, answer: &Answer) -> Result<(), ToolError> {
        if !answer.is_expected(&request.expect) {
            return Err(self.refused(request, prepared, answer, None));
        }
        if answer.text.is_some() {
            let kind = if request.write { ToolErrorKind::OutcomeUnknown } else { ToolErrorKind::Permanent };
            let message = format!(
                "{} answered {} to {} with something that is not JSON: is base_url right?",
                self.system.name,
                answer.status,
                prepared.name()
            );
            return Err(self.with_detail(ToolError::new(kind, message), answer));
        }
        let Some(success) = &request.success else { return Ok(()) };
        match success.test(&self.answer_scope(answer)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused(request, prepared, answer, Some(ToolErrorKind::Permanent))),
            Err(error) => Err(self.no_value(&error)),
        }
    }

    /// An answer that is a failure: by the file's rule for its status, else by the status itself.
    fn refused(
        &self,
        request: &Request,
        prepared: &Prepared,
        answer: &Answer,
        kind: Option<ToolErrorKind>,
    ) -> ToolError {
        let rule = self.operation.errors.get(&answer.status);
        let repeatable = !request.write || self.operation.is_repeatable();
        let kind = match rule {
            Some(rule) => named(rule.kind, answer),
            None => kind.unwrap_or_else(|| answer.kind(repeatable)),
        };
        let own = rule.and_then(|rule| rule.message.as_ref()).and_then(|message| {
            message.eval(&self.answer_scope(answer)).ok().and_then(|text| text.as_str().map(str::to_owned))
        });
        let message = own.unwrap_or_else(|| {
            let (system, name) = (&self.system.name, prepared.name());
            match (answer.said(), answer.status) {
                (Some(said), status) => format!("{system} answered {status} to {name}: {said}"),
                (None, 401 | 403) => format!("{system} refused {name}: check the credentials in takt.yaml"),
                (None, status) => format!("{system} answered {status} to {name}"),
            }
        });
        self.with_detail(ToolError::new(kind, self.system.redactor.redact(&message)), answer)
    }

    fn answer_scope(&self, answer: &Answer) -> Scope {
        let mut scope = self.scope.clone();
        scope.insert("status".to_owned(), answer.status.into());
        scope.insert("body".to_owned(), answer.body.clone());
        scope
    }

    fn with_detail(&self, error: ToolError, answer: &Answer) -> ToolError {
        match answer.detail() {
            Some(detail) => error.with_detail(self.system.redactor.redact(&detail)),
            None => error,
        }
    }

    fn no_value(&self, error: &EvalError) -> ToolError {
        let (name, system) = (&self.operation.spec.name, &self.system.name);
        let kind = if self.scope["responses"].as_object().is_none_or(Map::is_empty) {
            ToolErrorKind::Invalid
        } else {
            ToolErrorKind::Permanent
        };
        let message = format!("{name}: what {system} answered does not fit the connector file: {error}");
        self.after_writes(ToolError::new(kind, self.system.redactor.redact(&message)))
    }

    /// A failure after accepted writes is not one that left nothing behind.
    fn after_writes(&self, mut error: ToolError) -> ToolError {
        if self.writes_accepted == 0 {
            return error;
        }
        let count = self.writes_accepted;
        error.message = format!("{} (after {count} of the call's writes had been accepted)", error.message);
        if !self.operation.is_repeatable() {
            error.kind = ToolErrorKind::OutcomeUnknown;
        }
        error
    }

    fn keep(&mut self, group: &str, name: &str, value: Value) {
        if let Some(Value::Object(map)) = self.scope.get_mut(group) {
            map.insert(name.to_owned(), value);
        }
    }
}

fn named(kind: ErrorKind, answer: &Answer) -> ToolErrorKind {
    match kind {
        ErrorKind::Invalid => ToolErrorKind::Invalid,
        ErrorKind::NotFound => ToolErrorKind::NotFound,
        ErrorKind::Denied => ToolErrorKind::Denied,
        ErrorKind::RateLimited => ToolErrorKind::RateLimited { retry_after: answer.retry_after },
        ErrorKind::Transient => ToolErrorKind::Transient,
        ErrorKind::OutcomeUnknown => ToolErrorKind::OutcomeUnknown,
        ErrorKind::Permanent => ToolErrorKind::Permanent,
    }
}
