//! Tokens and money: taken before a request leaves, settled when the answer is there, so that a
//! limit stops the next call and is never overrun by it.

use super::ledger::{Limits, Reason, Reserve, Why};
use super::model::{ModelProfile, Usage};

/// An answer shorter than this is not worth asking for.
const ANSWER_TOKENS_MIN: u64 = 256;
/// Bytes of one token at the least, for text and JSON: an upper bound of the prompt's tokens.
const BYTES_PER_TOKEN_MIN: u64 = 3;
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

    /// Charges an answer. Without a report, or with one that cannot be true, the estimate counts.
    pub(super) fn settle(
        &mut self,
        price: &ModelProfile,
        reserve: &Reserve,
        reported: Option<Usage>,
        answer_bytes: usize,
    ) {
        let least = |bytes: u64| bytes / BYTES_PER_TOKEN_MAX;
        let request_bytes = reserve.input_tokens * BYTES_PER_TOKEN_MIN;
        let estimate = Usage {
            input_tokens: reserve.input_tokens,
            output_tokens: (answer_bytes as u64).div_ceil(BYTES_PER_TOKEN_MIN),
        };
        let used = match reported {
            None => estimate,
            Some(usage) if usage.input_tokens < least(request_bytes) => {
                Usage { output_tokens: usage.output_tokens.max(estimate.output_tokens), ..estimate }
            }
            Some(usage) => usage,
        };
        self.charge(used, cost(price, used.input_tokens, used.output_tokens));
    }

    /// Charges an attempt whose answer may have been produced and was lost.
    pub(super) fn forfeit(&mut self, reserve: &Reserve) {
        let used = Usage { input_tokens: reserve.input_tokens, output_tokens: reserve.output_tokens };
        self.charge(used, reserve.cost_usd);
    }

    fn charge(&mut self, used: Usage, cost_usd: f64) {
        self.usage.input_tokens = self.usage.input_tokens.saturating_add(used.input_tokens);
        self.usage.output_tokens = self.usage.output_tokens.saturating_add(used.output_tokens);
        self.cost_usd += cost_usd;
    }
}

fn cost(price: &ModelProfile, input_tokens: u64, output_tokens: u64) -> f64 {
    (input_tokens as f64 * price.usd_per_million_input + output_tokens as f64 * price.usd_per_million_output)
        / 1e6
}
