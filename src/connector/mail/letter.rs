//! How a message looks as a mail: the same words as plain text and as HTML, and a link for each answer. Following a link
//! only shows the question; answering takes a button on the page.

use crate::notify::{CONTENT_TOO_LONG, Fact, Message, Notice, OPEN_TO_READ, Question, clip};
use chrono_tz::Tz;

const SUBJECT_CHARS_MAX: usize = 150;

pub(super) struct Written {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A part of a letter; both forms are made of the same parts.
enum Part {
    Heading(String),
    Text(String),
    Option { number: usize, title: String, facts: String, rationale: String },
    Quiet(String),
    Links(Vec<(String, String)>),
}

pub(super) fn write(message: &Message, site: &str, zone: Tz) -> Written {
    let parts = match message {
        Message::Ask(question) => asked(question, zone),
        Message::Tell(notice) => told(notice),
        Message::Decided(_) | Message::Follow(_) => Vec::new(),
    };
    let foot = Part::Quiet(format!("Sent by Takt, {site}."));
    let parts: Vec<Part> = parts.into_iter().chain([foot]).collect();
    Written {
        subject: one_line(&message.summary(zone)),
        text: parts.iter().map(plain).collect::<Vec<_>>().join("\n\n"),
        html: format!(
            "<!doctype html><html lang=\"en\"><body style=\"font-family:sans-serif;max-width:40em\">{}</body></html>",
            parts.iter().map(html).collect::<String>()
        ),
    }
}

fn asked(question: &Question, zone: Tz) -> Vec<Part> {
    let by = format!("Answer by {} ({} min)", question.deadline(zone), question.minutes());
    let whom = if question.asked.is_empty() { by } else { format!("{by}. For: {}", question.asked) };
    let mut parts = vec![Part::Heading(question.title.clone()), Part::Text(whom)];
    if !question.body.trim().is_empty() {
        parts.push(Part::Text(question.body.trim().to_owned()));
    }
    parts.extend(question.options.iter().enumerate().map(|(at, option)| {
        let facts = option.facts.iter().map(|fact| format!("{} {}", fact.label, fact.value));
        Part::Option {
            number: at + 1,
            title: option.title.clone(),
            facts: facts.collect::<Vec<_>>().join(" · "),
            rationale: option.rationale.clone(),
        }
    }));
    let content: Vec<String> = question.content().iter().map(Fact::in_words).collect();
    if !question.fits_cards() {
        parts.push(Part::Quiet(CONTENT_TOO_LONG.to_owned()));
    } else if !content.is_empty() {
        parts.push(Part::Text(content.join("\n")));
    }
    let notes = question.basis.iter().chain([&question.on_silence]).chain(&question.second);
    parts.extend(notes.filter(|note| !note.is_empty()).map(|note| Part::Quiet(note.clone())));
    if let Some(meaning) = &question.sign {
        parts.push(Part::Text(format!("Signed on the page: {meaning}")));
    }
    let links = links(question);
    if question.link.is_some() && !links.is_empty() {
        parts.push(Part::Quiet(
            "These links are for you alone and work once. They show the question; you answer with a button there.".into(),
        ));
    }
    parts.push(Part::Links(links));
    parts
}

fn links(question: &Question) -> Vec<(String, String)> {
    let mut links = Vec::new();
    if let Some(link) = &question.link {
        let offers = question.offers().into_iter();
        links.extend(
            offers.map(|offer| (question.label_in_full(&offer), format!("{link}?answer={}", offer.word()))),
        );
    }
    if let Some(url) = &question.url {
        let label = match question.sign {
            Some(_) => "Open to sign",
            None if !question.fits_cards() => OPEN_TO_READ,
            None => "Details",
        };
        links.push((label.to_owned(), url.clone()));
    }
    links
}

fn told(notice: &Notice) -> Vec<Part> {
    let mut parts = vec![Part::Heading(notice.title.clone())];
    if !notice.body.trim().is_empty() {
        parts.push(Part::Text(notice.body.trim().to_owned()));
    }
    parts.extend(notice.url.as_ref().map(|url| Part::Links(vec![("Details".to_owned(), url.clone())])));
    parts
}

fn plain(part: &Part) -> String {
    match part {
        Part::Heading(text) | Part::Text(text) | Part::Quiet(text) => text.clone(),
        Part::Option { number, title, facts, rationale } => {
            let lines = [format!("{number}  {title}"), facts.clone(), rationale.clone()];
            lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n   ")
        }
        Part::Links(links) => {
            links.iter().map(|(label, url)| format!("{label}\n  {url}")).collect::<Vec<_>>().join("\n")
        }
    }
}

fn html(part: &Part) -> String {
    let lines = |text: &str| escape(text).replace('\n', "<br>");
    match part {
        Part::Heading(text) => format!("<h2>{}</h2>", lines(text)),
        Part::Text(text) => format!("<p>{}</p>", lines(text)),
        Part::Quiet(text) => format!("<p style=\"color:#555\">{}</p>", lines(text)),
        Part::Option { number, title, facts, rationale } => {
            let rest = [facts, rationale].into_iter().filter(|line| !line.is_empty());
            let rest: String = rest.map(|line| format!("<br>{}", lines(line))).collect();
            format!("<p><strong>{number}&nbsp; {}</strong>{rest}</p>", lines(title))
        }
        Part::Links(links) => {
            let links = links
                .iter()
                .map(|(label, url)| format!("<li><a href=\"{}\">{}</a></li>", escape(url), lines(label)));
            format!("<ul>{}</ul>", links.collect::<String>())
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A subject is one line, whatever an alarm's text brings along.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean: String = words.chars().filter(|letter| !letter.is_control()).collect();
    clip(&clean, SUBJECT_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Button;
    use serde_json::json;

    fn question() -> Question {
        serde_json::from_value(json!({
            "title": "PRESS-4 <down>\r\nBcc: evil@example.org", "gate": "01890a5d-ac96-774b-bcce-b302099a8057",
            "token": "tok", "allow": ["choose", "edit", "reject"], "body": "4 orders & more",
            "options": [{ "title": "Move 3 jobs", "facts": [{ "label": "Late", "value": 0 }] }, { "title": "Wait" }],
            "asked_at": "2026-11-23T12:12:00Z", "expires_at": "2026-11-23T12:27:00Z", "asked": "Sam",
            "on_silence": "Without an answer it counts as rejected.",
            "url": "https://takt.example/gates/1", "link": "https://takt.example/answer/1/s3cret",
        }))
        .expect("a question")
    }

    #[test]
    fn both_forms_say_the_same_and_each_answer_has_a_link() {
        let written = write(&Message::Ask(question()), "Plant 1", chrono_tz::America::Chicago);
        for form in [&written.text, &written.html] {
            for words in ["Answer by 06:27 (15 min)", "Move 3 jobs", "Late 0", "counts as rejected"] {
                assert!(form.contains(words), "{words}: {form}");
            }
            for answer in ["choose.1", "choose.2", "reject"] {
                assert!(form.contains(&format!("/s3cret?answer={answer}")), "{answer}: {form}");
            }
            assert!(!form.contains("answer=edit") && !form.contains("tok\n"), "{form}");
        }
        assert!(
            written.html.contains("PRESS-4 &lt;down&gt;") && written.html.contains("4 orders &amp; more")
        );
    }

    #[test]
    fn a_yes_has_a_link_where_all_it_agrees_to_stands_in_the_mail() {
        let asked = |draft: String| {
            let approve = vec![Button::Approve, Button::Reject];
            let filled = vec![("Scrap <pieces>".to_owned(), "12".to_owned())];
            let draft = Some(json!({ "summary": draft }));
            let question = Question { options: vec![], allow: approve, filled, draft, ..question() };
            write(&Message::Ask(question), "Plant 1", chrono_tz::America::Chicago)
        };
        let short = asked("PRESS-4 runs.\nAll is well.".to_owned());
        let words = "Scrap <pieces>: 12\nSummary:\nPRESS-4 runs.\nAll is well.";
        assert!(short.text.contains(words) && short.text.contains("?answer=approve"), "{}", short.text);
        assert!(
            short.html.contains("Scrap &lt;pieces&gt;: 12<br>Summary:<br>PRESS-4 runs."),
            "{}",
            short.html
        );
        let long = asked("a".repeat(2500));
        for form in [&long.text, &long.html] {
            assert!(!form.contains("?answer=approve") && form.contains("?answer=reject"), "{form}");
            assert!(form.contains(CONTENT_TOO_LONG) && form.contains(OPEN_TO_READ), "{form}");
        }
    }

    #[test]
    fn a_subject_is_one_line() {
        let written = write(&Message::Ask(question()), "Plant 1", chrono_tz::America::Chicago);
        assert_eq!(written.subject, "PRESS-4 <down> Bcc: evil@example.org: answer by 06:27");
    }

    #[test]
    fn what_is_signed_has_no_link_that_answers() {
        let signed = Question { sign: Some("approved for release".to_owned()), link: None, ..question() };
        let written = write(&Message::Ask(signed), "Plant 1", chrono_tz::America::Chicago);
        assert!(
            !written.text.contains("?answer=") && written.text.contains("Open to sign"),
            "{}",
            written.text
        );
    }
}
