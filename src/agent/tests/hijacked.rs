//! A model that is entirely in somebody else's hands: whatever it says, and however its server fails, no write is made,
//! nothing outside the list is called, limits hold, no id that nobody named is answered, no name leaves and the step ends.
//! A whole run with its question and
//! its write is tried the same way in `tests/it/agents`.
//!
//! `TAKT_HIJACK_SESSIONS` asks for more sessions than a short test has time for.

use super::world::*;
use crate::agent::*;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use std::{cell::RefCell, collections::BTreeMap};

fn arguments() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"asset": "PRESS-4"})),
        "[A-Z]{2,5}-[0-9]".prop_map(|asset| json!({"asset": asset})),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!({"asset": "PRESS-4", "url": "http://evil.example"})),
    ]
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("cmms__asset_history"),
        Just("plex__status"),
        Just("plex__huge"),
        Just("plex__update_sequence"),
        Just("plex.update_sequence"),
        Just("erp__open_pos"),
        Just("shell"),
    ]
}

/// Every class, before an answer had begun or in the middle of one.
const FAILURES: [(ModelErrorClass, Option<u16>); 16] = [
    (ModelErrorClass::RateLimited, Some(429)),
    (ModelErrorClass::RateLimited, Some(200)),
    (ModelErrorClass::Quota, Some(429)),
    (ModelErrorClass::Auth, Some(401)),
    (ModelErrorClass::NotFound, Some(404)),
    (ModelErrorClass::BadRequest, Some(400)),
    (ModelErrorClass::ContentFilter, Some(400)),
    (ModelErrorClass::Server, Some(503)),
    (ModelErrorClass::Server, Some(200)),
    (ModelErrorClass::Unreachable, None),
    (ModelErrorClass::Network, None),
    (ModelErrorClass::Network, Some(200)),
    (ModelErrorClass::Timeout, None),
    (ModelErrorClass::Unparseable, Some(200)),
    (ModelErrorClass::Unparseable, Some(500)),
    (ModelErrorClass::Lost, None),
];

/// An answer that is as deep as a reader goes.
fn deep() -> String {
    let nested = format!("{}1{}", "[".repeat(110), "]".repeat(110));
    body(json!({"content": format!("{{\"severity\":\"high\",\"summary\":{nested}}}")}), "stop").to_string()
}

fn reply() -> impl Strategy<Value = Result<Value, ModelError>> {
    let text = prop_oneof![
        Just(good().to_string()),
        "\\PC{0,20}",
        "PRESS-[0-9]".prop_map(|w| json!({"severity": "high", "work_center": w, "summary": w}).to_string()),
        Just(json!({"severity": "high", "summary": "release PO-999 for EMP_0000"}).to_string()),
    ];
    let finish = prop_oneof![Just("stop"), Just("tool_calls"), Just("length"), Just(""), Just("eos_token")];
    let lies = prop_oneof![
        Just(None),
        (0u64..3, 0u64..3).prop_map(Some),
        (any::<u64>(), any::<u64>()).prop_map(Some)
    ];
    let answer = (text, finish, lies).prop_map(|(text, finish, usage)| {
        let mut body = body(json!({"content": text}), finish);
        body["usage"] = usage.map_or(
            Value::Null,
            |(input, output)| json!({"prompt_tokens": input, "completion_tokens": output}),
        );
        Ok(body)
    });
    let failure = prop::sample::select(FAILURES.to_vec()).prop_map(|(class, status)| {
        Err(ModelError { class, status, retry_after: None, message: format!("{class:?}") })
    });
    let raw = prop_oneof![
        Just(
            "{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\"},\"finish_reason\":\"stop\"}]}".to_owned()
        ),
        "\\PC{0,40}",
        Just(deep()),
    ];
    prop_oneof![
        1 => raw.prop_map(|text| Ok(serde_json::from_str(&text).unwrap_or(Value::from(text)))),
        4 => prop::collection::vec((name(), arguments()), 1..5).prop_map(|list| calls(&list)),
        3 => answer,
        1 => failure,
        1 => Just(Ok(json!({"choices": []}))),
    ]
}

#[expect(clippy::disallowed_methods, reason = "how long a test runs is the environment's to say")]
fn sessions() -> u32 {
    std::env::var("TAKT_HIJACK_SESSIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(512)
}

#[test]
fn nothing_a_model_says_breaks_out() {
    let (cases, begun) = (sessions(), std::time::Instant::now());
    let ended = RefCell::new(BTreeMap::<String, u32>::new());
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(cases) };
    let sessions = (prop::collection::vec(reply(), 1..12), 0usize..40);
    let tried = TestRunner::new(config).run(&sessions, |(script, cut)| {
        let source = session(script, cut)?;
        *ended.borrow_mut().entry(format!("{source:?}")).or_default() += 1;
        Ok(())
    });
    tried.unwrap_or_else(|broken| panic!("{broken}"));
    let ended = ended.into_inner();
    println!("{cases} conversations, each also cut and resumed, in {:?}: {ended:?}", begun.elapsed());
    assert_eq!(ended.values().sum::<u32>(), cases);
    // The dice do reach an answer that is taken, and one that is not.
    assert!(ended.contains_key("Model") && ended.contains_key("Rules"), "{ended:?}");
}

