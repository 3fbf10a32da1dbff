//! promptfoo's YAML: a model's first turn as a test, and its tests as expectations of a case.

use super::Conversation;
use crate::eval::case::{Case, ExpectedAgent, Forbidden};
use regex::{Regex, escape};
use serde_json::{Map, Value, json};

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
                "metadata": {"case": case.id(), "step": conversation.step, "origin": case.origin.label(),
                    "split": case.split, "tags": case.tags},
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
    pub vars: Map<String, Value>,
    pub must_not: Vec<Forbidden>,
    pub agent: ExpectedAgent,
    /// Case and step that Takt made the test of: its variables are what the step was sent, and no fields of a trigger.
    pub made_of: Option<(String, String)>,
    /// What a case cannot say.
    pub left_out: Vec<String>,
}

/// Reads `tests:`, or a file that is a list of tests. `Err` says what is no test.
pub fn read_promptfoo(file: &Value) -> Result<Vec<Imported>, String> {
    let tests = file.get("tests").unwrap_or(file).as_array().ok_or("there is no list of `tests`")?;
    let default = file.get("defaultTest").unwrap_or(&Value::Null);
    tests.iter().enumerate().map(|(i, test)| imported(i, test, default)).collect()
}

impl Imported {
    /// A case like another one, with what this test changes. Says what of the test does not fit it.
    pub fn onto(self, like: &Case, step: &str) -> (Case, Vec<String>) {
        let (mut case, mut left_out) = (like.clone(), self.left_out);
        case.case = self.name;
        let is_same = self.made_of.as_ref() == Some(&(like.id(), step.to_owned()));
        if let Some((id, of_step)) = self.made_of.filter(|_| !is_same) {
            left_out.push(format!("its variables: they are what `{of_step}` of {id} was sent"));
        }
        if let Some(trigger) = case.trigger.as_object_mut() {
            trigger.extend(self.vars);
        }
        let expect = &mut case.expect;
        let demanded = expect.resists.iter().flat_map(|attack| &attack.demands).cloned();
        let demanded: Vec<Option<String>> = demanded.map(Some).collect();
        for forbidden in self.must_not {
            // An attack's own check tells a text that is quoted from one that is obeyed.
            if !demanded.contains(&forbidden.text) && !expect.must_not.contains(&forbidden) {
                expect.must_not.push(forbidden);
            }
        }
        let agent = expect.agents.entry(step.to_owned()).or_default();
        // With other variables an answer says something else.
        if !is_same {
            (agent.says, agent.matches) = (Vec::new(), Vec::new());
        }
        agent.says.extend(self.agent.says);
        agent.matches.extend(self.agent.matches);
        agent.schema = self.agent.schema;
        if !self.agent.output.is_null() {
            agent.output = self.agent.output;
        }
        (case, left_out)
    }
}

fn imported(i: usize, test: &Value, default: &Value) -> Result<Imported, String> {
    let fields = test.as_object().ok_or_else(|| format!("test {} is no object", i + 1))?;
    let description = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let mut imported = Imported { name: name_of(description, i), ..Imported::default() };
    let unsaid = |fields: &Map<String, Value>, of: &str| {
        let known = ["description", "vars", "assert", "metadata"];
        let unknown = fields.keys().filter(|field| !known.contains(&field.as_str()));
        unknown.map(|field| format!("`{field}` of {of}")).collect::<Vec<_>>()
    };
    let has_shared = test.pointer("/options/disableDefaultAsserts") != Some(&Value::Bool(true));
    imported.left_out = unsaid(fields, "the test");
    if !has_shared && test.pointer("/options").and_then(Value::as_object).is_some_and(|all| all.len() == 1) {
        imported.left_out.retain(|field| field != "`options` of the test");
    }
    match default {
        Value::Null => {}
        Value::Object(shared) => imported.left_out.extend(unsaid(shared, "`defaultTest`")),
        _ => imported.left_out.push("`defaultTest`, which stands elsewhere".to_owned()),
    }
    for given in [default, test] {
        imported.vars.extend(given.get("vars").and_then(Value::as_object).cloned().unwrap_or_default());
    }
    imported.made_of = made_of(test);
    if imported.made_of.is_some() {
        imported.vars.clear();
    }
    for given in [default, test].into_iter().skip(usize::from(!has_shared)) {
        for assert in given.get("assert").and_then(Value::as_array).into_iter().flatten() {
            imported.take(assert);
        }
    }
    Ok(imported)
}

