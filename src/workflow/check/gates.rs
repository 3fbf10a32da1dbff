//! T012: everybody who is asked exists and is somebody in every shift, and silence has a ladder to climb.
//! T013: a second person is another person, and a quorum has enough of them. T010: nobody is left out for what a
//! model says of itself.
//! That every ladder ends at a person is seen to where `takt.yaml` is read.

use super::Checker;
use crate::{
    expr::{Expr, Types},
    site::Person,
    workflow::{Allow, GateStep, OnExpire, Place, StepKind, form, source::Node, suggest, walk},
};
use std::collections::BTreeSet;

impl<'c> Checker<'c> {
    /// T010: how sure a model says it is, is no reason to ask nobody: something else must be able to forbid it.
    pub(super) fn rests_on_more_than_a_model(
        &mut self,
        condition: &Expr,
        node: Option<&'c Node>,
        types: &Types,
    ) {
        let mut agents = BTreeSet::new();
        walk::every_step(&self.definition.workflow, &mut |step| {
            if matches!(step.kind, StepKind::Agent(_)) {
                agents.insert(step.id.as_str());
            }
        });
        let of_agent = |path: &[String]| match path {
            [steps, id, ..] => steps == "steps" && agents.contains(id.as_str()),
            _ => false,
        };
        let said = |path: &[String]| {
            of_agent(path) || path.first().is_some_and(|name| ["now", "site"].contains(&name.as_str()))
        };
        let Some(node) = node.filter(|_| condition.holds_alone(types, &said)) else { return };
        let message = match condition.paths().iter().any(|path| of_agent(path)) {
            true => "this `auto_if` can rest on nothing but what a model says of itself",
            // One that never changes has its own finding.
            false if condition.constant(types).is_some() => return,
            false => "no fact can keep this `auto_if` from being true",
        };
        let fix = "let each way to it ask what the change is (its size, its orders) or how people answered: `… && past.answers >= 50 && past.share >= 0.9`";
        self.error("T010", node.place, message, fix);
    }

    pub(super) fn gates(&mut self) {
        let definition = self.definition;
        let mut gates = Vec::new();
        let mut told = Vec::new();
        walk::every_step(&definition.workflow, &mut |step| match &step.kind {
            StepKind::Gate(gate) => gates.push((gate, step.place)),
            StepKind::Call(call) if call.tool.system() == "notify" => told.push(step.place),
            _ => {}
        });
        for (gate, place) in gates {
            self.gate_people(gate, definition.node_of(place), place);
        }
        for place in told {
            let node = definition.node_of(place).and_then(|node| node.at("/with/role"));
            let literal = node.and_then(Node::scalar).filter(|scalar| !scalar.text.contains("${{"));
            if let (Some(scalar), Some(node)) = (literal, node) {
                self.role(&scalar.text, node.place, false);
            }
        }
        let sla = definition.document().root.get("sla");
        for (index, promise) in definition.workflow.sla.iter().enumerate() {
            if let Some(node) = sla.and_then(|node| node.at(&format!("/{index}/escalate"))) {
                self.ladder(&promise.escalate, node.place);
            }
        }
    }

    fn gate_people(&mut self, gate: &GateStep, node: Option<&'c Node>, step: Place) {
        let place = |path: &str| node.and_then(|node| node.at(path)).map_or(step, |node| node.place);
        self.role(&gate.ask, place("/ask"), true);
        self.quorum(gate, place("/quorum"));
        self.author(gate, place("/not_author"));
        self.form_fields(gate, &place);
        if let Some(second) = &gate.second {
            self.role(&second.ask, place("/second/ask"), true);
            self.second_person(&gate.ask, &second.ask, place("/second/ask"));
        }
        let of_role = self.site.roles.get(&gate.ask).and_then(|role| role.ladder.clone());
        match (&gate.escalate, of_role) {
            (Some(ladder), _) => self.ladder(ladder, place("/escalate")),
            (None, Some(ladder)) => self.ladder(&ladder, place("/ask")),
            (None, None) if gate.on_expire == OnExpire::Escalate => {
                let message = format!("`{}` has no ladder to escalate to", gate.ask);
                self.error(
                    "T012",
                    place("/on_expire"),
                    message,
                    "add `escalate:` with a ladder of takt.yaml",
                );
            }
            (None, None) => {}
        }
    }

    /// As many people as must agree have the role in every shift in which it is filled.
    fn quorum(&mut self, gate: &GateStep, place: Place) {
        let needed = usize::from(gate.quorum);
        if needed < 2 || !self.site.roles.contains_key(&gate.ask) {
            return;
        }
        let all = self.holders(&gate.ask, None).len();
        let message = if all < needed {
            format!("{needed} people have to agree, and {all} have the role `{}`", gate.ask)
        } else {
            let few = |shift: &&str| (1..needed).contains(&self.holders(&gate.ask, Some(shift)).len());
            let shifts: Vec<&str> =
                self.site.shifts.iter().map(|shift| shift.id.as_str()).filter(few).collect();
            if shifts.is_empty() {
                return;
            }
            format!("in shift {} fewer than {needed} people have the role `{}`", shifts.join(", "), gate.ask)
        };
        let fix = format!("give `{}` to more people, or ask for a smaller `quorum`", gate.ask);
        self.error("T013", place, message, fix);
    }

