//! How a message looks in Slack: what is asked and of whom, options that compare, the deadline, what
//! happens on silence, at most four buttons. After the answer: who, what and when, and no buttons.

use super::blocks::{
    BUTTON_CHARS_MAX, Block, Element, INPUT_CHARS_MAX, Style, context, escape, header, plain, section,
    verbatim,
};
use crate::notify::{
    Button, CONTENT_TOO_LONG, CardButton, CardOption, Decided, Fact, Follow, Message, Notice, Press,
    Question, clip,
};
use chrono_tz::Tz;

/// Sentences about what a question rests on.
const BASIS_MAX: usize = 3;
/// Slack documents more and refuses some messages from about 13 200 characters on.
pub(super) const CARD_CHARS_MAX: usize = 6000;
const FACT_CHARS_MAX: usize = 60;
const FOLLOWED_MAX: usize = 5;
const TEXT_CHARS_MAX: usize = 300;

/// How much of everything a card takes.
#[derive(Clone, Copy)]
struct Room {
    body: usize,
    /// Of one line: who is asked, what happens on silence, what followed.
    line: usize,
    rationale: usize,
    facts: usize,
    options: usize,
}

/// Tried in turn until the card fits. Even the last one has title, deadline, options, buttons and what a yes agrees to.
const ROOMS: [Room; 5] = [
    Room { body: 1500, line: 300, rationale: 200, facts: 6, options: 6 },
    Room { body: 700, line: 200, rationale: 120, facts: 4, options: 4 },
    Room { body: 200, line: 120, rationale: 0, facts: 4, options: 3 },
    Room { body: 0, line: 60, rationale: 0, facts: 0, options: 3 },
    Room { body: 0, line: 30, rationale: 0, facts: 0, options: 3 },
];

/// A message as Slack shows it; `text` is for notifications and screen readers.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    pub text: String,
    pub blocks: Vec<Block>,
}

impl Card {
    pub fn of(message: &Message, zone: Tz) -> Self {
        let text = escape(&clip(&message.summary(zone), TEXT_CHARS_MAX));
        let mut blocks = Vec::new();
        for room in ROOMS {
            blocks = match message {
                Message::Ask(question) => asked(question, zone, room),
                Message::Tell(notice) => told(notice, room),
                Message::Decided(decided) => settled(decided, zone, room),
                Message::Follow(follow) => followed(follow, room),
            };
            if chars(&blocks) <= CARD_CHARS_MAX {
                break;
            }
        }
        Self { text, blocks }
    }
}

pub(super) fn chars(blocks: &[Block]) -> usize {
    serde_json::to_string(blocks).map_or(usize::MAX, |json| json.chars().count())
}

fn asked(question: &Question, zone: Tz, room: Room) -> Vec<Block> {
    let by = format!("Answer by *{}* ({} min)", question.deadline(zone), question.minutes());
    let asked = line(&question.asked, room);
    let whom = if asked.is_empty() { by } else { format!("{by}  ·  For: {asked}") };
    let mut blocks = vec![header(&question.title), context(&whom)];
    blocks.extend(body(&question.body, room.body));
    for (at, option) in question.options.iter().take(room.options).enumerate() {
        blocks.push(section(&choice(at + 1, option, room)));
    }
    blocks.extend(content(question));
    let mut notes: Vec<String> =
        question.basis.iter().take(BASIS_MAX).map(|sentence| line(sentence, room)).collect();
    notes.extend(question.progress.as_ref().map(|progress| format!("*{}*", line(progress, room))));
    notes.push(line(&question.on_silence, room));
    notes.extend(question.second.as_ref().map(|second| line(second, room)));
    notes.extend(question.sign.as_ref().map(|meaning| line(&format!("Signed on the page: {meaning}"), room)));
    notes.extend(question.url.as_ref().map(|url| link(url, "Details")));
    blocks.push(context(&notes.join("  ·  ")));
    let edits_here = question.edits_as_text(INPUT_CHARS_MAX);
    let buttons: Vec<_> =
        question.card_buttons(edits_here).into_iter().map(|button| element(question, button)).collect();
    if !buttons.is_empty() {
        blocks.push(Block::Actions { block_id: format!("gate-{}", question.gate), elements: buttons });
    }
    blocks
}

