//! What a button carries: the opaque word of the gate and which answer it is. Nothing else leaves Takt,
//! and nothing in it is trusted beyond looking the gate up.

use super::Button;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    pub token: String,
    pub button: Button,
    /// From 1.
    pub option: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not the value of one of Takt's buttons")]
pub struct PressError;

impl Press {
    /// "takt.choose.2".
    pub fn action_id(&self) -> String {
        format!("takt.{}", answer_word(self.button, self.option))
    }

    pub fn value(&self) -> String {
        format!("{}:{}", self.token, answer_word(self.button, self.option))
    }
}

impl FromStr for Press {
    type Err = PressError;

    fn from_str(value: &str) -> Result<Self, PressError> {
        let (token, answer) = value.rsplit_once(':').ok_or(PressError)?;
        let (name, option) = match answer.split_once('.') {
            Some((name, option)) => (name, Some(option.parse().map_err(|_| PressError)?)),
            None => (answer, None),
        };
        let button = BUTTONS.into_iter().find(|button| word(*button) == name).ok_or(PressError)?;
        let fits = (button == Button::Choose) == option.is_some() && option != Some(0);
        if token.is_empty() || !fits {
            return Err(PressError);
        }
        Ok(Self { token: token.to_owned(), button, option })
    }
}

const BUTTONS: [Button; 5] =
    [Button::Acknowledge, Button::Approve, Button::Choose, Button::Edit, Button::Reject];

/// "choose.2".
pub(super) fn answer_word(button: Button, option: Option<usize>) -> String {
    let word = word(button);
    option.map_or_else(|| word.to_owned(), |option| format!("{word}.{option}"))
}

fn word(button: Button) -> &'static str {
    match button {
        Button::Acknowledge => "acknowledge",
        Button::Approve => "approve",
        Button::Choose => "choose",
        Button::Edit => "edit",
        Button::Reject => "reject",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_as_it_was_written() {
        for (button, option) in [(Button::Approve, None), (Button::Choose, Some(2)), (Button::Reject, None)] {
            let press = Press { token: "ab12:x".to_owned(), button, option };
            assert_eq!(press.value().parse(), Ok(press));
        }
    }

    #[test]
    fn refuses_what_no_button_carries() {
        for value in
            ["", "t", "t:", ":approve", "t:choose", "t:choose.0", "t:choose.x", "t:approve.1", "t:buy"]
        {
            assert_eq!(value.parse::<Press>(), Err(PressError), "{value}");
        }
    }
}
