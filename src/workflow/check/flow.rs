//! The expressions of `flow`: names and types, with `event`, `inputs`, `site` and `now` in scope.

use super::{Checker, scope::Names};
use crate::{
    expr::{Expr, Type, Types},
    workflow::Flow,
};

impl<'c> Checker<'c> {
    pub(super) fn flow(&mut self) {
        let definition = self.definition;
        let workflow = &definition.workflow;
        let mut types = Names::new(workflow, &self.site_type, self.events).types().clone();
        types.remove("steps");
        if let Some(event) = types.remove("trigger") {
            types.insert("event".to_owned(), event);
        }
        // Events are gathered before there is a run with inputs.
        let mut of_events = types.clone();
        of_events.remove("inputs");
        let Flow { concurrency, throttle, rate, gather, priority, fair } = &workflow.flow;
        if let Some(concurrency) = concurrency {
            // A singleton is a concurrency under its own name.
            let written = ["/flow/concurrency/key", "/flow/singleton/key"];
            let root = &definition.document().root;
            let path = written.into_iter().find(|path| root.at(path).is_some()).unwrap_or(written[0]);
            self.flow_key(concurrency.key.as_ref(), path, &types);
        }
        self.flow_key(throttle.as_ref().and_then(|pace| pace.key.as_ref()), "/flow/throttle/key", &types);
        self.flow_key(rate.as_ref().and_then(|pace| pace.key.as_ref()), "/flow/rate/key", &types);
        let gather_key = gather.as_ref().and_then(|gather| gather.key());
        for path in ["/flow/debounce/key", "/flow/batch/key"] {
            if definition.document().root.at(path).is_some() {
                self.flow_key(gather_key, path, &of_events);
            }
        }
        self.flow_key(fair.as_ref(), "/flow/fair", &types);
        if let Some(priority) = priority {
            let node = definition.document().root.at("/flow/priority");
            let kind = self.expr(priority, node, &types);
            if let (Some(node), Some(misfit)) = (node, kind.misfit(&Type::Int)) {
                let fix = "make it a whole number from -100 to 100; the higher goes first";
                self.error("T007", node.place, format!("`priority`: {}", misfit.message), fix);
            }
        }
    }

    fn flow_key(&mut self, key: Option<&'c Expr>, path: &str, types: &Types) {
        if let Some(key) = key {
            self.key(key, self.definition.document().root.at(path), types);
        }
    }
}
