//! Tokens and money: taken before a request leaves, settled when the answer is there, so that a
//! limit stops the next call and is never overrun by it.

use super::body::ReadBody;
use super::ledger::{Limits, Reason, Reserve, Why};
use super::model::{ModelErrorClass, ModelProfile, Usage};
use serde_json::Value;

/// An answer shorter than this is not worth asking for.
const ANSWER_TOKENS_MIN: u64 = 256;
/// Bytes of one token at the least, whatever a server's vocabulary is: the bytes of a request are an upper bound of the
/// tokens of its prompt. What a server's template adds is less than what the JSON around a message takes.
const BYTES_PER_TOKEN_MIN: u64 = 1;
/// Bytes of one token at the most: a server that reports less than this lies.
const BYTES_PER_TOKEN_MAX: u64 = 8;

#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    usage: Usage,
    cost_usd: f64,
}

impl Budget {
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn cost_usd(&self) -> f64 {
        self.cost_usd
    }

    /// What a request of this size may use, or which limit forbids it.
    pub(super) fn reserve(
        &self,
        limits: &Limits,
        price: &ModelProfile,
        request_bytes: usize,
        answer_tokens_wanted: u64,
    ) -> Result<Reserve, Why> {
        let input_tokens = (request_bytes as u64).div_ceil(BYTES_PER_TOKEN_MIN);
        let tokens_left = limits.tokens.saturating_sub(self.usage.total());
        let for_answer = tokens_left.saturating_sub(input_tokens);
        if for_answer < ANSWER_TOKENS_MIN {
            let detail = format!(
                "{} of {} tokens used; the next request needs {input_tokens}",
                self.usage.total(),
                limits.tokens
            );
            return Err(Why { reason: Reason::Tokens, detail });
        }
        let mut output_tokens = answer_tokens_wanted.min(for_answer);
        let money_left =
            limits.cost_usd - self.cost_usd - price.cost_usd(Usage { input_tokens, output_tokens: 0 });
        if price.usd_per_million_output > 0.0 {
            let affordable = (money_left / price.usd_per_million_output * 1e6).max(0.0) as u64;
            output_tokens = output_tokens.min(affordable);
        }
        if money_left < 0.0 || output_tokens < ANSWER_TOKENS_MIN {
            let detail = format!("{:.4} of {:.4} USD used", self.cost_usd, limits.cost_usd);
            return Err(Why { reason: Reason::Cost, detail });
        }
        let cost_usd = price.cost_usd(Usage { input_tokens, output_tokens });
        Ok(Reserve { input_tokens, output_tokens, cost_usd })
    }

    /// A server that reports more than was reserved is believed: what is shown is what it says, and no further request
    /// leaves once a limit is passed.
    pub(super) fn charge(&mut self, charge: &Charge) {
        let (before, used) = (self.usage, charge.usage);
        self.usage = Usage {
            input_tokens: before.input_tokens.saturating_add(used.input_tokens),
            output_tokens: before.output_tokens.saturating_add(used.output_tokens),
        };
        self.cost_usd += charge.cost_usd;
    }
}

/// What one attempt takes from the budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Charge {
    pub usage: Usage,
    pub cost_usd: f64,
    /// The server did not say, or said what cannot be true.
    pub is_estimated: bool,
}

