//! One question to a model about what a step answered: no tools, no second turn. It is written and masked as that
//! step's own requests are, so that nothing is seen here that is hidden there. Who asks is not known here.

use super::body::Body;
use super::guard::Masker;
use super::ledger::Masking;
use super::model::ModelProfile;
use super::reply::Reply;
use super::task::strictest;
use super::{accept, prompt};
use crate::tool::DataClass;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub struct Question<'a> {
    /// Trusted text.
    pub instructions: &'a str,
    /// As the run knows it, unmasked.
    pub data: &'a Value,
    /// JSON Schema of the answer.
    pub schema: &'a Value,
    pub answer_tokens: u64,
}

impl Question<'_> {
    /// The whole request. `masking` is the step's own; `known` are the words of the site; `read` is what the run was
    /// given, with what its giver says of the fields.
    pub fn request(
        &self,
        profile: &ModelProfile,
        masking: &Masking,
        known: &[(DataClass, String)],
        read: &[(&Value, &BTreeMap<String, DataClass>)],
    ) -> Value {
        let mut masker = Masker::new(masking.key.bytes(), &masking.fields, known);
        for (data, classes) in read {
            // Only so that its confidential values are known by now.
            masker.mask(data, classes);
        }
        let data = masker.mask(self.data, &strictest(&masking.classes));
        let messages = prompt::opening(&masker.mask_text(self.instructions), &data);
        let mut request = prompt::body(profile, &messages, &[], self.schema, false);
        request[prompt::answer_limit(profile)] = json!(self.answer_tokens);
        request
    }
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
