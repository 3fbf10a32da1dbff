//! Which of many phrases stand in texts, letter for letter, also inside of words. The texts are read once, however many
//! phrases are looked for: an answer may claim more names than anybody could look up one by one. (Aho and Corasick.)

use std::collections::HashMap;

const ROOT: u32 = 0;

/// Beginnings of phrases, each a state that the next letter leads on from.
#[derive(Debug)]
pub(super) struct Phrases {
    next: HashMap<(u32, u8), u32>,
    states: Vec<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    before: u32,
    byte: u8,
    length: usize,
}

/// What was found of them.
pub(super) struct Standing(Vec<bool>);

impl Default for Phrases {
    fn default() -> Self {
        Self { next: HashMap::new(), states: vec![State { before: ROOT, byte: 0, length: 0 }] }
    }
}

impl Phrases {
    /// Gives what to ask for it by.
    pub(super) fn add(&mut self, phrase: &str) -> u32 {
        let mut at = ROOT;
        for byte in phrase.bytes() {
            at = match self.next.get(&(at, byte)) {
                Some(next) => *next,
                None => {
                    let new = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
                    let length = self.state(at).length + 1;
                    self.states.push(State { before: at, byte, length });
                    self.next.insert((at, byte), new);
                    new
                }
            };
        }
        at
    }

    pub(super) fn find(&self, texts: &[String]) -> Standing {
        let order = self.shortest_first();
        let shorter = self.shorter(&order);
        let mut seen = vec![false; self.states.len()];
        for text in texts {
            let mut at = ROOT;
            see(&mut seen, at);
            for byte in text.bytes() {
                at = self.step(&shorter, at, byte);
                see(&mut seen, at);
            }
        }
        // What ends where a longer one ends was seen with it.
        for state in order.iter().rev() {
            if seen.get(*state as usize) == Some(&true) {
                see(&mut seen, of(&shorter, *state));
            }
        }
        Standing(seen)
    }

    fn shortest_first(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (ROOT..).take(self.states.len()).collect();
        order.sort_by_key(|state| self.state(*state).length);
        order
    }

    /// For each state the longest shorter one that its letters end with.
    fn shorter(&self, order: &[u32]) -> Vec<u32> {
        let mut shorter = vec![ROOT; self.states.len()];
        for state in order {
            let State { before, byte, length } = self.state(*state);
            let next = if length > 1 { self.step(&shorter, of(&shorter, before), byte) } else { ROOT };
            if let Some(place) = shorter.get_mut(*state as usize) {
                *place = next;
            }
        }
        shorter
    }

    /// Where a letter leads: on, or on from something shorter.
    fn step(&self, shorter: &[u32], mut at: u32, byte: u8) -> u32 {
        loop {
            match self.next.get(&(at, byte)) {
                Some(next) => return *next,
                None if at == ROOT => return ROOT,
                None => at = of(shorter, at),
            }
        }
    }

    fn state(&self, at: u32) -> State {
        self.states.get(at as usize).copied().unwrap_or(State { before: ROOT, byte: 0, length: 0 })
    }
}

impl Standing {
    pub(super) fn has(&self, phrase: u32) -> bool {
        self.0.get(phrase as usize) == Some(&true)
    }
}

fn of(shorter: &[u32], at: u32) -> u32 {
    shorter.get(at as usize).copied().unwrap_or(ROOT)
}

fn see(seen: &mut [bool], at: u32) {
    if let Some(seen) = seen.get_mut(at as usize) {
        *seen = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_wherever_they_stand() {
        let texts = ["joann leeward stops".to_owned(), "hydraulic press 4".to_owned(), "ababac".to_owned()];
        let words = [
            "ann lee",
            "lee",
            "leeward",
            "ann leewards",
            "press",
            "press 4",
            "stops hydraulic",
            "s",
            "abac",
            "ababa",
            "babab",
            "c",
            "x",
            "hydraulic press 4 ",
            "ééé",
            "joann leeward stops",
        ];
        let mut phrases = Phrases::default();
        let ids: Vec<u32> = words.iter().map(|word| phrases.add(word)).collect();
        let standing = phrases.find(&texts);
        for (word, id) in words.iter().zip(ids) {
            assert_eq!(standing.has(id), texts.iter().any(|text| text.contains(word)), "{word}");
        }
    }

    #[test]
    fn where_there_are_no_texts_nothing_stands() {
        let mut phrases = Phrases::default();
        let id = phrases.add("press");
        assert!(!phrases.find(&[]).has(id));
    }
}
