//! What each kind of step puts out.

use super::Checker;
use crate::{
    expr::{Field, Shape, Type},
    tool::ToolName,
    workflow::{AgentStep, GateStep, OnExpire},
};

impl Checker<'_> {
    pub(super) fn tool_output(&self, tool: &ToolName) -> Type {
        self.registry.spec(tool).map_or(Type::Any, |spec| Type::of_output(&spec.output))
    }

    /// The answer as its schema says, and where it came from.
    pub(super) fn agent_output(&self, agent: &AgentStep) -> Type {
        let answer = self.definition.schemas.get(&agent.output).map_or(Type::Any, Type::of_answer);
        let Type::Object(mut shape) = answer else { return answer };
        let own = [
            ("source", Type::String),
            ("model", Type::String.nullable()),
            ("authored", Type::Bool),
            ("used_fallback", Type::Bool),
            ("why_fallback", Type::String.nullable()),
        ];
        for (name, kind) in own {
            shape.fields.insert(name.to_owned(), Field { kind, required: true });
        }
        Type::Object(shape)
    }
}

pub(super) const REJECT: &str = "reject";

/// How this gate can be decided. Where a workflow only watches, its gates say `shadow`.
pub(super) fn decisions_of(gate: &GateStep) -> Vec<&'static str> {
    let is_rejected = gate.on_expire == OnExpire::Reject || gate.second.is_some();
    let allowed = gate.allow.iter().map(|allow| allow.word());
    let mut words: Vec<&str> = allowed.collect();
    if is_rejected && !words.contains(&REJECT) {
        words.push(REJECT);
    }
    words.extend(gate.auto_if.is_some().then_some("auto"));
    words.push("shadow");
    words
}

/// `option` and `item` are what the gate's lists hold.
pub(super) fn gate_output(gate: &GateStep, option: Type, item: Type, draft: Type, fields: Type) -> Type {
    let item = match item {
        Type::Null => Type::Unset,
        Type::Object(Shape { mut fields, rest, closed }) => {
            fields.insert("acknowledged".to_owned(), Field { kind: Type::Bool, required: true });
            fields.insert("note".to_owned(), Field { kind: Type::String, required: true });
            Type::Object(Shape { fields, rest, closed })
        }
        _ => Type::Any,
    };
    let decisions = decisions_of(gate).into_iter().map(str::to_owned).collect();
    Type::object([
        ("decision", Type::Word(decisions)),
        ("by", Type::String),
        ("by_name", Type::String),
        ("answered_at", Type::String),
        ("channel", Type::String),
        ("reason_code", Type::String.nullable()),
        ("reason", Type::String.nullable()),
        ("choice", Type::Int.nullable()),
        ("chosen", option),
        ("edited", draft.widened()),
        ("items", Type::list(item)),
        ("fields", fields),
        ("agreed", Type::list(Type::String)),
        ("overridden", Type::Bool),
        ("second_by", Type::String.nullable()),
    ])
}

/// What `second.if` sees of it.
pub(super) fn answer_of(output: &Type) -> Type {
    const SEEN: [&str; 8] = ["decision", "by", "choice", "chosen", "edited", "fields", "agreed", "reason"];
    let Type::Object(shape) = output else { return Type::Any };
    Type::object(SEEN.iter().filter_map(|name| Some((*name, shape.fields.get(*name)?.kind.clone()))))
}

/// The item type of a list; open where the list is not known, and nothing where there is none.
pub(super) fn item_of(list: &Type) -> Type {
    match list {
        Type::List(item) => (**item).clone(),
        Type::Unset => Type::Null,
        _ => Type::Any,
    }
}