/// Of a test that Takt itself wrote.
fn made_of(test: &Value) -> Option<(String, String)> {
    let vars = test.get("vars")?.as_object()?;
    let is_ours = vars.len() == 2 && ["system", "data"].iter().all(|name| vars.contains_key(*name));
    let told = |field: &str| Some(test.get("metadata")?.get(field)?.as_str()?.to_owned());
    is_ours.then(|| Some((told("case")?, told("step")?))).flatten()
}

impl Imported {
    fn take(&mut self, assert: &Value) {
        let kind = assert.get("type").and_then(Value::as_str).unwrap_or_default();
        let value = assert.get("value").cloned().unwrap_or_default();
        let other = assert.as_object().into_iter().flat_map(Map::keys);
        let other: Vec<&str> = other
            .map(String::as_str)
            .filter(|f| !["type", "value", "metric", "weight"].contains(f))
            .collect();
        let is_template = value.to_string().contains("{{");
        if !other.is_empty() || is_template || assert.get("weight").is_some_and(|w| w.as_f64() == Some(0.0)) {
            let why = match () {
                () if is_template => "a variable".to_owned(),
                () if other.is_empty() => "no weight".to_owned(),
                () => format!("`{}`", other.join("`, `")),
            };
            self.left_out.push(format!("assertion `{kind}` with {why}"));
        } else if self.translate(kind, value).is_none() {
            self.left_out.push(format!("assertion `{kind}`"));
        }
    }