/// Whole or not at all, and without markup: a `~` in it must not strike out what is approved.
fn content(question: &Question) -> Option<Block> {
    let lines = question.content();
    if lines.is_empty() {
        return None;
    }
    if !question.fits_cards() {
        return Some(context(CONTENT_TOO_LONG));
    }
    let lines: Vec<String> = lines.iter().map(Fact::in_words).collect();
    Some(verbatim(&lines.join("\n")))
}

fn told(notice: &Notice, room: Room) -> Vec<Block> {
    let mut blocks = vec![header(&notice.title)];
    blocks.extend(body(&notice.body, room.body));
    blocks.extend(notice.url.as_ref().map(|url| context(&link(url, "Details"))));
    blocks
}

fn settled(decided: &Decided, zone: Tz, room: Room) -> Vec<Block> {
    let mut blocks = vec![header(&decided.title)];
    blocks.extend(body(&decided.body, room.body));
    let mut says = vec![format!("*{}*", line(&decided.settled.sentence(zone), room))];
    says.extend(decided.followed.iter().take(FOLLOWED_MAX).map(|followed| line(followed, room)));
    blocks.push(section(&says.join("\n")));
    blocks.extend(decided.url.as_ref().map(|url| context(&link(url, "Details"))));
    blocks
}

fn followed(follow: &Follow, room: Room) -> Vec<Block> {
    let lines = follow.lines.iter().map(|text| line(text, room));
    vec![section(&lines.collect::<Vec<_>>().join("\n"))]
}

fn choice(number: usize, option: &CardOption, room: Room) -> String {
    let facts = option.facts.iter().take(room.facts).map(|fact| {
        let (label, value) = (clip(&fact.label, FACT_CHARS_MAX), clip(&fact.value, FACT_CHARS_MAX));
        format!("{} *{}*", escape(&label), escape(&value))
    });
    let facts = facts.collect::<Vec<_>>().join("  ·  ");
    let rationale = escape(&clip(&option.rationale, room.rationale));
    let title = format!("*{number}  {}*", escape(&clip(&option.title, room.line)));
    [title, facts, rationale].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn element(question: &Question, button: CardButton<'_>) -> Element {
    let offer = match button {
        CardButton::Page { label, url } => return page(label, url),
        CardButton::Answer(offer) => offer,
    };
    let style = match offer.button {
        Button::Acknowledge | Button::Approve => Some(Style::Primary),
        Button::Reject => Some(Style::Danger),
        Button::Choose | Button::Edit => None,
    };
    let press = Press { token: question.token.clone(), button: offer.button, option: offer.option };
    Element::Button {
        text: plain(&offer.label, BUTTON_CHARS_MAX),
        action_id: press.action_id(),
        value: Some(press.value()),
        url: None,
        style,
    }
}

fn page(label: &str, url: &str) -> Element {
    Element::Button {
        text: plain(label, BUTTON_CHARS_MAX),
        action_id: "takt.page".to_owned(),
        value: None,
        url: Some(url.to_owned()),
        style: None,
    }
}

fn body(text: &str, chars_max: usize) -> Option<Block> {
    let text = clip(text.trim(), chars_max);
    (chars_max > 0 && !text.is_empty()).then(|| section(&escape(&text)))
}

fn line(text: &str, room: Room) -> String {
    escape(&clip(text.trim(), room.line))
}

/// Slack takes `|` and `>` for the end of the address.
fn link(url: &str, label: &str) -> String {
    let url = escape(&url.replace('|', "%7C").replace('>', "%3E").replace('<', "%3C"));
    format!("<{url}|{label}>")
}
