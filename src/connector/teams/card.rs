//! How a message looks in Teams: the same content in the same order as elsewhere, within the size that Teams takes. Who
//! is asked sees the buttons; others see how it stands.

use super::{
    activity::{DECIDE, LOOK},
    adaptive::{Action, AdaptiveCard, Choice, Item, Refresh, Run, line},
};
use crate::{
    notify::{
        Button, CONTENT_TOO_LONG, CardButton, CardOption, Decided, Fact, Message, Notice, Offer, Press,
        Question, clip,
    },
    site::Reason,
};
use chrono_tz::Tz;
use serde_json::json;

/// Teams takes about 28 KB with all around the card.
pub const CARD_BYTES_MAX: usize = 25 * 1024;
/// People who get a view of their own; Teams takes no more.
pub(super) const VIEWERS_MAX: usize = 60;
const BASIS_MAX: usize = 3;
const FACT_CHARS_MAX: usize = 60;
const FOLLOWED_MAX: usize = 5;
const TITLE_CHARS_MAX: usize = 200;
const REASONS_MAX: usize = 20;
const REASON_CHARS_MAX: usize = 500;

/// Who looks at a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// They get buttons.
    Asked,
    /// The one person of a conversation: buttons, and a look at how it stands whenever the card is shown.
    Own(Vec<String>),
    /// A room: these people are asked and get buttons in a view of their own, others see how it stands. Where it is not
    /// known who they are, everybody sees the buttons.
    Room(Vec<String>),
    /// Nothing comes back from there: links only.
    Outbound,
}

/// How much of everything a card takes; tried in turn until it fits.
#[derive(Clone, Copy)]
struct Room {
    body: usize,
    line: usize,
    rationale: usize,
    facts: usize,
    options: usize,
}

const ROOMS: [Room; 4] = [
    Room { body: 3000, line: 400, rationale: 300, facts: 8, options: 6 },
    Room { body: 1500, line: 200, rationale: 200, facts: 6, options: 6 },
    Room { body: 300, line: 120, rationale: 0, facts: 4, options: 3 },
    Room { body: 0, line: 60, rationale: 0, facts: 0, options: 3 },
];

/// The card of a message for whoever looks at it.
pub fn card(message: &Message, zone: Tz, viewer: &Viewer) -> AdaptiveCard {
    let mut card = AdaptiveCard::new(Vec::new());
    for room in ROOMS {
        card = match message {
            Message::Ask(question) => asked(question, zone, viewer, room),
            Message::Tell(notice) => told(notice, room),
            Message::Decided(decided) => settled(decided, zone, room),
            Message::Follow(follow) => AdaptiveCard::new(
                follow.lines.iter().map(|text| line(vec![Run::plain(clip(text, room.line))])).collect(),
            ),
        };
        card.fallback_text = Some(summary(message, zone));
        if bytes(&card) <= CARD_BYTES_MAX {
            break;
        }
    }
    card
}

/// One line for notifications.
pub fn summary(message: &Message, zone: Tz) -> String {
    clip(&message.summary(zone), TITLE_CHARS_MAX)
}

pub fn bytes(card: &AdaptiveCard) -> usize {
    serde_json::to_vec(card).map_or(usize::MAX, |json| json.len())
}

fn asked(question: &Question, zone: Tz, viewer: &Viewer, room: Room) -> AdaptiveCard {
    let by = Run::bold(format!("Answer by {} ({} min)", question.deadline(zone), question.minutes()));
    let mut whom = vec![by];
    if !question.asked.trim().is_empty() {
        whom.push(Run::quiet(format!(" · For: {}", clip(&question.asked, room.line))));
    }
    let mut body = vec![heading(&question.title), line(whom)];
    body.extend(paragraph(&question.body, room.body));
    let options = question.options.iter().take(room.options).enumerate();
    body.extend(options.map(|(at, option)| choice(at + 1, option, room)));
    body.extend(content(question));
    if let Some(progress) = &question.progress {
        body.push(line(vec![Run::bold(clip(progress, room.line))]));
    }
    let basis = question.basis.iter().take(BASIS_MAX).chain([&question.on_silence]).chain(&question.second);
    body.extend(
        basis.filter(|text| !text.is_empty()).map(|text| line(vec![Run::quiet(clip(text, room.line))])),
    );
    if let Some(meaning) = &question.sign {
        body.push(line(vec![Run::plain(format!("Signed on the page: {}", clip(meaning, room.line)))]));
    }
    let has_buttons = match viewer {
        Viewer::Asked | Viewer::Own(_) => true,
        Viewer::Room(asked) => asked.is_empty(),
        Viewer::Outbound => false,
    };
    if matches!(viewer, Viewer::Room(asked) if !asked.is_empty()) {
        body.push(line(vec![Run::quiet("The buttons are shown to those who are asked.")]));
    }
    body.extend(question.url.as_ref().map(|url| line(vec![Run::link("Details", url)])));
    let mut card = AdaptiveCard::new(body);
    card.actions = match (has_buttons, &question.url) {
        (true, _) => {
            question.card_buttons(false).into_iter().map(|button| action(question, button)).collect()
        }
        (false, Some(url)) if *viewer == Viewer::Outbound => vec![page("Open to answer", url)],
        (false, _) => Vec::new(),
    };
    if let Viewer::Room(viewers) | Viewer::Own(viewers) = viewer
        && !viewers.is_empty()
    {
        let action = Action::Execute {
            title: "Refresh".to_owned(),
            verb: LOOK,
            data: json!({ "gate": question.token }),
            style: None,
            fallback: None,
        };
        card.refresh = Some(Refresh { action, user_ids: viewers.clone() });
    }
    card
}

