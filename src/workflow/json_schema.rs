//! JSON Schemas in files of the site (`schemas/`, `events/`): read, and what is wrong with one at its place in the text.

use super::{Place, endless::endless, source::Document, suggest};
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};

/// What `type` may say.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
/// Below these stand names of the site's own, which may be `type`, too.
const NAMES: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// Why a text is no schema to hold anything against.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) place: Place,
    pub(super) message: String,
    /// `None` where it says nothing more than what a schema is.
    pub(super) fix: Option<String>,
}

pub(super) fn read(text: &str) -> Result<(Value, Validator), Mistake> {
    let schema: Value = serde_json::from_str(text).map_err(|cause| Mistake {
        place: Place { line: cause.line() as u32, column: cause.column().max(1) as u32 },
        message: format!("not valid JSON: {cause}"),
        fix: None,
    })?;
    let shape = jsonschema::validator_for(&schema).map_err(|cause| no_schema(text, &schema, &cause))?;
    if let Some(why) = endless(&schema) {
        let message = format!("this schema cannot be used: {why}");
        let fix = Some("take the reference out".to_owned());
        return Err(Mistake { place: Place { line: 1, column: 1 }, message, fix });
    }
    Ok((schema, shape))
}

fn no_schema(text: &str, schema: &Value, cause: &ValidationError) -> Mistake {
    let at = cause.instance_path().to_string();
    if let Some((at, word)) = wrong_type(schema, &at) {
        let fix = match suggest::closest(&word, TYPES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", TYPES.join(", ")),
        };
        let message = format!("`{word}` is no JSON type");
        return Mistake { place: place_at(text, &at), message, fix: Some(fix) };
    }
    let lost = matches!(cause.kind(), ValidationErrorKind::Referencing(_)).then(|| lost_reference(schema));
    if let Some((at, reference)) = lost.flatten() {
        let message = format!("there is no `{reference}` in this schema");
        return Mistake { place: place_at(text, &at), message, fix: Some(meant_by(schema, reference)) };
    }
    Mistake { place: place_at(text, &at), message: format!("not a valid JSON Schema: {cause}"), fix: None }
}

/// The first reference into the schema itself that leads nowhere: the pointer to it, and what it says.
fn lost_reference(schema: &Value) -> Option<(String, &str)> {
    let mut rest = vec![(String::new(), schema)];
    while let Some((at, value)) = rest.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str)
                    && let Some(pointer) = reference.strip_prefix('#').filter(|at| at.starts_with('/'))
                    && schema.pointer(pointer).is_none()
                {
                    return Some((format!("{at}/$ref"), reference));
                }
                rest.extend(fields.iter().map(|(name, inner)| (format!("{at}/{name}"), inner)));
            }
            Value::Array(items) => {
                rest.extend(items.iter().enumerate().map(|(index, inner)| (format!("{at}/{index}"), inner)));
            }
            _ => {}
        }
    }
    None
}

/// What beside it a reference that leads nowhere was probably meant to name.
fn meant_by(schema: &Value, reference: &str) -> String {
    let (holder, name) = reference.rsplit_once('/').unwrap_or(("#", reference));
    let beside = holder.strip_prefix('#').and_then(|at| schema.pointer(at)).and_then(Value::as_object);
    let names = beside.into_iter().flat_map(Map::keys).map(String::as_str);
    match suggest::closest(name, names) {
        Some(near) => format!("did you mean `{holder}/{near}`?"),
        None => "write what it names into this file, like `\"$defs\": { … }`, or correct it".to_owned(),
    }
}

/// The word at or below a pointer that `type` cannot say, and the pointer to it.
fn wrong_type(schema: &Value, at: &str) -> Option<(String, String)> {
    let names: Vec<&str> = at.split('/').skip(1).collect();
    let keyword = match names.as_slice() {
        [.., "type"] => names.len() - 1,
        [.., "type", _] => names.len() - 2,
        _ => return None,
    };
    if keyword.checked_sub(1).is_some_and(|above| NAMES.contains(&names[above])) {
        return None;
    }
    let wrong = |value: &Value| value.as_str().filter(|word| !TYPES.contains(word)).map(str::to_owned);
    match schema.pointer(at)? {
        Value::Array(items) => {
            let index = items.iter().position(|item| wrong(item).is_some())?;
            Some((format!("{at}/{index}"), wrong(&items[index])?))
        }
        value => Some((at.to_owned(), wrong(value)?)),
    }
}

/// Where the value at a JSON pointer stands in a JSON text, which is YAML but for the tabs that indent it.
fn place_at(text: &str, pointer: &str) -> Place {
    let document = Document::parse("", &text.replace('\t', " ")).ok();
    let found = document.as_ref().and_then(|document| document.root.at(pointer));
    found.map_or(Place { line: 1, column: 1 }, |node| node.place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(u32, u32, String, String)> {
        let mistake = read(text).err()?;
        let Place { line, column } = mistake.place;
        Some((line, column, mistake.message, mistake.fix.unwrap_or_default()))
    }

    #[test]
    fn a_mistake_in_a_schema_is_told_at_its_place() {
        let type_of = |word: &str| {
            format!(
                "{{\n  \"type\": \"object\",\n  \"properties\": {{\n\t\"qty\": {{ \"type\": {word} }}\n  }}\n}}\n"
            )
        };
        assert_eq!(told(&type_of("\"integer\"")), None);
        let meant = |line, column, word: &str, near: &str| {
            Some((line, column, format!("`{word}` is no JSON type"), format!("did you mean `{near}`?")))
        };
        assert_eq!(told(&type_of("\"interger\"")), meant(4, 19, "interger", "integer"));
        assert_eq!(told(&type_of("[\"null\", \"strng\"]")), meant(4, 28, "strng", "string"));
        assert_eq!(told("{ \"type\": \"strng\" }"), meant(1, 11, "strng", "string"));
        let (line, column, message, _) =
            told(&type_of("\"integer\", \"minimum\": \"3\"")).expect("no number");
        assert_eq!((line, column), (4, 41), "{message}");
        let (_, _, message, _) = told("{ \"properties\": { \"type\": \"strng\" } }").expect("no schema");
        assert!(message.starts_with("not a valid JSON Schema"), "{message}");
    }

    #[test]
    fn a_reference_to_nowhere_is_told_at_its_place() {
        let schema = |name: &str| {
            format!(
                "{{\n  \"properties\": {{ \"line\": {{ \"$ref\": \"#/$defs/{name}\" }} }},\n  \"$defs\": {{ \"order\": {{}} }}\n}}\n"
            )
        };
        assert_eq!(told(&schema("order")), None);
        let (line, column, message, fix) = told(&schema("nope")).expect("it leads nowhere");
        assert_eq!((line, column, message.as_str()), (2, 37, "there is no `#/$defs/nope` in this schema"));
        assert!(fix.starts_with("write what it names into this file"), "{fix}");
        let (_, _, _, fix) = told(&schema("ordr")).expect("it leads nowhere");
        assert_eq!(fix, "did you mean `#/$defs/order`?");
    }
}
