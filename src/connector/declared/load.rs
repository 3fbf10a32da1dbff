//! From the text of one file to its system and its tools.

use super::{
    classes,
    compile::{Compiler, Defaults},
    file::{self, Auth, File},
    operation::{Retry, System},
    problem::Problem,
    tool::DeclaredTool,
};
use crate::{
    connector::{breaker::Breaker, redact::Redactor},
    site::{self, Command, Rate, Site, parse_rate},
    tool::Tool,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::{
    Client,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

pub(in crate::connector) const TIMEOUT: Duration = Duration::from_secs(30);
pub(in crate::connector) const RESULT_BYTES_MAX: usize = 1024 * 1024;
const RETRY: Retry = Retry { times: 2, wait: Duration::from_millis(200) };
const BREAKER_FAILURES: u32 = 5;
const BREAKER_COOL_DOWN: Duration = Duration::from_secs(30);

/// The tools of one file.
pub(in crate::connector) fn read(
    path: &Path,
    text: &str,
    site: &Site,
    client: &Client,
) -> Result<Vec<Arc<dyn Tool>>, Vec<Problem>> {
    let file: File<file::Tool> = file::parse(path, text).map_err(|problem| vec![problem])?;
    let mut compiler = Compiler::new(path);
    let system = system(&mut compiler, &file, site, client).map(Arc::new);
    if site.systems.get(&file.system.value).is_some_and(|system| system.command.is_some()) {
        let message = "this system is a program (`command` in takt.yaml): only a file with `mcp:` can use it";
        compiler.report(file.system.referenced, message);
    }
    let defaults = Defaults {
        timeout: compiler.duration(file.timeout.as_ref(), TIMEOUT),
        result_bytes_max: file.result_bytes_max.unwrap_or(RESULT_BYTES_MAX),
        classes: &file.classes,
        errors: &file.errors,
    };
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    let (mut fields, mut all_read) = (BTreeSet::new(), true);
    for (name, tool) in &file.tools {
        let operation = compiler.tool(name, tool, &defaults);
        all_read &= operation.is_some();
        fields.extend(operation.iter().flat_map(|operation| classes::fields_of(&operation.spec)));
        if let (Some(system), Some(operation)) = (&system, operation) {
            tools.push(Arc::new(DeclaredTool::new(system.clone(), operation)));
        }
    }
    if all_read {
        classes::check(&mut compiler, &file.classes, &fields);
    }
    compiler.problems.sort_by_key(|problem| (problem.line, problem.column));
    if compiler.problems.is_empty() { Ok(tools) } else { Err(compiler.problems) }
}

/// What is wrong in the form of a file, whatever the site has.
pub(in crate::connector) fn form(path: &Path, text: &str) -> Option<Problem> {
    file::parse::<file::Tool>(path, text).err()
}

/// What the tools of a file share, of whatever kind they are.
pub(in crate::connector) fn system<T>(
    compiler: &mut Compiler<'_>,
    file: &File<T>,
    site: &Site,
    client: &Client,
) -> Option<System> {
    let name = &file.system;
    let Some(declared) = site.systems.get(&name.value) else {
        let known: Vec<&str> = site.systems.keys().map(String::as_str).collect();
        let message = format!(
            "takt.yaml has no system `{}` under `systems:`; it has {}",
            name.value,
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        compiler.report(name.referenced, message);
        return None;
    };
    let mut headers = HeaderMap::new();
    for (header, value) in &file.headers {
        match (header.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            (Ok(header), Ok(value)) => drop(headers.insert(header, value)),
            _ => compiler.report(name.referenced, format!("`{header}: {value}` is not a header")),
        }
    }
    let given = declared.command.iter().flat_map(Command::secrets);
    let mut redactor = Redactor::new(declared.secrets.values().chain(given));
    if let Some((header, value)) = authentication(compiler, &file.auth, declared, name)? {
        let bare = value.rsplit(' ').next().unwrap_or(&value);
        redactor = redactor.also(bare);
        match value.parse::<HeaderValue>() {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(header, value);
            }
            Err(_) => compiler.report(name.referenced, "a secret holds characters that no header may hold"),
        }
    }
    let breaker = match &file.breaker {
        Some(breaker) => Breaker::new(
            breaker.failures.max(1),
            compiler.duration(Some(&breaker.cool_down), BREAKER_COOL_DOWN),
        ),
        None => Breaker::new(BREAKER_FAILURES, BREAKER_COOL_DOWN),
    };
    let retry = match &file.retry {
        Some(retry) => Retry { times: retry.times, wait: compiler.duration(Some(&retry.wait), RETRY.wait) },
        None => RETRY,
    };
    Some(System {
        name: name.value.clone(),
        client: client.clone(),
        base_url: declared.base_url.trim_end_matches('/').to_owned(),
        headers,
        rate: limiter(compiler, file.rate.as_ref()),
        breaker,
        retry,
        redactor,
        site: site.scope(),
    })
}

fn limiter(compiler: &mut Compiler<'_>, rate: Option<&Spanned<String>>) -> Option<DefaultDirectRateLimiter> {
    let written = rate?;
    match parse_rate(&written.value) {
        Ok(Rate { calls, period }) => {
            let quota = Quota::with_period(period / calls.get())?.allow_burst(calls);
            Some(RateLimiter::direct(quota))
        }
        Err(message) => {
            compiler.report(written.referenced, message);
            None
        }
    }
}

/// `None` is a mistake, `Some(None)` no authentication.
fn authentication(
    compiler: &mut Compiler<'_>,
    auth: &Auth,
    system: &site::System,
    name: &Spanned<String>,
) -> Option<Option<(HeaderName, String)>> {
    let mut secret = |wanted: &Spanned<String>, at: Location| match system.secrets.get(&wanted.value) {
        Some(secret) => Some(secret.expose_secret().to_owned()),
        None => {
            let message = format!("system `{}` in takt.yaml has no secret `{}`", name.value, wanted.value);
            compiler.report(at, message);
            None
        }
    };
    Some(Some(match auth {
        Auth::None => return Some(None),
        Auth::Header { name, secret: wanted } => {
            let value = secret(wanted, wanted.referenced)?;
            match name.value.parse() {
                Ok(header) => (header, value),
                Err(_) => {
                    compiler.report(name.referenced, format!("`{}` is not a header name", name.value));
                    return None;
                }
            }
        }
        Auth::Bearer(token) => (AUTHORIZATION, format!("Bearer {}", secret(token, token.referenced)?)),
        Auth::Basic { user, password } => {
            let (user, password) = (secret(user, user.referenced), secret(password, password.referenced));
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{}:{}", user?, password?))))
        }
        Auth::Token { key, secret: wanted } => {
            let (key, value) = (secret(key, key.referenced), secret(wanted, wanted.referenced));
            (AUTHORIZATION, format!("token {}:{}", key?, value?))
        }
    }))
}
