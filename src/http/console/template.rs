//! Templates of the pages: strict, escaped, parsed once.

use crate::{
    http::{auth::SignedIn, state::Shared},
    notify::visible,
};
use axum::response::Html;
use handlebars::{Handlebars, RenderError, RenderErrorReason, html_escape};
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::Value;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "src/http/console/templates/"]
struct Files;

static TEMPLATES: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut templates = Handlebars::new();
    templates.set_strict_mode(true);
    templates.register_escape_fn(escaped);
    for path in Files::iter() {
        let Some((name, file)) = path.strip_suffix(".hbs").zip(Files::get(&path)) else { continue };
        let text = String::from_utf8_lossy(&file.data);
        if let Err(error) = templates.register_template_string(name, text) {
            tracing::error!(template = name, %error, "a template of this build cannot be parsed");
        }
    }
    templates
});

/// What stands around every page.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Frame {
    pub title: String,
    pub site: String,
    /// Name of the signed-in person.
    pub person: Option<String>,
    pub csrf: Option<String>,
    /// The part of the console this page belongs to.
    pub here: &'static str,
    /// What tells this page of changes.
    pub live: Option<Live>,
    /// Nothing around the page leads into the console.
    pub is_bare: bool,
}

/// The stream that says when this page would look different.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Live {
    pub stream: String,
    /// Fetch the page again from time to time too, so that remaining times stay true; not where people type.
    pub poll: bool,
}

impl Frame {
    pub(super) fn new(door: &Shared, who: &SignedIn, here: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            site: door.app.site.name.clone(),
            person: Some(who.person.name.clone()),
            csrf: Some(who.csrf.clone()),
            here,
            live: None,
            is_bare: false,
        }
    }

    pub(super) fn of_nobody(title: &str) -> Self {
        let site = "Takt".to_owned();
        let title = title.to_owned();
        Self { title, site, person: None, csrf: None, here: "", live: None, is_bare: false }
    }

    pub(super) fn live(mut self, live: Live) -> Self {
        self.live = Some(live);
        self
    }
}

/// Text as a page may hold it.
pub(super) fn escaped(text: &str) -> String {
    html_escape(&visible(text))
}

/// Renders a page; its template sees the fields of `data`, and `frame`.
pub(super) fn render(name: &str, frame: Frame, data: &impl Serialize) -> Result<Html<String>, RenderError> {
    let unserializable = |source| RenderError::from(RenderErrorReason::SerdeError(source));
    let mut data = serde_json::to_value(data).map_err(unserializable)?;
    if let Value::Object(fields) = &mut data {
        fields.insert("frame".into(), serde_json::to_value(frame).map_err(unserializable)?);
    }
    TEMPLATES.render(name, &data).map(Html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses() {
        for path in Files::iter() {
            let name = path.strip_suffix(".hbs").expect("only templates live here");
            assert!(TEMPLATES.has_template(name), "{name} does not parse");
        }
    }

    #[test]
    fn text_is_escaped_and_a_missing_name_is_an_error() {
        let frame = Frame::of_nobody("<b>");
        let hostile = serde_json::json!({ "heading": "<script>", "advice": "a & b" });
        let page = render("error", frame.clone(), &hostile).unwrap().0;
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
        assert!(render("error", frame, &serde_json::json!({ "heading": "x" })).is_err());
    }
}