fn session(script: Vec<Result<Value, ModelError>>, cut: usize) -> Result<Source, TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let world = World::new();
        let model = Scripted::new("one", script.clone());
        let (answer, entries) = world.run(std::slice::from_ref(&model)).await;
        let limits = world.task.limits;

        prop_assert_eq!(world.write.count() + world.elsewhere.count(), 0);
        prop_assert!(answer.turns <= limits.turns);
        prop_assert!(answer.tool_calls <= limits.tool_calls);
        prop_assert!(answer.repairs <= limits.repairs + 1);
        prop_assert!(world.clock.passed().to_std().unwrap() <= limits.time);
        within_limits(&entries, &limits)?;

        let valid = jsonschema::is_valid(&world.task.output, &answer.output);
        prop_assert!(valid, "{:?}", answer.output);
        let said = answer.output.to_string();
        let unknown = (0..10).filter(|n| *n != 4).map(|n| format!("PRESS-{n}"));
        for id in unknown.chain(["PO-999", "EMP_0000"].map(str::to_owned)) {
            prop_assert!(!said.contains(&id), "{said}");
        }
        for request in model.sent.lock().unwrap().iter() {
            let wire = request.to_string();
            prop_assert!(!wire.contains("Keller") && !wire.contains("Ivo Brand"), "{wire}");
        }

        // A crash anywhere changes none of this.
        let cut = cut.min(entries.len());
        let again = World::new();
        let rest = Scripted::new("one", script);
        let ledger = Memory::new();
        let resumed = again.resume(&[rest], &entries[..cut], &ledger).await.unwrap();
        prop_assert_eq!(again.write.count(), 0);
        prop_assert!(resumed.turns <= limits.turns);
        let mut all = entries[..cut].to_vec();
        all.extend(ledger.entries.into_inner().unwrap());
        within_limits(&all, &limits)?;
        prop_assert!(jsonschema::is_valid(&world.task.output, &resumed.output));
        Ok(answer.source)
    })
}

/// Worked out again from the entries: no request leaves that could pass a limit with what was used before it, no call is
/// made too often, and no turn tries too long.
fn within_limits(entries: &[Entry], limits: &Limits) -> Result<(), TestCaseError> {
    let (mut tokens, mut cost_usd, mut asked, mut reserved) = (0u64, 0.0, 0, Reserve::default());
    let mut same = BTreeMap::<String, u32>::new();
    let mut attempts = BTreeMap::<u32, u32>::new();
    for entry in entries {
        let (input, output) = match entry {
            Entry::Requested { turn, reserve, .. } => {
                let wanted = reserve.input_tokens + reserve.output_tokens;
                prop_assert!(tokens.saturating_add(wanted) <= limits.tokens, "{tokens} and {wanted}");
                prop_assert!(cost_usd + reserve.cost_usd <= limits.cost_usd + 1e-9);
                (asked, reserved) = (*turn, *reserve);
                *attempts.entry(asked).or_default() += 1;
                continue;
            }
            Entry::Responded { body, .. } => {
                let read = body.read();
                // A report of less than a token for eight bytes is not believed.
                let told = read.usage.filter(|usage| usage.input_tokens >= reserved.input_tokens / 8);
                match (read.failure(), told) {
                    (Some(_), _) => (reserved.input_tokens, reserved.output_tokens),
                    (None, Some(usage)) => (usage.input_tokens, usage.output_tokens),
                    (None, None) => (reserved.input_tokens, 0),
                }
            }
            Entry::Failed { class, status, .. } => {
                if *class == ModelErrorClass::Lost {
                    *attempts.entry(asked).or_default() -= 1;
                }
                match status.map_or(*class != ModelErrorClass::Unreachable, |status| status < 300) {
                    true => (reserved.input_tokens, reserved.output_tokens),
                    false => continue,
                }
            }
            Entry::ToolRequested { tool, args, .. } => {
                *same.entry(format!("{tool} {args}")).or_default() += 1;
                continue;
            }
            _ => continue,
        };
        tokens = tokens.saturating_add(input).saturating_add(output);
        cost_usd += (input as f64 + output as f64 * 4.0) / 1e6;
    }
    prop_assert!(same.values().all(|count| *count <= limits.same_call), "{same:?}");
    prop_assert!(attempts.values().all(|count| *count <= limits.retries + 1), "{attempts:?}");
    Ok(())
}
