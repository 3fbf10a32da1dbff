//! What a template may not do: include another, nest without end, loop without end, write without end.

use handlebars::{
    Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderErrorReason,
    template::{Parameter, Template, TemplateElement},
};
use std::{cell::Cell, io};

const CHARS_MAX: usize = 64 * 1024;
/// Blocks, `{{else if}}` and brackets within each other.
const DEPTH_MAX: usize = 100;
/// Rounds of all loops of one rendering.
const ROUNDS_MAX: u32 = 100_000;
const BYTES_MAX: usize = 1024 * 1024;
/// Enough for everything within these bounds, optimised or not; only touched as far as it is needed.
const OWN_STACK: usize = 64 << 20;
/// No template can write this name.
const ROUND: &str = "a round of a loop";

thread_local! {
    static ROUNDS: Cell<u32> = const { Cell::new(0) };
}

/// What is wrong with a text before it is parsed, and at which byte.
pub(super) fn refusal(text: &str) -> Option<(usize, &'static str)> {
    if text.len() > CHARS_MAX {
        return Some((0, "a template has at most 64 KiB"));
    }
    // For each open block, what it adds to the depth: itself, and an `else if` for each further branch.
    let mut open: Vec<usize> = Vec::new();
    let mut rest = 0;
    while let Some(found) = text[rest..].find("{{") {
        let start = rest + found;
        let tag = text[start..].trim_start_matches('{').trim_start_matches('~').trim_start();
        let inside = tag.split("}}").next().unwrap_or(tag);
        let head = inside.strip_prefix('#').or_else(|| inside.strip_prefix('^')).unwrap_or(inside);
        if inside.starts_with('!') {
            rest = text.len() - tag.len() + comment(tag);
            continue;
        }
        if head.starts_with(['>', '*']) {
            return Some((start, "a template cannot include another, or declare a part of itself"));
        }
        match inside.as_bytes().first() {
            Some(b'#') => open.push(1),
            Some(b'^') if inside.trim_end_matches('~').len() > 1 => open.push(1),
            Some(b'/') => drop(open.pop()),
            _ if inside.starts_with("else") => open.iter_mut().last().into_iter().for_each(|last| *last += 1),
            _ => {}
        }
        if open.iter().sum::<usize>() + brackets(inside) > DEPTH_MAX {
            return Some((start, "the template is nested too deeply"));
        }
        rest = text.len() - tag.len();
    }
    None
}

/// The length of a comment that begins with `!`, as the parser reads it.
pub(super) fn comment(tag: &str) -> usize {
    let dashed = tag.strip_prefix("!--").and_then(|text| text.find("--}}")).map(|at| at + "!----}}".len());
    dashed.or_else(|| tag.find("}}").map(|at| at + "}}".len())).unwrap_or(tag.len())
}

fn brackets(tag: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for character in tag.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The template, each round of whose loops is counted.
pub(super) fn counted(template: &Template) -> Template {
    let mut counted = template.clone();
    if let Ok(mut round) = Template::compile("{{round}}") {
        for element in &mut round.elements {
            if let TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) = element {
                helper.name = Parameter::Name(ROUND.to_owned());
            }
        }
        count(&mut counted, &round);
    }
    counted
}

fn count(template: &mut Template, round: &Template) {
    for element in &mut template.elements {
        let (TemplateElement::HelperBlock(helper)
        | TemplateElement::Expression(helper)
        | TemplateElement::HtmlExpression(helper)) = element
        else {
            continue;
        };
        for inner in [&mut helper.template, &mut helper.inverse].into_iter().flatten() {
            count(inner, round);
        }
        if helper.name.as_name() == Some("each")
            && let Some(body) = &mut helper.template
        {
            body.elements.splice(0..0, round.elements.iter().cloned());
            body.mapping.splice(0..0, round.mapping.iter().cloned());
        }
    }
}

pub(super) fn register(registry: &mut Handlebars<'static>) {
    registry.register_helper(ROUND, Box::new(a_round));
}

fn a_round(
    _: &Helper,
    _: &Handlebars,
    _: &Context,
    _: &mut RenderContext,
    _: &mut dyn Output,
) -> HelperResult {
    let rounds = ROUNDS.get() + 1;
    ROUNDS.set(rounds);
    if rounds > ROUNDS_MAX {
        let message = format!("its loops go round more than {ROUNDS_MAX} times");
        return Err(RenderErrorReason::Other(message).into());
    }
    Ok(())
}

/// Parses or renders on a stack of its own, with a new count.
pub(super) fn within<T>(work: impl FnOnce() -> T) -> T {
    ROUNDS.set(0);
    stacker::grow(OWN_STACK, work)
}

/// A text that does not grow for ever.
#[derive(Default)]
pub(super) struct Page(pub(super) Vec<u8>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > BYTES_MAX {
            return Err(io::Error::other("the text is longer than 1 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