    /// Who wrote the workflow is known where they may not answer.
    fn author(&mut self, gate: &GateStep, place: Place) {
        if !gate.not_author {
            return;
        }
        match &self.definition.workflow.author {
            None => {
                let fix = "add `author:` with the id of a person of takt.yaml beside `owner:`";
                self.error("T012", place, "the file does not say who wrote this workflow", fix);
            }
            Some(author) if self.site.person(author).is_none() => {
                let message = format!("`author: {author}` is nobody in takt.yaml");
                let fix = match suggest::closest(author, self.site.people.iter().map(|one| one.id.as_str())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write the id of a person of takt.yaml".to_owned(),
                };
                self.error("T012", place, message, fix);
            }
            Some(_) => {}
        }
    }

    /// A form can be shown, and only people fill it in.
    fn form_fields(&mut self, gate: &GateStep, place: &dyn Fn(&str) -> Place) {
        let Some(schema) = self.definition.form_schema(gate) else { return };
        if let Err(problem) = form::fields_of(schema) {
            let fix = "use texts, dates, words of an `enum`, numbers and yes or no";
            self.error("T012", place("/fields"), format!("this form cannot be shown: {problem}"), fix);
        }
        if gate.auto_if.is_some() {
            let fix = "remove `auto_if`, or ask for an approval instead";
            self.error("T012", place("/auto_if"), "nobody would fill in the form", fix);
        }
        if gate.allow.contains(&Allow::Edit) {
            let fix = "leave `edit` out of `allow`: a form is filled in, and a draft is edited";
            self.error("T012", place("/allow"), "a form with `fields` has no draft to edit", fix);
        }
    }

    fn holders(&self, role: &str, shift: Option<&str>) -> BTreeSet<&'c str> {
        let site = self.site;
        let given = site.roles.get(role).and_then(|declared| declared.from.as_deref()).unwrap_or(role);
        let on = |person: &&Person| {
            shift.is_none_or(|shift| person.shifts.is_empty() || person.shifts.iter().any(|id| id == shift))
        };
        let held = |person: &&Person| person.roles.iter().any(|role| role == given);
        site.people.iter().filter(held).filter(on).map(|person| person.id.as_str()).collect()
    }

    /// The second answer comes from somebody else, so there must be one.
    fn second_person(&mut self, first: &str, second: &str, place: Place) {
        let site = self.site;
        let alone = |shift: Option<&str>| {
            let (a, b) = (self.holders(first, shift), self.holders(second, shift));
            (a.len() == 1 && a == b).then(|| a.first().map(|id| (*id).to_owned())).flatten()
        };
        // Who answers first may be the only one who could confirm it.
        let in_both = || {
            let (a, b) = (self.holders(first, None), self.holders(second, None));
            (b.len() == 1 && b.is_subset(&a)).then(|| b.first().map(|id| (*id).to_owned())).flatten()
        };
        let fix = format!("ask another role, or give `{second}` to somebody else too");
        if let Some(person) = alone(None) {
            let message = match first == second {
                true => format!("`{person}` alone is `{first}`: nobody can be second"),
                false => {
                    format!("`{person}` is the only one in `{first}` and in `{second}`: nobody can be second")
                }
            };
            self.error("T013", place, message, fix);
            return;
        }
        let shifts: Vec<&str> = site
            .shifts
            .iter()
            .map(|shift| shift.id.as_str())
            .filter(|id| alone(Some(id)).is_some())
            .collect();
        if !shifts.is_empty() {
            let shifts = shifts.join(", ");
            let message = match first == second {
                true => format!("in shift {shifts} one person alone is `{first}`: nobody can be second then"),
                false => format!("in shift {shifts} one person alone is `{first}` and `{second}`"),
            };
            self.warn("T013", place, message, fix);
        } else if let Some(person) = in_both() {
            let message = format!(
                "`{person}` alone is `{second}`, and `{first}` too: after their answer nobody can be second"
            );
            self.warn("T013", place, message, fix);
        }
    }

    fn role(&mut self, role: &str, place: Place, is_asked: bool) {
        let site = self.site;
        if !site.roles.contains_key(role) {
            let known: Vec<&str> = site.roles.keys().map(String::as_str).collect();
            let fix = match suggest::closest(role, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("takt.yaml has: {}", known.join(", ")),
            };
            self.error("T012", place, format!("there is no role `{role}`"), fix);
            return;
        }
        let uncovered = site.uncovered_shifts(role);
        let shifts: Vec<&str> = uncovered.iter().map(|shift| shift.id.as_str()).collect();
        let given = site.roles.get(role).and_then(|declared| declared.from.as_deref()).unwrap_or(role);
        if !site.people.iter().any(|person| person.roles.iter().any(|held| held == given)) {
            self.error(
                "T012",
                place,
                format!("nobody has the role `{role}`"),
                "give it to somebody in takt.yaml",
            );
        } else if is_asked && !shifts.is_empty() {
            let message = format!("nobody has the role `{role}` in shift {}", shifts.join(", "));
            let fix =
                "its ladder is climbed at once there; give the role to somebody of that shift".to_owned();
            self.warn("T012", place, message, fix);
        }
    }

    fn ladder(&mut self, name: &str, place: Place) {
        let site = self.site;
        if site.ladders.contains_key(name) {
            return;
        }
        let known: Vec<&str> = site.ladders.keys().map(String::as_str).collect();
        let fix = match suggest::closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("takt.yaml has: {}", known.join(", ")),
        };
        self.error("T012", place, format!("there is no ladder `{name}`"), fix);
    }
}
