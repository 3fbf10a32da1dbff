//! The steps of a workflow as an editor's outline shows them.

use super::{
    outline::{Node, Outline},
    text::Text,
};
use gen_lsp_types::{DocumentSymbol, SymbolKind};

/// How deep steps are shown inside of steps.
const DEPTH_MAX: usize = 20;
const KINDS: [(&str, SymbolKind); 10] = [
    ("call", SymbolKind::Function),
    ("agent", SymbolKind::Object),
    ("gate", SymbolKind::Interface),
    ("wait", SymbolKind::Event),
    ("until", SymbolKind::Event),
    ("parallel", SymbolKind::Array),
    ("each", SymbolKind::Array),
    ("choose", SymbolKind::Enum),
    ("run", SymbolKind::Module),
    ("end", SymbolKind::Constant),
];

pub(super) fn symbols(text: &Text) -> Vec<DocumentSymbol> {
    let outline = Outline::parse(text.as_str());
    ["steps", "on_failure"]
        .iter()
        .filter_map(|list| outline.root.get(list))
        .flat_map(|list| below(list, text, 0))
        .collect()
}

/// The steps in a node, each with those inside it.
#[expect(deprecated, reason = "the field has to be there, and stays empty")]
fn below(node: &Node, text: &Text, depth: usize) -> Vec<DocumentSymbol> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    let inner = || {
        let values = node.entries().iter().map(|entry| &entry.value).chain(node.items());
        values.flat_map(|value| below(value, text, depth + 1)).collect::<Vec<_>>()
    };
    let Some(id) = node.get("id") else { return inner() };
    let kind = KINDS.iter().find_map(|(name, kind)| Some((name, *kind, node.get(name)?)));
    let (detail, symbol) = match kind {
        Some((name, symbol, value)) => (format!("{name} {}", value.text(text.as_str())), symbol),
        None => (String::new(), SymbolKind::Object),
    };
    let (range, selection_range) = (text.range(node.span.clone()), text.range(id.span.clone()));
    vec![DocumentSymbol {
        name: Some(id.text(text.as_str())).filter(|id| !id.is_empty()).unwrap_or("?").to_owned(),
        detail: Some(detail.trim_end().to_owned()).filter(|detail| !detail.is_empty()),
        kind: symbol,
        tags: None,
        deprecated: None,
        range,
        selection_range,
        children: Some(inner()),
    }]
}
