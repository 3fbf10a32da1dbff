//! What is assumed of each kind of server that speaks the chat-completions protocol, and how it is addressed.

use crate::{
    agent::{Capabilities, Provider},
    site::{EndpointOptions, ModelServer},
};
use async_openai::config::Config;
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};

/// What a server can, unless the site says otherwise. Too little costs a repair now and then, too much an error.
pub(super) fn capabilities(options: &EndpointOptions) -> Capabilities {
    let usual = Capabilities { data: options.data.iter().copied().collect(), ..Capabilities::default() };
    let assumed = match options.server {
        ModelServer::OpenAi | ModelServer::Azure => usual,
        // Enforces a schema only where a tool is marked strict; fields it does not know it ignores.
        ModelServer::Vllm => Capabilities { store: false, ..usual },
        ModelServer::Ollama => Capabilities {
            strict: false,
            tool_choice: false,
            max_completion_tokens: false,
            store: false,
            ..usual
        },
        ModelServer::LlamaCpp | ModelServer::Compatible => {
            Capabilities { strict: false, max_completion_tokens: false, store: false, ..usual }
        }
    };
    let said = options.corrections;
    Capabilities {
        strict: said.strict.unwrap_or(assumed.strict),
        json_schema: said.json_schema.unwrap_or(assumed.json_schema),
        tool_choice: said.tool_choice.unwrap_or(assumed.tool_choice),
        max_completion_tokens: said.max_completion_tokens.unwrap_or(assumed.max_completion_tokens),
        store: said.store.unwrap_or(assumed.store),
        data: assumed.data,
    }
}

/// Who answers there, as traces name it: whoever serves this protocol goes by the protocol's name, and the address tells
/// which one it is.
pub(super) fn provider(base_url: &str, server: ModelServer) -> Provider {
    let name = match server {
        ModelServer::Azure => "azure.ai.openai",
        ModelServer::OpenAi
        | ModelServer::Vllm
        | ModelServer::Ollama
        | ModelServer::LlamaCpp
        | ModelServer::Compatible => "openai",
    };
    let url = Url::parse(base_url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    Provider {
        name,
        // An address of IPv6 stands in brackets in a URL only.
        address: host.map(|host| host.trim_matches(['[', ']']).to_owned()),
        port: url.as_ref().and_then(Url::port_or_known_default),
    }
}

/// Whether it is asked for its answer in pieces while somebody looks on. A server of which nothing is known may refuse
/// a question for the two fields that say so.
pub(super) fn streams(options: &EndpointOptions) -> bool {
    options.stream.unwrap_or(options.server != ModelServer::Compatible)
}

/// Where requests go and who they are from. The crate's own configuration takes gaps from the environment; this one
/// has none.
#[derive(Clone)]
pub(super) struct Address {
    base_url: String,
    api_key: SecretString,
    is_azure: bool,
    /// Azure by deployment: the model stands in the path.
    deployment: Option<(String, String)>,
}

impl Address {
    pub(super) fn new(
        base_url: &str,
        model: &str,
        api_key: &SecretString,
        options: &EndpointOptions,
    ) -> Self {
        let is_azure = options.server == ModelServer::Azure;
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key: api_key.clone(),
            is_azure,
            deployment: options
                .api_version
                .clone()
                .filter(|_| is_azure)
                .map(|version| (model.to_owned(), version)),
        }
    }
}

impl Config for Address {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let key = self.api_key.expose_secret();
        let (name, value) = match self.is_azure {
            true => (HeaderName::from_static("api-key"), key.to_owned()),
            false => (AUTHORIZATION, format!("Bearer {key}")),
        };
        // A local server may need no key; a key with line breaks in it is refused by the server.
        if let Ok(mut value) = HeaderValue::from_str(&value) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers
    }

    fn url(&self, path: &str) -> String {
        match &self.deployment {
            Some((model, _)) => format!("{}/openai/deployments/{model}{path}", self.base_url),
            None => format!("{}{path}", self.base_url),
        }
    }

    fn query(&self) -> Vec<(&str, &str)> {
        self.deployment.iter().map(|(_, version)| ("api-version", version.as_str())).collect()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.api_key
    }
}
