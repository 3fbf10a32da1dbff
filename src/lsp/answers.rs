//! What an editor asks about a document, and the answer as the protocol writes it.

use super::{complete, define, findings, hover, sites::Sites, symbols, uri};
use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, Definition, DocumentSymbolParams, Location, Range,
    TextDocumentPositionParams, TextEdit, WorkspaceEdit,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// A result, or the code and the sentence of a refusal.
pub(super) type Answer = Result<Value, (i64, String)>;

pub(super) fn answer(sites: &mut Sites, method: &str, params: Value) -> Answer {
    match method {
        "textDocument/completion" => {
            let at: TextDocumentPositionParams = read(params)?;
            let found = sites.ask(&at.text_document.uri, |context, _| {
                complete::complete(context, context.text.offset(at.position))
            });
            Ok(json!({ "isIncomplete": false, "items": found.unwrap_or_default() }))
        }
        "textDocument/hover" => {
            let at: TextDocumentPositionParams = read(params)?;
            let found = sites.ask(&at.text_document.uri, |context, problems| {
                hover::hover(context, context.text.offset(at.position), problems)
            });
            Ok(json!(found.flatten()))
        }
        "textDocument/definition" => {
            let at: TextDocumentPositionParams = read(params)?;
            let found = sites.ask(&at.text_document.uri, |context, _| {
                define::definition(context, context.text.offset(at.position))
            });
            let location = found.flatten().map(|target| {
                Definition::Location(Location { uri: uri::uri_of(&target.path), range: target.range })
            });
            Ok(json!(location))
        }
        "textDocument/documentSymbol" => {
            let params: DocumentSymbolParams = read(params)?;
            Ok(json!(sites.text(&params.text_document.uri).map(symbols::symbols)))
        }
        "textDocument/codeAction" => code_actions(sites, read(params)?),
        _ => Err((METHOD_NOT_FOUND, format!("`{method}` is not something this server does"))),
    }
}

/// What was probably meant, as changes.
fn code_actions(sites: &mut Sites, params: CodeActionParams) -> Answer {
    let uri = params.text_document.uri;
    let asked = params.range;
    let overlaps = |range: &Range| range.start <= asked.end && asked.start <= range.end;
    let actions = sites.ask(&uri, |context, problems| {
        let of = |problem| {
            let (bytes, near) = findings::meant(context.text, problem)?;
            let range = context.text.range(bytes);
            let edit = TextEdit { range, new_text: near.clone() };
            overlaps(&range).then(|| CodeAction {
                title: format!("Change to `{near}`"),
                kind: Some(CodeActionKind::QuickFix),
                diagnostics: Some(vec![findings::of_problem(context.text, problem)]),
                is_preferred: Some(true),
                edit: Some(WorkspaceEdit {
                    changes: Some([(uri.clone(), vec![edit])].into()),
                    ..WorkspaceEdit::default()
                }),
                ..CodeAction::default()
            })
        };
        problems.iter().filter_map(of).collect::<Vec<_>>()
    });
    Ok(json!(actions.unwrap_or_default()))
}

pub(super) fn read<P: DeserializeOwned>(params: Value) -> Result<P, (i64, String)> {
    serde_json::from_value(params)
        .map_err(|error| (INVALID_PARAMS, format!("the parameters cannot be read: {error}")))
}
