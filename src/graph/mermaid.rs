//! The picture as Mermaid's flowchart text.

use super::{Inside, Kind, Picture, Shape};

/// A flowchart from top to bottom; writes are of the class `write`, gates of `gate`.
pub fn mermaid(picture: &Picture) -> String {
    let mut chart = Chart { text: String::from("flowchart TD\n"), number: 0 };
    let start = chart.node(&format!("([{}])", quoted(&picture.trigger)), "start");
    let last = chart.list(&picture.steps, vec![Loose { from: start, label: None, dashed: false }]);
    let end = chart.node(&format!("([{}])", quoted("done")), "end_");
    chart.join(&last, &end);
    if !picture.on_failure.is_empty() {
        let failed = chart.node(&format!("([{}])", quoted("a step failed for good")), "failed");
        chart.list(&picture.on_failure, vec![Loose { from: failed, label: None, dashed: true }]);
    }
    chart.text.push_str(
        "  classDef write fill:#ffe3d8,stroke:#b3400f,stroke-width:3px\n  \
         classDef gate fill:#e0ecff,stroke:#1f5fbf\n  \
         classDef agent fill:#f1e6ff,stroke:#7a3fc2\n  \
         classDef end_ fill:#eeeeee,stroke:#666666\n  \
         classDef failed fill:#ffe0e0,stroke:#b00020\n",
    );
    chart.text
}

/// An arrow that has no target yet.
#[derive(Clone)]
struct Loose {
    from: String,
    label: Option<String>,
    dashed: bool,
}

struct Chart {
    text: String,
    number: usize,
}

impl Chart {
    fn node(&mut self, shape: &str, class: &str) -> String {
        self.number += 1;
        let id = format!("n{}", self.number);
        self.text.push_str(&format!("  {id}{shape}:::{class}\n"));
        id
    }

    fn join(&mut self, loose: &[Loose], to: &str) {
        for Loose { from, label, dashed } in loose {
            let arrow = if *dashed { "-.->" } else { "-->" };
            let label = label.as_ref().map_or(String::new(), |label| format!("|{}|", quoted(label)));
            self.text.push_str(&format!("  {from} {arrow}{label} {to}\n"));
        }
    }

    /// Draws a list below these arrows and gives back those that leave it.
    fn list(&mut self, shapes: &[Shape], mut loose: Vec<Loose>) -> Vec<Loose> {
        for shape in shapes {
            loose = self.shape(shape, loose);
        }
        loose
    }

    fn shape(&mut self, shape: &Shape, mut loose: Vec<Loose>) -> Vec<Loose> {
        let mut out = Vec::new();
        if let Some(condition) = &shape.condition {
            let fork = self.node(&format!("{{{}}}", quoted(&format!("if {condition}"))), "choice");
            self.join(&loose, &fork);
            out.push(Loose { from: fork.clone(), label: Some("no".into()), dashed: false });
            loose = vec![Loose { from: fork, label: Some("yes".into()), dashed: false }];
        }
        let node = self.node(&form(shape), shape.kind.word().replace("end", "end_").as_str());
        self.join(&loose, &node);
        let leaving = |label: Option<String>| Loose { from: node.clone(), label, dashed: false };
        match &shape.inside {
            Inside::Nothing if shape.kind == Kind::End => {}
            Inside::Nothing => out.push(leaving(None)),
            Inside::Parallel(children) => {
                for child in children {
                    out.extend(self.shape(child, vec![leaving(None)]));
                }
            }
            Inside::Each(steps) => {
                out.extend(self.list(steps, vec![leaving(Some("each".into()))]));
            }
            Inside::Branches(branches) => {
                for (condition, steps) in branches {
                    out.extend(self.list(steps, vec![leaving(Some(condition.clone()))]));
                }
                if branches.iter().all(|(condition, _)| condition != "else") {
                    out.push(leaving(Some("none of them".into())));
                }
            }
        }
        for (name, steps) in &shape.aside {
            let aside = Loose { from: node.clone(), label: Some((*name).to_owned()), dashed: true };
            out.extend(self.list(steps, vec![aside]));
        }
        out
    }
}

fn form(shape: &Shape) -> String {
    let words = if shape.detail.is_empty() {
        shape.title.clone()
    } else {
        format!("{}<br/>{}", shape.title, shape.detail)
    };
    let words = match shape.kind {
        Kind::Write => format!("✎ {words}"),
        _ => words,
    };
    let text = quoted(&words);
    match shape.kind {
        Kind::Gate => format!("{{{{{text}}}}}"),
        Kind::Choice => format!("{{{text}}}"),
        Kind::End => format!("([{text}])"),
        Kind::Run => format!("[[{text}]]"),
        Kind::Wait => format!("[/{text}/]"),
        Kind::Call | Kind::Write | Kind::Agent | Kind::Group => format!("[{text}]"),
    }
}

/// Mermaid reads quotes and angle brackets as its own.
fn quoted(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('"', "&quot;");
    let text = text.replace('<', "&lt;").replace('>', "&gt;").replace("&lt;br/&gt;", "<br/>");
    format!("\"{text}\"")
}
