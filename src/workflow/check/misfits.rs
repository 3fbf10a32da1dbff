//! Where a value that does not fit was written: in the arguments themselves, or, when an argument is the
//! output of a `parallel`, at the child's name.

use super::{Checker, arguments::key_place};
use crate::{
    expr::Misfit,
    workflow::{
        Place, StepKind,
        source::{Data, Node},
        suggest, walk,
    },
};

impl Checker<'_> {
    /// `node` is the value that the misfit's path begins at.
    pub(super) fn place_of_misfit(&self, node: &Node, misfit: &Misfit) -> Place {
        let mut at = node;
        let mut rest = misfit.path.as_slice();
        while let Some((name, more)) = rest.split_first() {
            let inner = match &at.data {
                Data::Map(entries) => {
                    let is_strange = misfit.strange.as_ref().is_some_and(|(word, _)| word == name);
                    // A field that is missing was probably mistyped.
                    let near = || suggest::closest(name, entries.iter().map(|(key, _)| key.name.as_str()));
                    match at.get(name) {
                        Some(_) if more.is_empty() && is_strange => {
                            return key_place(Some(at), name).unwrap_or(at.place);
                        }
                        None if more.is_empty() => {
                            return near().and_then(|near| key_place(Some(at), near)).unwrap_or(at.place);
                        }
                        found => found,
                    }
                }
                Data::List(items) => strange_item(items, misfit),
                Data::Scalar(_) => return self.parallel_child(at, name).unwrap_or(at.place),
            };
            let Some(inner) = inner else { break };
            (at, rest) = (inner, more);
        }
        match (&at.data, &misfit.strange) {
            (Data::Scalar(scalar), Some((word, _))) => {
                // Inside an expression the word itself, not the value that may be it.
                let found = scalar.text.find(&format!("'{word}'"));
                let offset = found.map(|byte| scalar.text[..byte].chars().count());
                offset.map_or(at.place, |offset| self.definition.document().place_in(scalar, offset))
            }
            _ => at.place,
        }
    }

    /// Where a `parallel` names the child that `${{ steps.context }}` should have, or has besides.
    fn parallel_child(&self, node: &Node, name: &str) -> Option<Place> {
        let text = node.scalar()?.text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
        let id = text.strip_prefix("steps.")?;
        let mut found = None;
        walk::every_step(&self.definition.workflow, &mut |step| {
            if let (true, StepKind::Parallel(children)) = (step.id == id, &step.kind) {
                found = Some((step.place, children));
            }
        });
        let (place, children) = found?;
        let names = || children.iter().map(|child| child.id.as_str());
        let child = names().find(|child| *child == name).or_else(|| suggest::closest(name, names()))?;
        let node = self.definition.node_of(place)?.get("parallel");
        key_place(node, child)
    }
}

/// The item of a list that holds the word which is not known; else the first.
fn strange_item<'n>(items: &'n [Node], misfit: &Misfit) -> Option<&'n Node> {
    let (word, _) = misfit.strange.as_ref()?;
    let holds = |node: &&Node| node.scalar().is_some_and(|scalar| scalar.text.contains(word.as_str()));
    items.iter().find(holds)
}

/// What is right, with what was probably meant.
pub(super) fn fix_for(misfit: &Misfit, otherwise: &str) -> String {
    let near = misfit.strange.as_ref().and_then(|(word, known)| {
        suggest::closest(word, known.iter().map(String::as_str)).map(str::to_owned)
    });
    near.map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"))
}