fn told(notice: &Notice, room: Room) -> AdaptiveCard {
    let mut body = vec![heading(&notice.title)];
    body.extend(paragraph(&notice.body, room.body));
    body.extend(notice.url.as_ref().map(|url| line(vec![Run::link("Details", url)])));
    AdaptiveCard::new(body)
}

fn settled(decided: &Decided, zone: Tz, room: Room) -> AdaptiveCard {
    let mut body = vec![heading(&decided.title)];
    body.extend(paragraph(&decided.body, room.body));
    body.push(line(vec![Run::bold(clip(&decided.settled.sentence(zone), room.line))]));
    let followed = decided.followed.iter().take(FOLLOWED_MAX);
    body.extend(followed.map(|text| line(vec![Run::plain(clip(text, room.line))])));
    body.extend(decided.url.as_ref().map(|url| line(vec![Run::link("Details", url)])));
    AdaptiveCard::new(body)
}

fn heading(title: &str) -> Item {
    let title = if title.trim().is_empty() { "–" } else { title };
    line(vec![Run { size: Some("Medium"), ..Run::bold(clip(title, TITLE_CHARS_MAX)) }])
}

fn paragraph(text: &str, chars_max: usize) -> Option<Item> {
    let text = clip(text.trim(), chars_max);
    (chars_max > 0 && !text.is_empty()).then(|| line(vec![Run::plain(text)]))
}

fn choice(number: usize, option: &CardOption, room: Room) -> Item {
    let mut inlines = vec![Run::bold(format!("{number}  {}", clip(&option.title, room.line)))];
    let facts =
        option.facts.iter().take(room.facts).map(|fact| {
            format!("{} {}", clip(&fact.label, FACT_CHARS_MAX), clip(&fact.value, FACT_CHARS_MAX))
        });
    let facts = facts.collect::<Vec<_>>().join("  ·  ");
    let rationale = clip(&option.rationale, room.rationale);
    if !facts.is_empty() {
        inlines.push(Run::plain(format!("\n{facts}")));
    }
    if room.rationale > 0 && !rationale.is_empty() {
        inlines.push(Run::quiet(format!("\n{rationale}")));
    }
    Item::RichTextBlock { inlines, separator: true }
}

/// What a yes agrees to, whole or not at all.
fn content(question: &Question) -> Vec<Item> {
    let lines = question.content();
    if !lines.is_empty() && !question.fits_cards() {
        return vec![line(vec![Run::quiet(CONTENT_TOO_LONG)])];
    }
    let shown = |fact: &Fact| {
        let (label, value) = fact.parts();
        line(vec![Run::bold(label), Run::plain(value)])
    };
    lines.iter().map(shown).collect()
}

fn action(question: &Question, button: CardButton<'_>) -> Action {
    match button {
        CardButton::Page { label, url } => page(label, url),
        CardButton::Answer(offer) if offer.button == Button::Reject => reject(question, &offer),
        CardButton::Answer(offer) => press(question, &offer),
    }
}

fn page(label: &str, url: &str) -> Action {
    Action::OpenUrl { title: label.to_owned(), url: url.to_owned() }
}

fn press(question: &Question, offer: &Offer) -> Action {
    let press = Press { token: question.token.clone(), button: offer.button, option: offer.option };
    let data = json!({ "press": press.value() });
    let style = (offer.button == Button::Reject).then_some("destructive");
    let fallback = Action::Submit { title: offer.label.clone(), data: data.clone() };
    Action::Execute {
        title: offer.label.clone(),
        verb: DECIDE,
        data,
        style,
        fallback: Some(Box::new(fallback)),
    }
}

/// Asks for the reason before anything is sent.
fn reject(question: &Question, offer: &Offer) -> Action {
    let choice =
        |reason: &Reason| Choice { title: clip(&reason.title, FACT_CHARS_MAX), value: reason.code.clone() };
    let mut card = AdaptiveCard::new(vec![
        Item::InputChoiceSet {
            id: "code",
            label: "Reason".to_owned(),
            is_required: true,
            error_message: "Choose a reason".to_owned(),
            choices: question.reasons.iter().take(REASONS_MAX).map(choice).collect(),
        },
        Item::InputText {
            id: "reason",
            label: "In a few words".to_owned(),
            is_multiline: true,
            max_length: REASON_CHARS_MAX,
        },
    ]);
    card.actions = vec![press(question, offer)];
    Action::ShowCard { title: offer.label.clone(), card: Box::new(card) }
}
