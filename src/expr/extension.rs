//! Functions behind a namespace, `math.abs(x)`: what they take and what they return.

use super::{
    signature::Want::{self, Any, Extreme, Int, Number, Text},
    types::Type,
};

pub(super) struct Extension {
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    pub(super) wants: &'static [Want],
    gives: Gives,
}

#[derive(Debug, Clone, Copy)]
enum Gives {
    Bool,
    Int,
    Double,
    Text,
    Ints,
    /// What it was given.
    Same,
    /// What it was given, as something that may be absent.
    Optional,
    Any,
}

const fn math(name: &'static str, wants: &'static [Want], gives: Gives) -> Extension {
    Extension { namespace: "math", name, wants, gives }
}

const EXTENSIONS: [Extension; 23] = [
    math("ceil", &[Number], Gives::Same),
    math("floor", &[Number], Gives::Same),
    math("round", &[Number], Gives::Same),
    math("trunc", &[Number], Gives::Same),
    math("isInf", &[Number], Gives::Bool),
    math("isNaN", &[Number], Gives::Bool),
    math("isFinite", &[Number], Gives::Bool),
    math("abs", &[Number], Gives::Same),
    math("sign", &[Number], Gives::Same),
    math("sqrt", &[Number], Gives::Double),
    math("greatest", &[Extreme, Number], Gives::Same),
    math("least", &[Extreme, Number], Gives::Same),
    math("bitAnd", &[Int, Int], Gives::Int),
    math("bitOr", &[Int, Int], Gives::Int),
    math("bitXor", &[Int, Int], Gives::Int),
    math("bitNot", &[Int], Gives::Int),
    math("bitShiftLeft", &[Int, Int], Gives::Int),
    math("bitShiftRight", &[Int, Int], Gives::Int),
    Extension { namespace: "lists", name: "range", wants: &[Int], gives: Gives::Ints },
    Extension { namespace: "strings", name: "quote", wants: &[Text], gives: Gives::Text },
    Extension { namespace: "optional", name: "of", wants: &[Any], gives: Gives::Optional },
    Extension { namespace: "optional", name: "ofNonZeroValue", wants: &[Any], gives: Gives::Any },
    Extension { namespace: "optional", name: "none", wants: &[], gives: Gives::Any },
];

pub(super) fn all() -> impl Iterator<Item = &'static Extension> {
    EXTENSIONS.iter()
}

pub(super) fn of_namespace(namespace: &str) -> impl Iterator<Item = &'static Extension> {
    EXTENSIONS.iter().filter(move |known| known.namespace == namespace)
}

impl Extension {
    pub(super) fn output(&self, args: &[Type]) -> Type {
        match self.gives {
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Double => Type::Double,
            Gives::Text => Type::String,
            Gives::Ints => Type::list(Type::Int),
            Gives::Same => args.first().cloned().unwrap_or_default(),
            Gives::Optional => Type::Optional(Box::new(args.first().cloned().unwrap_or_default())),
            Gives::Any => Type::Any,
        }
    }

    pub(super) fn call(&self) -> String {
        let args = ["a", "b"].iter().take(self.wants.len()).copied().collect::<Vec<_>>().join(", ");
        format!("{}.{}({args})", self.namespace, self.name)
    }
}
