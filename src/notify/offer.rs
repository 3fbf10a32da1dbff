//! The answers that take one button, and which of them a card has room for. How a button looks is the channel's business.

use super::{Button, Question, press::answer_word};

/// More buttons are not read; the rest is one tap away on the page.
const CARD_BUTTONS_MAX: usize = 4;

/// The way to the page where a card has no room for what a yes agrees to.
pub const OPEN_TO_READ: &str = "Open to read it all and answer";

/// An answer that can be given with one button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub button: Button,
    /// Number of the option, from 1.
    pub option: Option<usize>,
    pub label: String,
}

/// A button below a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardButton<'q> {
    Answer(Offer),
    /// Opens the question's page.
    Page {
        label: &'static str,
        url: &'q str,
    },
}

impl Offer {
    fn new(button: Button, option: Option<usize>, label: impl Into<String>) -> Self {
        Self { button, option, label: label.into() }
    }

    /// "choose.2", as links and buttons carry it.
    pub fn word(&self) -> String {
        answer_word(self.button, self.option)
    }
}

impl Question {
    /// In the order they are read, a no last. No option is highlighted: a default is chosen without being read.
    pub fn offers(&self) -> Vec<Offer> {
        let mut offers = Vec::new();
        if self.takes(Button::Acknowledge) {
            offers.push(Offer::new(Button::Acknowledge, None, "I take it"));
        }
        if self.takes(Button::Approve) {
            offers.push(Offer::new(Button::Approve, None, "Approve"));
        }
        if self.takes(Button::Choose) {
            let choose = |number| Offer::new(Button::Choose, Some(number), format!("Choose {number}"));
            offers.extend((1..=self.options.len()).map(choose));
        }
        if self.takes(Button::Reject) {
            offers.push(Offer::new(Button::Reject, None, "Reject"));
        }
        offers
    }

    /// The label where there is room for the option's title: "Choose 2: Wait".
    pub fn label_in_full(&self, offer: &Offer) -> String {
        let Some(number) = offer.option else { return offer.label.clone() };
        let option = self.options.get(number.saturating_sub(1));
        format!("{}: {}", offer.label, option.map_or("", |option| option.title.as_str()))
    }

    /// At most four: answers first, then the page where it is needed, a no last. Drafts, lists and signatures are answered
    /// on the page, where there is room for them; an edit may have a dialog of the channel's. Of options all have a button
    /// or none: one that stands alone would be taken for what Takt wants. The page is linked in every card's text, too.
    pub fn card_buttons(&self, edits_here: bool) -> Vec<CardButton<'_>> {
        let offers = self.offers().into_iter();
        let (last, first): (Vec<_>, Vec<_>) = offers.partition(|offer| offer.button == Button::Reject);
        let mut first: Vec<_> = first.into_iter().map(CardButton::Answer).collect();
        let last: Vec<_> = last.into_iter().map(CardButton::Answer).collect();
        let room = CARD_BUTTONS_MAX.saturating_sub(last.len());
        let too_many = first.len() > room;
        if too_many {
            let is_option = |button: &CardButton<'_>| matches!(button, CardButton::Answer(offer) if offer.option.is_some());
            first.retain(|button| !is_option(button));
        }
        let mut more = Vec::new();
        if let (true, Some(url)) = (self.needs_page(edits_here) || too_many, &self.url) {
            let label = match (&self.sign, self.allow.contains(&Button::Edit)) {
                (Some(_), _) => "Open to sign",
                (None, _) if too_many => "Open to choose",
                (None, _) if self.fields.is_some() => "Open to fill in",
                (None, _) if !self.fits_cards() => OPEN_TO_READ,
                (None, true) => "More / edit",
                (None, false) => "Open to answer",
            };
            more.push(CardButton::Page { label, url });
        }
        if edits_here {
            more.push(CardButton::Answer(Offer::new(Button::Edit, None, "Edit")));
        }
        more.truncate(room.saturating_sub(first.len()));
        first.extend(more);
        first.extend(last);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(options: usize, allow: &[&str]) -> Question {
        let option = |number: usize| json!({ "title": format!("Plan {number}") });
        serde_json::from_value(json!({
            "title": "PRESS-4 down", "gate": uuid::Uuid::nil(), "token": "t", "allow": allow, "draft": "a text",
            "asked_at": "2026-11-24T12:00:00Z", "expires_at": "2026-11-24T12:30:00Z", "on_silence": "",
            "url": "http://127.0.0.1/gates/1", "options": (1..=options).map(option).collect::<Vec<_>>(),
        }))
        .expect("a question")
    }

    fn buttons(question: &Question, edits_here: bool) -> Vec<String> {
        let label = |button: CardButton<'_>| match button {
            CardButton::Answer(offer) => offer.label,
            CardButton::Page { label, .. } => label.to_owned(),
        };
        question.card_buttons(edits_here).into_iter().map(label).collect()
    }

    fn labels(options: usize, allow: &[&str], edits_here: bool) -> Vec<String> {
        buttons(&question(options, allow), edits_here)
    }

    /// A form's card had one button, and it said no.
    #[test]
    fn a_form_has_the_way_to_its_page_before_the_no() {
        let mut question = question(0, &["approve", "reject"]);
        question.fields = Some(json!({ "type": "object" }));
        assert_eq!(buttons(&question, false), ["Open to fill in", "Reject"]);
    }

    #[test]
    fn what_is_too_long_to_be_shown_has_the_way_to_its_page_in_place_of_a_yes() {
        let mut question = question(0, &["approve", "edit", "reject"]);
        assert_eq!(buttons(&question, false), ["Approve", "More / edit", "Reject"]);
        question.draft = Some(json!("a".repeat(2500)));
        assert_eq!(buttons(&question, false), [OPEN_TO_READ, "Reject"]);
        // The dialog for an edit shows the whole text.
        assert_eq!(buttons(&question, true), [OPEN_TO_READ, "Edit", "Reject"]);
        question.allow = vec![Button::Approve, Button::Choose, Button::Reject];
        question.draft = None;
        question.filled = vec![("Note".to_owned(), "a".repeat(2500))];
        assert_eq!(buttons(&question, false), [OPEN_TO_READ, "Reject"]);
    }

    #[test]
    fn no_option_stands_alone_and_four_buttons_are_the_most() {
        let all = ["choose", "edit", "reject"];
        assert_eq!(labels(3, &all, true), ["Choose 1", "Choose 2", "Choose 3", "Reject"]);
        assert_eq!(labels(3, &all, false), ["Choose 1", "Choose 2", "Choose 3", "Reject"]);
        assert_eq!(labels(2, &all, true), ["Choose 1", "Choose 2", "Edit", "Reject"]);
        assert_eq!(labels(2, &all, false), ["Choose 1", "Choose 2", "More / edit", "Reject"]);
        assert_eq!(labels(4, &all, true), ["Open to choose", "Edit", "Reject"]);
        assert_eq!(labels(4, &["choose", "reject"], false), ["Open to choose", "Reject"]);
    }
}
