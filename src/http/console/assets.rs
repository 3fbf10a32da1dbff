//! Styles and scripts, inside the binary.

use super::PageError;
use crate::http::problem::Cause;
use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "src/http/console/assets/"]
struct Files;

pub(in crate::http) async fn asset(
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let file = Files::get(&path).ok_or(PageError::new(Cause::NotFound))?;
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let kind = match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")];
    Ok((headers, [(header::ETAG, tag)], file.data.into_owned()).into_response())
}