impl Charge {
    /// Of a 2xx, as it was read.
    pub fn of_answer(read: &ReadBody, status: u16, reserve: &Reserve, price: &ModelProfile) -> Option<Self> {
        if let Some((class, _)) = read.failure() {
            return Self::of_failure(class, Some(status), reserve);
        }
        let least = reserve.input_tokens.saturating_mul(BYTES_PER_TOKEN_MIN) / BYTES_PER_TOKEN_MAX;
        let answer_tokens = (read.json.to_string().len() as u64).div_ceil(BYTES_PER_TOKEN_MIN);
        let estimate = Usage {
            input_tokens: reserve.input_tokens,
            output_tokens: answer_tokens.min(reserve.output_tokens),
        };
        let said = |pointer: &str| read.json.pointer(pointer).and_then(Value::as_u64);
        let input = said("/usage/prompt_tokens").filter(|tokens| *tokens >= least);
        let output = said("/usage/completion_tokens");
        let usage = Usage {
            input_tokens: input.unwrap_or(estimate.input_tokens),
            output_tokens: match (input, output) {
                (Some(_), Some(output)) => output,
                // Who does not know what was asked is not believed to have said little.
                (None, Some(output)) => output.max(estimate.output_tokens),
                (_, None) => estimate.output_tokens,
            },
        };
        let cost_usd = price.cost_usd(usage);
        Some(Self { usage, cost_usd, is_estimated: input.is_none() || output.is_none() })
    }

