//! One question inside another program's page: no session and no cookie, only a link bound to one person.

use super::{
    PageError,
    error::say,
    gate::{Asker, read_page, take},
};
use crate::{
    gate::{hash_of, stranger_refused},
    http::{auth::Fields, problem::Cause, refusals::note, state::Shared},
    run::GateId,
    store::links,
};
use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Left in an answer for the router: who may frame it.
#[derive(Debug, Clone)]
pub(in crate::http) struct FrameAncestors(pub String);

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    let (asker, gate) = match asker(&door, &token).await? {
        Ok(found) => found,
        Err(over) => return Ok(framed(&door, over)),
    };
    let page = read_page(&door, &asker, gate).await?;
    Ok(framed(&door, page))
}

/// The link is the proof: a form of another page cannot know it, and no cookie is asked for.
pub(in crate::http) async fn answer(
    State(door): State<Shared>,
    Path(token): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let (asker, gate) = match asker(&door, &token).await? {
        Ok(found) => found,
        Err(over) => return Ok(framed(&door, over)),
    };
    let page = take(&door, &asker, gate, Fields(fields)).await?;
    Ok(framed(&door, page))
}

/// Whose link this is, or the page that says that it is over.
async fn asker(door: &Shared, token: &str) -> Result<Result<(Asker, GateId), Response>, PageError> {
    if door.app.site.access.embed.is_none() {
        return Err(PageError::new(Cause::NotFound));
    }
    let mut db = door.app.store.connection().await?;
    let link = links::find(&mut db, "embed", &hash_of(token)).await?;
    drop(db);
    let Some(link) = link else {
        note(door, stranger_refused("embed", "unknown", None, "no_such_link")).await?;
        return Err(PageError::new(Cause::NotFound));
    };
    if link.is_over {
        let gate = link.gate_id.map(GateId);
        note(door, stranger_refused("embed", "unknown", gate, "link_is_over")).await?;
        let advice = "Load the page around it again: it then gets a new one.";
        return Ok(Err(say(StatusCode::GONE, "This view has ended", advice)));
    }
    let person = link.person.as_deref().and_then(|id| door.app.site.person(id)).cloned();
    let person = person.ok_or(PageError::new(Cause::NoSuchPerson))?;
    let gate = GateId(link.gate_id.ok_or(PageError::new(Cause::NotFound))?);
    let path = format!("/embed/{token}");
    let named_by = link.ask["named_by"].as_str().map(str::to_owned);
    let (action, back) = (path.clone(), path);
    let asker = Asker { person, session: None, action, back, channel: "embed", named_by, is_bare: true };
    Ok(Ok((asker, gate)))
}

fn framed(door: &Shared, mut response: Response) -> Response {
    let allowed = door.app.site.access.embed.as_ref().map(|embed| embed.frame_ancestors.join(" "));
    if let Some(allowed) = allowed.filter(|allowed| !allowed.is_empty()) {
        response.extensions_mut().insert(FrameAncestors(allowed));
    }
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.into_response()
}
