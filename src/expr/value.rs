//! Values with `${{ cel }}` inside, as they stand in `with`, text and lists.

use super::{
    EvalError, Expr, ParseError, Scope,
    infer::{Origin, Types},
    template::{self, Part, Placed, Text},
    types::Type,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// JSON in which some scalars are expressions; one that is exactly `${{ }}` keeps its type.
///
/// Evaluated once: what comes out of an expression is never looked at for `${{` again.
#[derive(Debug, Clone)]
pub struct ValueTemplate(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    raw: Value,
    node: Node,
}

#[derive(Debug, Clone)]
enum Node {
    /// Holds no expression anywhere inside.
    Literal(Value),
    Whole(Placed),
    Mixed(Vec<Part>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// An expression inside a [`ValueTemplate`].
#[derive(Debug, Clone)]
pub struct Embedded<'t> {
    /// JSON pointer of the scalar it stands in.
    pub pointer: String,
    /// Character offset of its source in that scalar.
    pub offset: usize,
    pub expr: &'t Expr,
}

impl ValueTemplate {
    /// The `String` of an error is the JSON pointer of the scalar it stands in.
    pub fn parse(raw: Value) -> Result<Self, (String, ParseError)> {
        let node = parse(&raw, &mut String::new())?;
        Ok(Self(Arc::new(Parsed { raw, node })))
    }

    /// A value that is written out, without expressions; text in it is left as it stands.
    pub fn literal(raw: Value) -> Self {
        Self(Arc::new(Parsed { node: Node::Literal(raw.clone()), raw }))
    }

    /// As it was written.
    pub fn raw(&self) -> &Value {
        &self.0.raw
    }

    pub fn eval(&self, scope: &Scope) -> Result<Value, EvalError> {
        self.0.node.eval(scope)
    }

    /// Every expression inside, in the order it is written.
    pub fn expressions(&self) -> Vec<Embedded<'_>> {
        let mut found = Vec::new();
        self.0.node.collect(&mut String::new(), &mut found);
        found
    }

    /// What it evaluates to, as far as that is known beforehand.
    pub(super) fn kind(&self, types: &Types) -> Type {
        self.0.node.kind(types)
    }

    /// Which fields of classified names its parts are made of, though they do not stand under them.
    pub fn origin(&self, types: &Types, around: &Origin, classified: &dyn Fn(&str) -> bool) -> Origin {
        self.0.node.origin(types, around, classified)
    }

    /// The expression that this is, when it is exactly one `${{ }}`.
    pub fn as_expr(&self) -> Option<&Expr> {
        match &self.0.node {
            Node::Whole(placed) => Some(&placed.expr),
            _ => None,
        }
    }
}

fn parse(raw: &Value, pointer: &mut String) -> Result<Node, (String, ParseError)> {
    let length = pointer.len();
    let node = match raw {
        Value::String(text) => match template::parse(text).map_err(|e| (pointer.clone(), e))? {
            Text::Plain => Node::Literal(raw.clone()),
            Text::Whole(placed) => Node::Whole(placed),
            Text::Mixed(parts) => Node::Mixed(parts),
        },
        Value::Array(items) => {
            let mut nodes = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                nodes.push(parse(item, pointer)?);
                pointer.truncate(length);
            }
            if nodes.iter().all(Node::is_literal) { Node::Literal(raw.clone()) } else { Node::List(nodes) }
        }
        Value::Object(fields) => {
            let mut nodes = Vec::with_capacity(fields.len());
            for (name, field) in fields {
                pointer.push_str(&format!("/{}", name.replace('~', "~0").replace('/', "~1")));
                nodes.push((name.clone(), parse(field, pointer)?));
                pointer.truncate(length);
            }
            let literal = nodes.iter().all(|(_, node)| node.is_literal());
            if literal { Node::Literal(raw.clone()) } else { Node::Object(nodes) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Literal(raw.clone()),
    };
    Ok(node)
}

impl Node {
    fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    fn eval(&self, scope: &Scope) -> Result<Value, EvalError> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Whole(placed) => placed.expr.eval(scope)?,
            Self::Mixed(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Text(plain) => text.push_str(plain),
                        Part::Value(placed) => push_plainly(&mut text, &placed.expr.eval(scope)?),
                    }
                }
                Value::String(text)
            }
            Self::List(nodes) => {
                Value::Array(nodes.iter().map(|node| node.eval(scope)).collect::<Result<_, _>>()?)
            }
            Self::Object(nodes) => {
                let field = |(name, node): &(String, Self)| Ok((name.clone(), node.eval(scope)?));
                Value::Object(nodes.iter().map(field).collect::<Result<Map<_, _>, EvalError>>()?)
            }
        })
    }

    fn kind(&self, types: &Types) -> Type {
        match self {
            Self::Literal(value) => Type::of(value),
            Self::Whole(placed) => placed.expr.infer(types).0.as_json(),
            Self::Mixed(_) => Type::String,
            Self::List(nodes) => {
                Type::list(nodes.iter().map(|node| node.kind(types)).fold(Type::Unset, Type::join))
            }
            Self::Object(nodes) => {
                Type::object(nodes.iter().map(|(name, node)| (name.clone(), node.kind(types))))
            }
        }
    }

    fn origin(&self, types: &Types, around: &Origin, classified: &dyn Fn(&str) -> bool) -> Origin {
        match self {
            Self::Literal(_) => Origin::default(),
            Self::Whole(placed) => placed.expr.origin(types, around, classified),
            Self::Mixed(parts) => {
                let expr = |part: &Part| match part {
                    Part::Text(_) => Origin::default(),
                    Part::Value(Placed { expr, .. }) => {
                        let mut inside = Vec::new();
                        expr.infer(types).0.fields_below(&mut inside);
                        inside.retain(|name| classified(name));
                        expr.origin(types, around, classified).join(Origin::of_names(inside))
                    }
                };
                parts.iter().map(expr).fold(Origin::default(), Origin::join).melted()
            }
            Self::List(nodes) => nodes
                .iter()
                .map(|node| node.origin(types, around, classified))
                .fold(Origin::default(), Origin::join),
            Self::Object(nodes) => {
                let open = nodes.iter().filter(|(name, _)| !classified(name));
                open.fold(Origin::default(), |found, (name, node)| {
                    found.with(name, node.origin(types, around, classified))
                })
            }
        }
    }

    fn collect<'t>(&'t self, pointer: &mut String, found: &mut Vec<Embedded<'t>>) {
        let length = pointer.len();
        let mut push = |placed: &'t Placed| {
            found.push(Embedded { pointer: pointer.clone(), offset: placed.offset, expr: &placed.expr });
        };
        match self {
            Self::Literal(_) => {}
            Self::Whole(placed) => push(placed),
            Self::Mixed(parts) => parts.iter().for_each(|part| {
                if let Part::Value(placed) = part {
                    push(placed);
                }
            }),
            Self::List(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    pointer.push_str(&format!("/{index}"));
                    node.collect(pointer, found);
                    pointer.truncate(length);
                }
            }
            Self::Object(nodes) => {
                for (name, node) in nodes {
                    pointer.push_str(&format!("/{}", name.replace('~', "~0").replace('/', "~1")));
                    node.collect(pointer, found);
                    pointer.truncate(length);
                }
            }
        }
    }
}

/// In the middle of a text, a value reads as people write it; null is nothing.
fn push_plainly(text: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(plain) => text.push_str(plain),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 1e15 => {
                text.push_str(&format!("{whole:.0}"));
            }
            _ => text.push_str(&number.to_string()),
        },
        other => text.push_str(&other.to_string()),
    }
}
