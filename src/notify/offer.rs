//! The answers that take one button, and which of them a card has room for. How a button looks is the channel's business.

use super::{Button, Question, press::answer_word};

/// More buttons are not read; the rest is one tap away on the page.
const CARD_BUTTONS_MAX: usize = 4;

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
    /// on the page, where there is room for them; an edit may have a dialog of the channel's.
    pub fn card_buttons(&self, edits_here: bool) -> Vec<CardButton<'_>> {
        let offers = self.offers().into_iter();
        let (last, first): (Vec<_>, Vec<_>) = offers.partition(|offer| offer.button == Button::Reject);
        let mut first: Vec<_> = first.into_iter().map(CardButton::Answer).collect();
        let mut last: Vec<_> = last.into_iter().map(CardButton::Answer).collect();
        if edits_here {
            last.insert(0, CardButton::Answer(Offer::new(Button::Edit, None, "Edit")));
        }
        let too_many = first.len() + last.len() > CARD_BUTTONS_MAX;
        if let (true, Some(url)) = (self.needs_page(edits_here) || too_many, &self.url) {
            let label = match (&self.sign, self.allow.contains(&Button::Edit)) {
                (Some(_), _) => "Open to sign",
                (None, true) => "More / edit",
                (None, false) if too_many => "More",
                (None, false) => "Open to answer",
            };
            last.insert(0, CardButton::Page { label, url });
        }
        first.truncate(CARD_BUTTONS_MAX - last.len());
        first.extend(last);
        first
    }
}