    /// Of an attempt without an answer: all that was reserved, where one may have been produced and was lost.
    pub fn of_failure(class: ModelErrorClass, status: Option<u16>, reserve: &Reserve) -> Option<Self> {
        class.may_cost(status).then_some(Self {
            usage: Usage { input_tokens: reserve.input_tokens, output_tokens: reserve.output_tokens },
            cost_usd: reserve.cost_usd,
            is_estimated: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Body, Capabilities};
    use proptest::prelude::*;
    use serde_json::json;

    fn price() -> ModelProfile {
        ModelProfile {
            endpoint: "one".into(),
            model: "one".into(),
            authored: false,
            usd_per_million_input: 3.0,
            usd_per_million_output: 12.0,
            capabilities: Capabilities::default(),
        }
    }

    /// Every byte may be a token: emoji, other alphabets, hashes.
    #[test]
    fn a_request_reserves_a_token_for_each_byte() {
        let reserve = Budget::default().reserve(&Limits::default(), &price(), 5_000, 4_096).unwrap();
        assert_eq!((reserve.input_tokens, reserve.output_tokens), (5_000, 4_096));
        let limits = Limits { tokens: 5_200, ..Limits::default() };
        assert_eq!(
            Budget::default().reserve(&limits, &price(), 5_000, 4_096).map_err(|why| why.reason),
            Err(Reason::Tokens)
        );
    }

    fn reports(input: u64, output: u64) -> ReadBody {
        let usage = json!({ "prompt_tokens": input, "completion_tokens": output });
        Body::of_json(&json!({ "choices": [], "usage": usage })).read()
    }

    #[test]
    fn a_report_of_more_than_there_is_is_shown_as_it_came_and_ends_the_step() {
        let limits = Limits::default();
        let mut budget = Budget::default();
        let reserve = budget.reserve(&limits, &price(), 5_000, 4_096).unwrap();
        for output in [90_000, u64::MAX] {
            let charge = Charge::of_answer(&reports(900, output), 200, &reserve, &price()).unwrap();
            assert_eq!((charge.usage.output_tokens, charge.is_estimated), (output, false));
            budget.charge(&charge);
            assert!(budget.cost_usd() > limits.cost_usd);
            assert!(budget.reserve(&limits, &price(), 1, 4_096).is_err());
        }
    }

    /// A server that counts only what it read has written something all the same.
    #[test]
    fn what_half_a_report_leaves_out_is_estimated() {
        let reserve = Reserve { input_tokens: 5_000, output_tokens: 4_096, cost_usd: 0.06 };
        let charged = |usage: Value| {
            let body = json!({ "choices": [{ "message": { "content": "x".repeat(900) } }], "usage": usage });
            Charge::of_answer(&Body::of_json(&body).read(), 200, &reserve, &price()).unwrap()
        };
        let nothing = charged(Value::Null);
        assert_eq!(nothing.usage.input_tokens, 5_000);
        assert!((900..=4_096).contains(&nothing.usage.output_tokens), "{nothing:?}");
        let only_input = charged(json!({ "prompt_tokens": 1_200 }));
        assert_eq!((only_input.usage.input_tokens, only_input.is_estimated), (1_200, true));
        assert!(only_input.usage.output_tokens >= 900, "{only_input:?}");
        assert!(
            only_input.cost_usd > price().cost_usd(Usage { input_tokens: 1_200, output_tokens: 899 }),
            "{only_input:?}"
        );
        let only_output = charged(json!({ "completion_tokens": 3_000 }));
        assert_eq!((only_output.usage.total(), only_output.is_estimated), (8_000, true));
        let both = charged(json!({ "prompt_tokens": 1_200, "completion_tokens": 30 }));
        assert_eq!((both.usage.total(), both.is_estimated), (1_230, false));
    }

    /// What was sent and not refused may be on the bill.
    #[test]
    fn an_attempt_without_an_answer_costs_what_was_reserved_unless_nobody_bills_it() {
        use ModelErrorClass::*;
        let reserve = Reserve { input_tokens: 5_000, output_tokens: 4_096, cost_usd: 0.06 };
        let charged = |class: ModelErrorClass, status| Charge::of_failure(class, status, &reserve);
        for (class, status) in [
            (Lost, None),
            (Timeout, None),
            (Timeout, Some(200)),
            (Network, None),
            (Network, Some(200)),
            (Unparseable, Some(200)),
            (Server, Some(200)),
            (RateLimited, Some(200)),
        ] {
            let charge = charged(class, status).unwrap_or_else(|| panic!("{class:?} {status:?} is free"));
            assert_eq!((charge.usage.total(), charge.cost_usd), (9_096, 0.06), "{class:?} {status:?}");
            assert!(charge.is_estimated);
        }
        for (class, status) in [
            (Unreachable, None),
            (NotFound, None),
            (BadRequest, None),
            (RateLimited, Some(429)),
            (Server, Some(503)),
            (Network, Some(502)),
            (Unparseable, Some(500)),
        ] {
            assert_eq!(charged(class, status), None, "{class:?} {status:?}");
        }
        let error = Body::of_json(&json!({ "error": { "message": "busy" } })).read();
        let charge = Charge::of_answer(&error, 200, &reserve, &price()).unwrap();
        assert_eq!((charge.usage.total(), charge.is_estimated), (9_096, true));
    }

    proptest! {
        /// No request leaves that could pass a limit; only a server that reports more than was reserved can.
        #[test]
        fn no_limit_is_ever_passed(
            calls in prop::collection::vec(
                (1usize..30_000, prop::option::of((any::<u64>(), any::<u64>())), 0usize..50_000, any::<bool>()),
                1..20,
            ),
            tokens in 500u64..80_000,
            cents in 1u32..100,
        ) {
            let limits = Limits { tokens, cost_usd: f64::from(cents) / 100.0, ..Limits::default() };
            let mut budget = Budget::default();
            let mut is_overrun = false;
            for (bytes, reported, answer, is_lost) in calls {
                let Ok(reserve) = budget.reserve(&limits, &price(), bytes, 4_096) else { continue };
                prop_assert!(!is_overrun, "a request left after the limit was passed");
                let after = budget.usage().total() + reserve.input_tokens + reserve.output_tokens;
                prop_assert!(reserve.input_tokens >= bytes as u64 && after <= limits.tokens);
                prop_assert!(budget.cost_usd() + reserve.cost_usd <= limits.cost_usd + 1e-9);
                let read = match reported {
                    Some((input, output)) => reports(input, output),
                    None => Body::of_json(&json!({ "choices": [], "text": "x".repeat(answer) })).read(),
                };
                let charge = match is_lost {
                    true => Charge::of_failure(ModelErrorClass::Lost, None, &reserve),
                    false => Charge::of_answer(&read, 200, &reserve, &price()),
                };
                budget.charge(&charge.unwrap());
                let is_passed =
                    budget.usage().total() > limits.tokens || budget.cost_usd() > limits.cost_usd + 1e-9;
                prop_assert!(!is_passed || (reported.is_some() && !is_lost));
                is_overrun |= is_passed;
            }
        }
    }
}
