//! How much a strict schema may hold, and that it refers only to itself. Counted in the schema as it is sent: what
//! makes a field optional counts, and what is referred to counts once.

use super::{DEFINITIONS, NotStrict, refuse, refuse_keyword};
use serde_json::Value;

/// Below the root.
const LEVELS_MAX: usize = 10;
const PROPERTIES_MAX: usize = 5_000;
const ENUM_VALUES_MAX: usize = 1_000;
/// Of names, and of the values of `enum` and `const`.
const CHARACTERS_MAX: usize = 120_000;
/// An `enum` with more values than these may have fewer characters.
const LONG_ENUM: usize = 250;
const LONG_ENUM_CHARACTERS_MAX: usize = 15_000;

#[derive(Default)]
struct Sums {
    properties: usize,
    enum_values: usize,
    characters: usize,
}

pub(super) fn within(root: &Value) -> Result<(), NotStrict> {
    let mut sums = Sums::default();
    count(root, root, "", 0, &mut sums)?;
    for keyword in DEFINITIONS {
        for (name, definition) in root.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            sums.characters += name.chars().count();
            count(definition, root, &format!("/{keyword}/{name}"), 1, &mut sums)?;
        }
    }
    for (found, most, what) in [
        (sums.properties, PROPERTIES_MAX, "properties"),
        (sums.enum_values, ENUM_VALUES_MAX, "values of `enum`"),
        (sums.characters, CHARACTERS_MAX, "characters in its names and in the values of `enum` and `const`"),
    ] {
        if found > most {
            return Err(refuse("", &format!("has {found} {what}, more than {most}")));
        }
    }
    Ok(())
}

fn count(schema: &Value, root: &Value, at: &str, level: usize, sums: &mut Sums) -> Result<(), NotStrict> {
    if level > LEVELS_MAX {
        return Err(refuse(at, &format!("is nested more than {LEVELS_MAX} levels deep")));
    }
    if let Some(target) = schema.get("$ref") {
        let inside = target.as_str().and_then(|target| target.strip_prefix('#'));
        if inside.and_then(|pointer| root.pointer(pointer)).is_none() {
            let why = format!("refers to {target}, which is not part of it");
            return Err(refuse_keyword(at, "$ref", &why));
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let characters: usize = values.iter().map(length).sum();
        if values.len() > LONG_ENUM && characters > LONG_ENUM_CHARACTERS_MAX {
            let why = format!(
                "has an `enum` of {} values with {characters} characters, more than {LONG_ENUM_CHARACTERS_MAX}",
                values.len()
            );
            return Err(refuse_keyword(at, "enum", &why));
        }
        sums.enum_values += values.len();
        sums.characters += characters;
    }
    sums.characters += schema.get("const").map_or(0, length);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        sums.properties += 1;
        sums.characters += name.chars().count();
        count(property, root, &format!("{at}/properties/{name}"), level + 1, sums)?;
    }
    if let Some(items) = schema.get("items") {
        count(items, root, &format!("{at}/items"), level + 1, sums)?;
    }
    for (i, branch) in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        count(branch, root, &format!("{at}/anyOf/{i}"), level + 1, sums)?;
    }
    Ok(())
}

fn length(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.to_string().chars().count(), |text| text.chars().count())
}
