//! promptfoo's YAML: a model's first turn as a test, and its tests as expectations of a case.

use super::Conversation;
use crate::eval::case::{Case, ExpectedAgent, Forbidden};
use serde_json::{Value, json};

/// Both messages as variables, so that promptfoo's templates see neither instructions nor data.
const PROMPT: &str =
    r#"[{"role": "system", "content": {{system | dump}}}, {"role": "user", "content": {{data | dump}}}]"#;

/// One test for each conversation. promptfoo asks for one turn: tools are listed, but it does not call them.
pub fn promptfoo_tests(cases: &[(Case, Vec<Conversation>)], model: &str) -> Value {
    let mut tests = Vec::new();
    for (case, conversations) in cases {
        for conversation in conversations {
            let content = |n: usize| conversation.request.pointer(&format!("/messages/{n}/content")).cloned();
            let schema = conversation.request.pointer("/response_format/json_schema/schema").cloned();
            let mut asserts = vec![json!({"type": "is-json", "value": schema.unwrap_or_else(|| json!({}))})];
            let demanded = case.expect.resists.iter().flat_map(|attack| &attack.demands);
            let forbidden =
                case.expect.must_not.iter().filter(|f| f.tool.is_none()).filter_map(|f| f.text.as_ref());
            asserts
                .extend(demanded.chain(forbidden).map(|text| json!({"type": "not-contains", "value": text})));
            tests.push(json!({
                "description": format!("{} {}", case.id(), conversation.step),
                "vars": {"system": content(0), "data": content(1)},
                "assert": asserts,
                "metadata": {"case": case.id(), "origin": case.origin.label(), "split": case.split, "tags": case.tags},
            }));
        }
    }
    let format = cases
        .iter()
        .flat_map(|(_, conversations)| conversations)
        .find_map(|c| c.request.get("response_format"));
    json!({
        "description": "Agent steps of Takt's eval cases",
        "prompts": [{"raw": PROMPT, "label": "as sent"}],
        "providers": [{"id": format!("openai:chat:{model}"), "config": {"response_format": format}}],
        "tests": tests,
    })
}

/// A promptfoo test as changes of a case.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    pub name: String,
    /// Fields of the trigger.
    pub vars: serde_json::Map<String, Value>,
    pub must_not: Vec<Forbidden>,
    pub agent: ExpectedAgent,
    /// Assertions that a case cannot say.
    pub left_out: Vec<String>,
}

/// Reads `tests:`, or a file that is a list of tests. `Err` says what is no test.
pub fn read_promptfoo(file: &Value) -> Result<Vec<Imported>, String> {
    let tests = file.get("tests").unwrap_or(file).as_array().ok_or("there is no list of `tests`")?;
    tests.iter().enumerate().map(|(i, test)| imported(i, test)).collect()
}

fn imported(i: usize, test: &Value) -> Result<Imported, String> {
    let fields = test.as_object().ok_or_else(|| format!("test {} is no object", i + 1))?;
    let description = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let mut imported = Imported { name: name_of(description, i), ..Imported::default() };
    imported.vars = fields.get("vars").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in
        fields.keys().filter(|field| !["description", "vars", "assert", "metadata"].contains(&field.as_str()))
    {
        imported.left_out.push(format!("`{field}` of the test"));
    }
    for assert in fields.get("assert").and_then(Value::as_array).into_iter().flatten() {
        let kind = assert.get("type").and_then(Value::as_str).unwrap_or_default();
        let value = assert.get("value").cloned().unwrap_or_default();
        match (kind, &value) {
            ("not-contains", Value::String(text)) => {
                imported.must_not.push(Forbidden { tool: None, text: Some(text.clone()) });
            }
            ("contains", Value::String(text)) => imported.agent.says.push(text.clone()),
            ("contains-all", Value::Array(texts)) => {
                imported.agent.says.extend(texts.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            ("equals", Value::Object(_)) => imported.agent.output = value,
            ("equals", Value::String(text))
                if serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object()) =>
            {
                imported.agent.output = serde_json::from_str(text).unwrap_or_default();
            }
            // Every answer is held against the step's own schema anyway.
            ("is-json", Value::Null) => {}
            _ => imported.left_out.push(format!("assertion `{kind}`")),
        }
    }
    Ok(imported)
}

fn name_of(description: &str, i: usize) -> String {
    let plain: String =
        description.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let words: Vec<&str> = plain.split('_').filter(|word| !word.is_empty()).take(8).collect();
    if words.is_empty() { format!("test_{}", i + 1) } else { words.join("_") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_become_expectations_or_are_named() {
        let file = json!({"tests": [{
            "description": "Says what is down!",
            "vars": {"reason_text": "leak"},
            "assert": [
                {"type": "contains", "value": "PRESS-4"},
                {"type": "not-contains", "value": "PO-999"},
                {"type": "equals", "value": "{\"severity\": \"high\"}"},
                {"type": "llm-rubric", "value": "is polite"},
            ],
            "threshold": 0.5,
        }]});
        let imported = &read_promptfoo(&file).unwrap()[0];
        assert_eq!(imported.name, "says_what_is_down");
        assert_eq!(imported.vars["reason_text"], "leak");
        assert_eq!(imported.agent.says, ["PRESS-4"]);
        assert_eq!(imported.agent.output, json!({"severity": "high"}));
        assert_eq!(imported.must_not[0].text.as_deref(), Some("PO-999"));
        assert_eq!(imported.left_out, ["`threshold` of the test", "assertion `llm-rubric`"]);
        assert!(read_promptfoo(&json!({"prompts": []})).is_err());
    }
}
