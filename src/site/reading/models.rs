//! `models:` of a site: which language models there are, and what their servers can.

use super::*;
use crate::{
    site::{Rate, parse_rate},
    tool::DataClass,
};

const SERVERS: [(&str, ModelServer); 6] = [
    ("openai", ModelServer::OpenAi),
    ("azure", ModelServer::Azure),
    ("vllm", ModelServer::Vllm),
    ("ollama", ModelServer::Ollama),
    ("llama_cpp", ModelServer::LlamaCpp),
    ("compatible", ModelServer::Compatible),
];

const CLASSES: [DataClass; 5] =
    [DataClass::Public, DataClass::Employee, DataClass::Customer, DataClass::Proprietary, DataClass::Secret];

impl Reading<'_> {
    /// Every endpoint, also one that is off because it has no key. What is wrong with them is told elsewhere.
    pub(in crate::site) fn declared_models(
        mut self,
        files: impl Iterator<Item = ModelFile>,
    ) -> Vec<ModelEndpoint> {
        files.filter_map(|file| self.model(ModelFile { optional: false, ..file })).collect()
    }

    pub(super) fn model(&mut self, file: ModelFile) -> Option<ModelEndpoint> {
        if file.optional
            && let Err(why) = resolve(&file.api_key.value, self.environment)
        {
            self.notices.push(format!("model {} is off: {why}", file.name));
            return None;
        }
        let options = EndpointOptions {
            server: file.server.as_ref().map(|server| self.server(server)).unwrap_or_default(),
            api_version: file.api_version,
            corrections: Corrections {
                strict: file.can.strict,
                json_schema: file.can.json_schema,
                tool_choice: file.can.tool_choice,
                max_completion_tokens: file.can.max_completion_tokens,
                store: file.can.store,
            },
            data: file.data.iter().filter_map(|class| self.data_class(class)).collect(),
            timeouts: self.model_timeouts(&file.timeouts),
            stream: file.can.stream,
            requests: self.rate(file.rate.requests.as_ref()),
            tokens: self.rate(file.rate.tokens.as_ref()),
        };
        Some(ModelEndpoint {
            name: file.name,
            base_url: self.text(&file.base_url),
            model: self.text(&file.model),
            api_key: self.secret(&file.api_key),
            authored: false,
            usd_per_million_input: file.usd_per_million_input,
            usd_per_million_output: file.usd_per_million_output,
            options,
        })
    }

    fn server(&mut self, word: &Text) -> ModelServer {
        let found = SERVERS.iter().find(|(name, _)| *name == word.value);
        found.map(|(_, server)| *server).unwrap_or_else(|| {
            let names = SERVERS.map(|(name, _)| name).join(", ");
            let message = format!("`{}` is no kind of model server: write one of {names}", word.value);
            self.problem(word.referenced, message);
            ModelServer::default()
        })
    }

    fn rate(&mut self, text: Option<&Text>) -> Option<Rate> {
        let text = text?;
        parse_rate(&text.value).map_err(|message| self.problem(text.referenced, message)).ok()
    }

    fn data_class(&mut self, word: &Text) -> Option<DataClass> {
        let found = CLASSES.into_iter().find(|class| class.word() == word.value);
        if found.is_none() {
            let names = CLASSES.map(DataClass::word).join(", ");
            let message = format!("`{}` is no class of data: write one of {names}", word.value);
            self.problem(word.referenced, message);
        }
        found
    }

    fn model_timeouts(&mut self, file: &ModelTimeoutsFile) -> ModelTimeouts {
        let usual = ModelTimeouts::default();
        let mut read = |text: &Option<Text>, usual| text.as_ref().map_or(usual, |text| self.duration(text));
        ModelTimeouts {
            connect: read(&file.connect, usual.connect),
            first_byte: read(&file.first_byte, usual.first_byte),
            total: read(&file.total, usual.total),
        }
    }
}
