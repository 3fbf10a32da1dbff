//! One question to a model about what a model said: no tools, no second turn. Who said it was shown tokens, so that there
//! is nothing to hide in it; only the words of the site are looked for once more. Who asks is not known here.

use super::body::Body;
use super::budget::Charge;
use super::guard::Masker;
use super::ledger::Reserve;
use super::mask_key::MaskKey;
use super::model::{ModelError, ModelProfile, ModelReply, Usage};
use super::reply::Reply;
use super::{accept, prompt};
use crate::tool::DataClass;
use serde_json::{Value, json};

pub struct Question<'a> {
    /// Trusted text.
    pub instructions: &'a str,
    /// What a model said, with the tokens it was shown.
    pub data: &'a Value,
    /// JSON Schema of the answer.
    pub schema: &'a Value,
    pub answer_tokens: u64,
}

impl Question<'_> {
    /// The whole request. `key` is that of the tokens in the data; `known` are the words of the site.
    pub fn request(&self, profile: &ModelProfile, key: MaskKey, known: &[(DataClass, String)]) -> Value {
        let mut masker = Masker::new(key.bytes(), &[], known);
        let data = masker.mask_words(self.data);
        let messages = prompt::opening(&masker.mask_text(self.instructions), &data);
        let mut request = prompt::body(profile, &messages, &[], self.schema, false);
        request[prompt::answer_limit(profile)] = json!(self.answer_tokens);
        request
    }
}

/// What an attempt at a question costs, as a step would be charged for it: one whose answer was lost, too.
pub fn attempt_cost_usd(
    request: &Value,
    result: &Result<ModelReply, ModelError>,
    price: &ModelProfile,
) -> f64 {
    let most = Usage {
        input_tokens: request.to_string().len() as u64,
        output_tokens: request[prompt::answer_limit(price)].as_u64().unwrap_or(0),
    };
    let reserve = Reserve {
        input_tokens: most.input_tokens,
        output_tokens: most.output_tokens,
        cost_usd: price.cost_usd(most),
    };
    let charge = match result {
        Ok(reply) => Charge::of_answer(&reply.body.read(), reply.status, &reserve, price),
        Err(error) => Charge::of_failure(error.class, error.status, &reserve),
    };
    charge.map_or(0.0, |charge| charge.cost_usd)
}

/// The JSON that a question was answered with; why there is none, otherwise.
pub fn single_answer(body: &Body) -> Result<Value, String> {
    let read = body.read();
    if let Some((_, message)) = read.failure() {
        return Err(message);
    }
    match Reply::read(&read.json, read.finish, 0) {
        Reply::Answer(text) => {
            serde_json::from_str(accept::unfenced(&text)).map_err(|error| format!("it is not JSON: {error}"))
        }
        Reply::Refused(why) | Reply::Truncated(why) => Err(why),
        Reply::Calls(_) | Reply::Empty => Err("it holds no answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Capabilities, ModelErrorClass};

    /// A lost answer may have been billed; one that was refused was not.
    #[test]
    fn an_attempt_that_failed_is_not_free() {
        let price = ModelProfile {
            endpoint: "one".into(),
            model: "one".into(),
            authored: false,
            usd_per_million_input: 1e6,
            usd_per_million_output: 2e6,
            capabilities: Capabilities::default(),
        };
        let request = json!({ "max_completion_tokens": 5, "messages": [] });
        let bytes = request.to_string().len() as f64;
        let failed = |class, status| {
            let error = ModelError { class, status, retry_after: None, message: String::new() };
            attempt_cost_usd(&request, &Err(error), &price)
        };
        assert_eq!(failed(ModelErrorClass::Timeout, None), bytes + 10.0);
        assert_eq!(failed(ModelErrorClass::RateLimited, Some(429)), 0.0);
        let usage = json!({ "prompt_tokens": 30, "completion_tokens": 4 });
        let reply = ModelReply::read(200, json!({ "choices": [], "usage": usage }), 0);
        assert_eq!(attempt_cost_usd(&request, &Ok(reply), &price), 38.0);
    }
}