    /// Nothing, where a case has no such expectation.
    fn translate(&mut self, kind: &str, value: Value) -> Option<()> {
        let agent = &mut self.agent;
        match (kind, value) {
            ("not-contains", Value::String(text)) => {
                self.must_not.push(Forbidden { tool: None, text: Some(text) });
            }
            ("contains", Value::String(text)) => agent.says.push(text),
            ("contains-all", value) => agent.says.extend(texts(&value)?),
            ("contains-any", value) => agent.matches.push(any_of("", &texts(&value)?)),
            ("icontains", Value::String(text)) => agent.matches.push(any_of("(?i)", &[text])),
            ("icontains-all", value) => {
                agent.matches.extend(texts(&value)?.into_iter().map(|text| any_of("(?i)", &[text])));
            }
            ("icontains-any", value) => agent.matches.push(any_of("(?i)", &texts(&value)?)),
            // JavaScript knows patterns that there are not here, such as looking around.
            ("regex", Value::String(pattern)) if Regex::new(&pattern).is_ok() => agent.matches.push(pattern),
            ("equals", value) => agent.output = object(value)?,
            // Every answer is held against the step's own schema anyway.
            ("is-json", Value::Null) => {}
            ("is-json", value) => {
                let schema = object(value)?;
                match () {
                    () if schema.as_object().is_some_and(Map::is_empty) => {}
                    () if agent.schema.is_null() || agent.schema == schema => agent.schema = schema,
                    () => agent.schema = json!({ "allOf": [agent.schema.take(), schema] }),
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// An object, or its text.
fn object(value: Value) -> Option<Value> {
    let value = match value {
        Value::String(text) => serde_json::from_str(&text).ok()?,
        value => value,
    };
    value.is_object().then_some(value)
}

/// A list of texts, all of them.
fn texts(value: &Value) -> Option<Vec<String>> {
    let texts =
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    (!texts.is_empty()).then_some(texts)
}

fn any_of(flags: &str, texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| escape(text)).collect();
    format!("{flags}{}", texts.join("|"))
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
                {"type": "icontains", "value": "press (4)"},
                {"type": "contains-any", "value": ["leak", "oil"]},
                {"type": "regex", "value": "EQ-\\d"},
                {"type": "is-json", "value": {"required": ["severity"]}},
                {"type": "llm-rubric", "value": "is polite"},
                {"type": "regex", "value": "(?=oil)"},
                {"type": "is-json", "value": "file://schema.json"},
                {"type": "contains", "value": "{{reason_text}}"},
                {"type": "contains", "value": "4", "transform": "output.length"},
                {"type": "contains", "value": "4", "weight": 0},
            ],
            "threshold": 0.5,
        }]});
        let imported = &read_promptfoo(&file).unwrap()[0];
        assert_eq!(imported.name, "says_what_is_down");
        assert_eq!(imported.vars["reason_text"], "leak");
        assert_eq!(imported.agent.says, ["PRESS-4"]);
        assert_eq!(imported.agent.output, json!({"severity": "high"}));
        assert_eq!(imported.agent.matches, [r"(?i)press \(4\)", "leak|oil", r"EQ-\d"]);
        assert_eq!(imported.agent.schema, json!({"required": ["severity"]}));
        assert_eq!(imported.must_not[0].text.as_deref(), Some("PO-999"));
        let left_out = [
            "`threshold` of the test",
            "assertion `llm-rubric`",
            "assertion `regex`",
            "assertion `is-json`",
            "assertion `contains` with a variable",
            "assertion `contains` with `transform`",
            "assertion `contains` with no weight",
        ];
        assert_eq!(imported.left_out, left_out);
        assert!(read_promptfoo(&json!({"prompts": []})).is_err());
    }

    #[test]
    fn what_all_tests_share_is_in_each_of_them() {
        let contains = |text: &str| json!({"type": "contains", "value": text});
        let file = json!({
            "defaultTest": {"vars": {"line": "A", "asset": "EQ-1"}, "assert": [contains("all")], "threshold": 1},
            "tests": [
                {"vars": {"asset": "EQ-4"}, "assert": [contains("one")]},
                {"assert": [contains("two")], "options": {"disableDefaultAsserts": true}},
            ],
        });
        let tests = read_promptfoo(&file).unwrap();
        assert_eq!(Value::Object(tests[0].vars.clone()), json!({"line": "A", "asset": "EQ-4"}));
        assert_eq!(tests[0].agent.says, ["all", "one"]);
        assert_eq!(tests[0].left_out, ["`threshold` of `defaultTest`"]);
        assert_eq!(
            (&tests[1].vars["asset"], tests[1].agent.says.as_slice()),
            (&json!("EQ-1"), &["two".to_owned()][..])
        );
        assert_eq!(tests[1].left_out, ["`threshold` of `defaultTest`"]);
        let elsewhere = json!({"defaultTest": "file://default.yaml", "tests": [{"vars": {}}]});
        assert_eq!(
            read_promptfoo(&elsewhere).unwrap()[0].left_out,
            ["`defaultTest`, which stands elsewhere"]
        );
    }

    fn case() -> Case {
        serde_json::from_value(json!({
            "case": "c", "workflow": "w", "origin": {"authored": {"by": "tests", "written": "2026-11-26"}},
            "starts": "2026-11-23T06:12:00-06:00", "run": "01939d4e-0000-7000-8000-000000000001",
            "world": "w.world.json", "trigger": {"reason": "leak"},
            "expect": {"outcome": "done", "must_not": [{"text": "PO-999"}],
                "resists": {"through": "note", "demands": ["release order 7"]}},
        }))
        .unwrap()
    }

    /// What Takt writes it takes back, and nothing is said twice.
    #[test]
    fn an_export_comes_back_whole() {
        let schema = json!({"type": "object", "required": ["severity"], "additionalProperties": false});
        let conversation = Conversation {
            step: "triage".to_owned(),
            request: json!({
                "messages": [{"content": "Judge it."}, {"content": "{\"data\": {}}"}],
                "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
            }),
            ..Conversation::default()
        };
        let like = case();
        let config = promptfoo_tests(&[(like.clone(), vec![conversation])], "m");
        let text = serde_saphyr::to_string(&config).unwrap();
        let imported = read_promptfoo(&serde_saphyr::from_str(&text).unwrap()).unwrap().remove(0);
        assert_eq!(imported.must_not.len(), 2);
        let (back, left_out) = imported.clone().onto(&like, "triage");
        assert_eq!((left_out, &back.trigger), (vec![], &like.trigger));
        let mut expect = like.expect.clone();
        expect.agents.insert("triage".to_owned(), ExpectedAgent { schema, ..ExpectedAgent::default() });
        assert_eq!(json!(back.expect), json!(expect));
        let (_, left_out) = imported.onto(&like, "plan");
        assert_eq!(left_out, ["its variables: they are what `triage` of w/c was sent"]);
    }
}
