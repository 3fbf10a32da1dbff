//! What can be written at a place: keys and words by the site's schema, names and fields by the types of the step.

use super::{
    MARKER, cel,
    context::{Context, FileKind},
    keys::{Key, Place},
    outline::{At, Data, Node, Outline, Way},
    scope, template, words,
};
use crate::expr::{Field, NAMESPACES, Type, Types, functions, is_name};
use gen_lsp_types::{
    CompletionItem, CompletionItemKind, Documentation, InsertTextFormat, MarkupContent, MarkupKind, TextEdit,
};
use std::ops::Range;

/// One thing that is offered, before it has a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub(super) label: String,
    pub(super) kind: CompletionItemKind,
    pub(super) detail: String,
    pub(super) about: String,
    pub(super) insert: String,
}

impl Offer {
    pub(super) fn new(label: &str, kind: CompletionItemKind) -> Self {
        let (detail, about) = (String::new(), String::new());
        Self { label: label.to_owned(), kind, detail, about, insert: label.to_owned() }
    }
}

/// Everything that fits at a byte of the document.
pub(super) fn complete(context: &Context<'_>, offset: usize) -> Vec<CompletionItem> {
    let found = match FileKind::of(context.path) {
        FileKind::Workflow | FileKind::Rule => in_yaml(context, offset),
        FileKind::Template => template::complete(context, offset),
        FileKind::Test | FileKind::Site | FileKind::Other => None,
    };
    let Some((range, offers)) = found else { return Vec::new() };
    let range = context.text.range(range);
    let item = |(index, offer): (usize, Offer)| CompletionItem {
        kind: Some(offer.kind),
        detail: Some(offer.detail).filter(|text| !text.is_empty()),
        documentation: Some(offer.about)
            .filter(|text| !text.is_empty())
            .map(|value| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })),
        sort_text: Some(format!("{index:04}")),
        insert_text_format: Some(InsertTextFormat::PlainText),
        text_edit: Some(TextEdit { range, new_text: offer.insert }.into()),
        label: offer.label,
        ..CompletionItem::default()
    };
    offers.into_iter().enumerate().map(item).collect()
}

/// Bytes of the document that are replaced, and what by.
pub(super) type Offers = Option<(Range<usize>, Vec<Offer>)>;

fn in_yaml(context: &Context<'_>, offset: usize) -> Offers {
    let text = context.text.as_str();
    let marked = format!("{}{MARKER}{}", &text[..offset], &text[offset..]);
    let outline = Outline::parse(&marked);
    let Some(at) = outline.at(offset + 1) else { return in_nothing(context, &outline) };
    let (holder, way) = at.way.last()?;
    // A remark, or a place between things.
    let has_marker = |span: &Range<usize>| marked.get(span.clone()).is_some_and(|part| part.contains(MARKER));
    if at.on_key {
        let Way::Key(entry) = way else { return None };
        if !has_marker(&entry.key_span) {
            return None;
        }
        let place = Place::around(&context.plant.schema, &outline, &at);
        let others = |name: &str| holder.entries().iter().any(|other| other.key == name);
        let keys = place.keys().into_iter().filter(|key| !others(key.name));
        let colon = if entry.bare { ": " } else { "" };
        let range = entry.key_span.start..entry.key_span.end - MARKER.len();
        return Some((range, keys.map(|key| of_key(&key, colon)).collect()));
    }
    let node = at.node()?;
    if !has_marker(&node.span) || !matches!(node.data, Data::Scalar(_)) {
        return None;
    }
    let is_bare = context.is_expression(&outline, &at);
    if let Some(written) = scope::expression_at(&marked, node, offset, is_bare) {
        let span = node.span.start..node.span.end - MARKER.len();
        let types = scope::names_at(context, &outline, &at, span);
        let (word, offers) = in_expression(&written.source[..written.cursor], &types);
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let rest = text[offset..].bytes().take_while(is_word).count();
        return Some((offset - word..offset + rest, offers));
    }
    if FileKind::of(context.path) == FileKind::Workflow {
        return in_value(context, &outline, &at, node, offset);
    }
    None
}

/// A file that holds one word so far.
fn in_nothing(context: &Context<'_>, outline: &Outline<'_>) -> Offers {
    let is_new = outline.root.text(outline.source).contains(MARKER);
    if !is_new || FileKind::of(context.path) != FileKind::Workflow {
        return None;
    }
    let at = At { way: Vec::new(), on_key: false };
    let keys = context.place(outline, &at).keys();
    let range = outline.root.span.start..outline.root.span.end - MARKER.len();
    Some((range, keys.iter().map(|key| of_key(key, ": ")).collect()))
}

fn in_value(context: &Context<'_>, outline: &Outline<'_>, at: &At<'_>, node: &Node, offset: usize) -> Offers {
    let place = context.place(outline, at);
    let raw = outline.source.get(node.span.clone())?;
    let quote = raw.chars().take_while(|c| matches!(c, '"' | '\'')).count().min(1);
    let end =
        node.span.end - MARKER.len() - usize::from(quote > 0 && raw.len() > 1 && raw.ends_with(['"', '\'']));
    let range = node.span.start + quote..end.max(offset);
    let (_, way) = at.way.last()?;
    // `with: x` cannot become a map on its own line; below it, or behind a dash, it can.
    let own_line = match way {
        Way::Key(entry) => outline.source[entry.key_span.end..node.span.start].contains('\n'),
        Way::Item(..) => true,
    };
    let mut offers = of_words(context, outline, at, &place);
    if own_line && place.is_group() && raw.trim_end() == raw {
        let dash = if place.is_list() && matches!(way, Way::Key(_)) { "- " } else { "" };
        let keys = match dash {
            "" => place.keys(),
            _ => place.item(outline.source, node).keys(),
        };
        offers.extend(keys.iter().map(|key| {
            let offer = of_key(key, ": ");
            Offer { insert: format!("{dash}{}", offer.insert), ..offer }
        }));
    }
    Some((range, offers))
}

