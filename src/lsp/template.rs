//! Prompts and messages: the names between `{{ }}`, by the types of the step that renders them.

use super::{
    cel,
    complete::{Offer, Offers, of_field},
    context::Context,
    words,
};
use crate::{
    expr::{Field, Type, Types},
    workflow::Spot,
};
use gen_lsp_types::CompletionItemKind;
use std::ops::Range;

#[rustfmt::skip]
const HELPERS: [(&str, &str); 13] = [
    ("#if", "{{#if x}}…{{/if}}: only where `x` is there and not empty, false or 0."),
    ("#unless", "{{#unless x}}…{{/unless}}: the opposite of `#if`."),
    ("#each", "{{#each list}}…{{/each}}: once for each item; its fields are names inside."),
    ("#with", "{{#with x}}…{{/with}}: the fields of `x` are names inside."),
    ("time", "{{time x}}: 06:10, with the day when it is not today."),
    ("minutes", "{{minutes x}}: 125 as 2 h 5 min."),
    ("round", "{{round x 1}}: a number with so many digits."),
    ("json", "{{json x}}: the value as JSON."),
    ("lookup", "{{lookup list 0}}: an item of a list."),
    ("eq", "(eq a b): whether they are equal."),
    ("and", "(and a b): whether both are true."),
    ("or", "(or a b): whether one of them is true."),
    ("not", "(not a): whether it is not true."),
];

pub(super) fn complete(context: &Context<'_>, offset: usize) -> Offers {
    let text = context.text.as_str();
    let open = tag_before(text, offset)?;
    let inside = &text[open..offset];
    let path = path_at_end(inside);
    let names = names(context)?;
    let scope = scope_at(&text[..open], &names);
    let (holder, word) = path.rsplit_once('.').map_or((None, path), |(holder, word)| (Some(holder), word));
    let offers = match holder {
        Some(holder) => fields(&type_of(holder, &scope, &names)),
        None => {
            let mut offers = fields(&scope);
            if scope != root(&names) {
                offers.extend(fields(&root(&names)));
            }
            let begins = inside.trim_start_matches(['{', '#', '~', ' ']).len() == word.len();
            let hash = inside.contains('#');
            let helpers = HELPERS.iter().filter(|(name, _)| match name.strip_prefix('#') {
                Some(_) => begins && hash,
                None => !hash || inside.contains('('),
            });
            offers.extend(helpers.map(|(name, about)| Offer {
                about: (*about).to_owned(),
                ..Offer::new(name.trim_start_matches('#'), CompletionItemKind::Function)
            }));
            offers
        }
    };
    Some((offset - word.len()..offset, offers))
}

/// The type of the path at a byte, and where it stands.
pub(super) fn hover(context: &Context<'_>, offset: usize) -> Option<(String, Range<usize>)> {
    let text = context.text.as_str();
    let open = tag_before(text, offset)?;
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '@' | '/');
    let rest: usize =
        text[offset..].chars().take_while(|c| is_path(*c) && *c != '.').map(char::len_utf8).sum();
    let path = path_at_end(&text[open..offset + rest]);
    if path.is_empty() {
        return None;
    }
    let range = offset + rest - path.len()..offset + rest;
    if let Some((_, about)) = HELPERS.iter().find(|(name, _)| name.trim_start_matches('#') == path) {
        return Some(((*about).to_owned(), range));
    }
    let names = names(context)?;
    let kind = type_of(path, &scope_at(&text[..open], &names), &names);
    kind.is_known().then(|| (format!("`{path}`: {}", words::in_full(&kind)), range))
}

/// The names of the step that renders this file.
fn names(context: &Context<'_>) -> Option<Types> {
    let user = context.user()?;
    // Templates are known by the path that the workflow writes.
    let name = user.bundle.files.keys().find(|named| {
        crate::workflow::places_of(&user.bundle.path, named).any(|place| place.to_str() == Some(context.path))
    })?;
    context.names(user, &Spot::Template(name.clone()))
}

