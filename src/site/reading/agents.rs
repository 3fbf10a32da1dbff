//! Reads the section `agents:`.

use super::Reading;
use crate::{
    site::{
        agents::{Agents, AgentsFile, KINDS},
        file::Text,
    },
    tool::DataClass,
};
use regex::Regex;

/// Shorter words stand inside too many others to be looked for.
const LETTERS_MIN: usize = 3;

fn kind(name: &str) -> Option<DataClass> {
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
}

impl Reading<'_> {
    pub(super) fn agents(&mut self, file: AgentsFile) -> Agents {
        let mut agents = Agents::default();
        for (name, words) in file.dictionary {
            let Some(class) = kind(&name) else {
                let names = KINDS.map(|(name, _)| name).join(", ");
                let message = format!("`{name}` is no class of words: write one of {names}");
                self.problem(words.referenced, message);
                continue;
            };
            for word in words.value {
                if self.is_word(&word) {
                    agents.dictionary.push((class, word.value));
                }
            }
        }
        for (name, pattern) in file.patterns {
            if self.is_pattern(&pattern) {
                let class = kind(&name).unwrap_or(DataClass::Proprietary);
                agents.patterns.push((class, pattern.value));
            }
        }
        agents
    }

    fn is_word(&mut self, word: &Text) -> bool {
        let letters = word.value.chars().filter(|c| c.is_alphanumeric()).count();
        let is_plain = !word.value.contains(char::is_control);
        if letters < LETTERS_MIN || !is_plain {
            let message = format!(
                "`{}` cannot be looked for: a word has at least {LETTERS_MIN} letters or digits",
                word.value.escape_debug()
            );
            self.problem(word.referenced, message);
        }
        letters >= LETTERS_MIN && is_plain
    }

    fn is_pattern(&mut self, pattern: &Text) -> bool {
        let problem = match Regex::new(&pattern.value) {
            Err(error) => {
                // The last line says what is wrong, those before it show where.
                let said = error.to_string();
                let why = said.lines().next_back().unwrap_or_default();
                format!("`{}` is no regular expression: {}", pattern.value, why.trim_start_matches("error: "))
            }
            Ok(compiled) if compiled.is_match("") => {
                format!("`{}` also finds nothing at all: write what is at least one character", pattern.value)
            }
            Ok(_) => return true,
        };
        self.problem(pattern.referenced, problem);
        false
    }
}