fn of_key(key: &Key<'_>, colon: &str) -> Offer {
    let colon = if key.is_group { colon.trim_end() } else { colon };
    Offer {
        about: key.about.to_owned(),
        detail: if key.required { "required".to_owned() } else { String::new() },
        insert: format!("{}{colon}", key.name),
        ..Offer::new(key.name, CompletionItemKind::Property)
    }
}

/// Words of the schema, and those it leaves open but the site knows.
fn of_words(context: &Context<'_>, outline: &Outline<'_>, at: &At<'_>, place: &Place<'_>) -> Vec<Offer> {
    let mut offers: Vec<Offer> = place
        .words()
        .into_iter()
        .map(|word| Offer {
            about: match context.plant.tools.specs().find(|spec| spec.name.as_str() == word.text) {
                Some(spec) => words::of_tool(spec),
                None => word.about.to_owned(),
            },
            ..Offer::new(&word.text, CompletionItemKind::Value)
        })
        .collect();
    let mut more = |names: Vec<String>, kind: CompletionItemKind| {
        offers.extend(names.iter().map(|name| Offer::new(name, kind)));
    };
    let inside = at.way.iter().rev().nth(1).and_then(|(_, way)| match way {
        Way::Key(entry) => Some(entry.key.as_str()),
        Way::Item(..) => None,
    });
    let site = &context.plant.site;
    match (inside, at.key()) {
        (_, Some("event" | "wait")) => {
            let events = context.plant.library.events().names().map(str::to_owned).collect();
            more(events, CompletionItemKind::Event);
        }
        (None, Some("step")) => {
            more(
                outline.steps().iter().map(|(id, _)| (*id).to_owned()).collect(),
                CompletionItemKind::Variable,
            );
        }
        (Some("with"), Some("role")) => {
            more(site.roles.keys().cloned().collect(), CompletionItemKind::Value);
        }
        (Some("with"), Some("message")) => {
            let known = context.plant.schema.pointer("/definitions/message/examples");
            let names = known.and_then(|names| names.as_array()).into_iter().flatten();
            more(
                names.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
                CompletionItemKind::File,
            );
        }
        _ => {}
    }
    offers
}

/// Names at the end of half an expression, and how long the word is that they complete.
pub(super) fn in_expression(source: &str, types: &Types) -> (usize, Vec<Offer>) {
    let types = cel::with_variables(source, types);
    match cel::cursor(source) {
        cel::Cursor::Field { holder, word } => (word.len(), behind_a_dot(holder, &types)),
        cel::Cursor::Text { with, word } => {
            let known = with.map(|value| cel::kind_of(value, &types).present());
            let words = match known {
                Some(Type::Word(words)) => words,
                _ => Vec::new(),
            };
            let offers = words.iter().map(|word| Offer::new(word, CompletionItemKind::EnumMember));
            (word.len(), offers.collect())
        }
        cel::Cursor::Name { word } => {
            let mut offers: Vec<Offer> =
                types.iter().map(|(name, kind)| of_field(name, kind, true)).collect();
            for function in functions().iter().filter(|function| !function.method) {
                if function.namespace.is_none() {
                    offers.push(of_function(function.name, function));
                }
            }
            offers.extend(NAMESPACES.iter().map(|name| Offer::new(name, CompletionItemKind::Module)));
            let words = ["true", "false", "null"];
            offers.extend(words.iter().map(|word| Offer::new(word, CompletionItemKind::Keyword)));
            (word.len(), offers)
        }
    }
}

fn behind_a_dot(holder: &str, types: &Types) -> Vec<Offer> {
    let all = functions();
    if NAMESPACES.contains(&holder) && !types.contains_key(holder) {
        let own = all.iter().filter(|function| function.namespace == Some(holder));
        return own.map(|function| of_function(function.name, function)).collect();
    }
    let kind = cel::kind_of(holder, types);
    let mut offers = Vec::new();
    if let Some(shape) = cel::fields_of(&kind) {
        offers.extend(
            shape
                .fields
                .iter()
                // Others are written in brackets, and the dot is there already.
                .filter(|(name, _)| is_name(name))
                .map(|(name, Field { kind, required })| of_field(name, kind, *required)),
        );
    }
    if kind.is_known() && !matches!(kind, Type::Object(_)) {
        let methods = all.iter().filter(|function| function.is_method_of(&kind.clone().present()));
        offers.extend(methods.map(|function| of_function(function.name, function)));
    }
    offers
}

pub(super) fn of_field(name: &str, kind: &Type, required: bool) -> Offer {
    let absent = if required { "" } else { ", may be absent" };
    Offer {
        detail: format!("{kind}{absent}"),
        about: match kind {
            Type::Object(_) | Type::List(_) | Type::Nullable(_) | Type::Optional(_) => words::in_full(kind),
            _ => String::new(),
        },
        ..Offer::new(name, CompletionItemKind::Field)
    }
}

fn of_function(name: &str, function: &crate::expr::Function) -> Offer {
    let kind = if function.method { CompletionItemKind::Method } else { CompletionItemKind::Function };
    Offer { detail: function.call.clone(), about: words::of_function(function), ..Offer::new(name, kind) }
}