/// Behind the `{{` that is open here.
fn tag_before(text: &str, offset: usize) -> Option<usize> {
    let open = text[..offset].rfind("{{")? + 2;
    (!text[open..offset].contains("}}") && !text[open..offset].starts_with('!')).then_some(open)
}

fn path_at_end(inside: &str) -> &str {
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '@' | '/');
    let length: usize = inside.chars().rev().take_while(|c| is_path(*c)).map(char::len_utf8).sum();
    &inside[inside.len() - length..]
}

fn root(names: &Types) -> Type {
    Type::object(names.iter().map(|(name, kind)| (name.clone(), kind.clone())))
}

/// What a bare name is looked up in after this text: the item of the innermost `#each`, the value of a `#with`.
fn scope_at(before: &str, names: &Types) -> Type {
    let mut blocks = vec![root(names)];
    let mut kinds: Vec<bool> = Vec::new();
    for tag in before.split("{{").skip(1).filter_map(|part| part.split("}}").next()) {
        let tag = tag.trim_matches(['~', ' ']);
        if let Some(block) = tag.strip_prefix('#') {
            let (name, rest) = block.trim().split_once(' ').unwrap_or((block, ""));
            let argument = rest.split(" as ").next().unwrap_or_default().trim();
            let around = blocks.last().cloned().unwrap_or_default();
            let own = match name {
                "each" => match type_of(argument, &around, names).present() {
                    Type::List(item) => Some(*item),
                    _ => Some(Type::Any),
                },
                "with" => Some(type_of(argument, &around, names).present()),
                _ => None,
            };
            kinds.push(own.is_some());
            blocks.extend(own);
        } else if tag.starts_with('/') && kinds.pop() == Some(true) && blocks.len() > 1 {
            blocks.pop();
        }
    }
    blocks.pop().unwrap_or_default()
}

fn type_of(path: &str, scope: &Type, names: &Types) -> Type {
    let mut parts =
        path.split(['.', '/']).map(|part| part.trim_matches(['[', ']'])).filter(|part| !part.is_empty());
    let Some(first) = parts.next() else { return scope.clone() };
    let start = match first {
        "this" => Some(scope.clone()),
        "@root" => Some(root(names)),
        name => field(scope, name).or_else(|| names.get(name).cloned()),
    };
    parts.fold(start.unwrap_or_default(), |kind, part| field(&kind, part).unwrap_or_default())
}

fn field(kind: &Type, name: &str) -> Option<Type> {
    match kind {
        Type::List(item) if name.bytes().all(|byte| byte.is_ascii_digit()) => Some((**item).clone()),
        Type::List(_) if name == "length" => Some(Type::Int),
        kind => cel::fields_of(kind)?.fields.get(name).map(|Field { kind, .. }| kind.clone()),
    }
}

fn fields(kind: &Type) -> Vec<Offer> {
    let shape = cel::fields_of(kind).map(|shape| &shape.fields);
    shape.into_iter().flatten().map(|(name, field)| of_field(name, &field.kind, field.required)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_change_what_a_name_means() {
        let order = Type::object([("tier", Type::String)]);
        let names = Types::from([
            ("orders".to_owned(), Type::list(order.clone())),
            ("late".to_owned(), Type::object([("first", order.clone())])),
        ]);
        assert_eq!(scope_at("Title {{late.first.tier}} ", &names), root(&names));
        assert_eq!(scope_at("{{#each orders}} - {{#if tier}}", &names), order);
        assert_eq!(scope_at("{{#each orders as |o|}} - {{/each}}", &names), root(&names));
        assert_eq!(scope_at("{{#with late.first}}", &names), order);
        assert_eq!(type_of("this.tier", &order, &names), Type::String);
        assert_eq!(type_of("orders.[0].tier", &order, &names), Type::String);
        assert_eq!(type_of("orders.length", &order, &names), Type::Int);
    }
}
