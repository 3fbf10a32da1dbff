//! Tokens and money: taken before a request leaves, settled when the answer is there, so that a
//! limit stops the next call and is never overrun by it.

use super::ledger::{Limits, Reason, Reserve, Why};
use super::model::{ModelProfile, Usage};

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
        let money_left = limits.cost_usd - self.cost_usd - cost(price, input_tokens, 0);
        if price.usd_per_million_output > 0.0 {
            let affordable = (money_left / price.usd_per_million_output * 1e6).max(0.0) as u64;
            output_tokens = output_tokens.min(affordable);
        }
        if money_left < 0.0 || output_tokens < ANSWER_TOKENS_MIN {
            let detail = format!("{:.4} of {:.4} USD used", self.cost_usd, limits.cost_usd);
            return Err(Why { reason: Reason::Cost, detail });
        }
        Ok(Reserve { input_tokens, output_tokens, cost_usd: cost(price, input_tokens, output_tokens) })
    }

    /// Charges an answer. Without a report, or with one that cannot be true, the estimate counts. A report of more than
    /// there was takes all there is: no further request leaves, and no limit is passed.
    pub(super) fn settle(
        &mut self,
        limits: &Limits,
        price: &ModelProfile,
        reserve: &Reserve,
        reported: Option<Usage>,
        answer_bytes: usize,
    ) {
        let least = |bytes: u64| bytes / BYTES_PER_TOKEN_MAX;
        let request_bytes = reserve.input_tokens.saturating_mul(BYTES_PER_TOKEN_MIN);
        let answer_tokens = (answer_bytes as u64).div_ceil(BYTES_PER_TOKEN_MIN);
        let estimate = Usage {
            input_tokens: reserve.input_tokens,
            output_tokens: answer_tokens.min(reserve.output_tokens),
        };
        let used = match reported {
            None => estimate,
            Some(usage) if usage.input_tokens < least(request_bytes) => {
                Usage { output_tokens: usage.output_tokens.max(estimate.output_tokens), ..estimate }
            }
            Some(usage) => usage,
        };
        self.charge(limits, used, cost(price, used.input_tokens, used.output_tokens));
    }

    /// Charges an attempt whose answer may have been produced and was lost.
    pub(super) fn forfeit(&mut self, limits: &Limits, reserve: &Reserve) {
        let used = Usage { input_tokens: reserve.input_tokens, output_tokens: reserve.output_tokens };
        self.charge(limits, used, reserve.cost_usd);
    }

    fn charge(&mut self, limits: &Limits, used: Usage, cost_usd: f64) {
        let left = |usage: &Usage| limits.tokens.saturating_sub(usage.total());
        self.usage.input_tokens += used.input_tokens.min(left(&self.usage));
        self.usage.output_tokens += used.output_tokens.min(left(&self.usage));
        self.cost_usd = (self.cost_usd + cost_usd).min(limits.cost_usd);
    }
}

fn cost(price: &ModelProfile, input_tokens: u64, output_tokens: u64) -> f64 {
    (input_tokens as f64 * price.usd_per_million_input + output_tokens as f64 * price.usd_per_million_output)
        / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Capabilities;
    use proptest::prelude::*;

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

    #[test]
    fn a_report_of_more_than_there_is_ends_the_step_and_passes_no_limit() {
        let limits = Limits::default();
        let mut budget = Budget::default();
        let reserve = budget.reserve(&limits, &price(), 5_000, 4_096).unwrap();
        let reported = Usage { input_tokens: 900, output_tokens: u64::MAX };
        budget.settle(&limits, &price(), &reserve, Some(reported), 100);
        assert_eq!(budget.usage().total(), limits.tokens);
        assert!(budget.cost_usd() <= limits.cost_usd);
        assert!(budget.reserve(&limits, &price(), 1, 4_096).is_err());
    }

    proptest! {
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
            for (bytes, reported, answer, is_lost) in calls {
                let Ok(reserve) = budget.reserve(&limits, &price(), bytes, 4_096) else { continue };
                let after = budget.usage().total() + reserve.input_tokens + reserve.output_tokens;
                prop_assert!(reserve.input_tokens >= bytes as u64 && after <= limits.tokens);
                prop_assert!(budget.cost_usd() + reserve.cost_usd <= limits.cost_usd + 1e-9);
                let reported = reported.map(|(input_tokens, output_tokens)| Usage { input_tokens, output_tokens });
                match is_lost {
                    true => budget.forfeit(&limits, &reserve),
                    false => budget.settle(&limits, &price(), &reserve, reported, answer),
                }
                prop_assert!(budget.usage().total() <= limits.tokens);
                prop_assert!(budget.cost_usd() <= limits.cost_usd);
            }
        }
    }
}
