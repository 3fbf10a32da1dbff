//! The names an expression may see at one place: what an editor completes. Finds nothing wrong.

use super::{Checker, Children};
use crate::{
    expr::{Expr, Types, ValueTemplate},
    site::Site,
    tool::Registry,
    workflow::{Definition, Events},
};

/// A place of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// The expression that reads exactly so.
    Expression(String),
    /// Before the step of this id.
    Before(String),
    After(String),
    /// The conditions of the trigger.
    Trigger,
    /// The prompt or message of this path.
    Template(String),
}

/// The names at a place and their types; `None` when the workflow has no such place.
pub(in crate::workflow) fn names_at(
    definition: &Definition,
    registry: &Registry,
    site: &Site,
    events: &Events,
    children: &Children,
    spot: &Spot,
) -> Option<Types> {
    let mut checker = Checker::new(definition, registry, site, events);
    checker.asked = Some(spot);
    checker.children = Some(children);
    checker.names();
    checker.flow();
    checker.rules();
    checker.seen
}

impl Checker<'_> {
    pub(super) fn at_spot(&mut self, is_it: impl Fn(&Spot) -> bool, types: &Types) {
        if self.seen.is_none() && self.asked.is_some_and(is_it) {
            self.seen = Some(types.clone());
        }
    }

    pub(super) fn at_expression(&mut self, expr: &Expr, types: &Types) {
        self.at_spot(
            |spot| matches!(spot, Spot::Expression(source) if source == expr.source().trim()),
            types,
        );
    }

    pub(super) fn at_expressions(&mut self, template: &ValueTemplate, types: &Types) {
        if self.asked.is_some() {
            template.expressions().iter().for_each(|embedded| self.at_expression(embedded.expr, types));
        }
    }
}
