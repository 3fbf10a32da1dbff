//! The picture as SVG: boxes from top to bottom, what is done at once side by side, what is done instead beside it.
//! Colours follow the reader's light or dark scheme; every colour is said in words or form too.

mod pen;

use super::{Inside, Kind, Picture, Shape};
use pen::{GAP, HEIGHT, LABEL, PAD, Pen, SIDE, WIDTH};

/// Calls in one row of a `parallel`.
const ROW: usize = 4;

const STYLE: &str = ":root{color-scheme:light dark}\
text{font:13px system-ui,sans-serif;fill:#1c2530}.d{font-size:11px;fill:#55616e}.c{font-size:11px;font-style:italic;fill:#55616e}\
rect,.b{fill:#fff;stroke:#8a97a5;stroke-width:1.2}.l{fill:none;stroke:#8a97a5;stroke-width:1.4}.s{stroke-dasharray:5 4}\
.write{fill:#ffe9df;stroke:#b3400f;stroke-width:2.4}.gate{fill:#e3eeff;stroke:#1f5fbf;stroke-width:1.8}.agent{fill:#f3eaff;stroke:#7a3fc2}\
.wait{fill:#fff7d6;stroke:#9a7b00}.run{fill:#e6f6ef;stroke:#1b7f5a}.end{fill:#e9edf1;stroke:#66727f}.group{fill:none;stroke-dasharray:3 4}\
.failed{fill:#ffe3e3;stroke:#b00020}.h{font-weight:600}\
@media(prefers-color-scheme:dark){text{fill:#e6ebf0}.d,.c{fill:#aab4bf}rect,.b{fill:#1d242c;stroke:#7c8996}.l{stroke:#7c8996}\
.write{fill:#4a2413;stroke:#ff9a6b}.gate{fill:#17294a;stroke:#7fb0ff}.agent{fill:#2f1f49;stroke:#c39bff}.wait{fill:#3a3208;stroke:#e0c24a}\
.run{fill:#10352a;stroke:#5fd0a5}.end{fill:#2a323b;stroke:#9aa6b2}.group{fill:none}.failed{fill:#4a1418;stroke:#ff8a8a}}";

/// The whole picture; its text can be selected and searched.
pub fn svg(picture: &Picture) -> String {
    let main = List::of(&picture.steps);
    let failure = (!picture.on_failure.is_empty()).then(|| List::of(&picture.on_failure));
    let right = failure.as_ref().map_or(0.0, |list| list.width + SIDE * 2.0);
    let width = main.width + right + PAD * 2.0;
    let main_height = HEIGHT + GAP + main.height + GAP + HEIGHT;
    let failure_height = failure.as_ref().map_or(0.0, |list| HEIGHT + GAP + list.height);
    let height = main_height.max(failure_height) + PAD * 2.0;
    let mut pen = Pen::default();
    let axis = PAD + main.width / 2.0;
    let first = PAD + HEIGHT;
    pen.pill(axis, PAD, &picture.trigger, "end");
    main.join(&mut pen, axis, first - pen::PILL_GAP);
    if main.draw(&mut pen, axis, first + GAP) {
        let last = first + GAP + main.height;
        pen.line(axis, last, axis, last + GAP + pen::PILL_GAP);
        pen.pill(axis, last + GAP, "done", "end");
    }
    if let Some(list) = &failure {
        let axis = PAD + main.width + SIDE * 2.0 + list.width / 2.0;
        pen.pill(axis, PAD, "a step failed for good", "failed");
        list.join(&mut pen, axis, first - pen::PILL_GAP);
        list.draw(&mut pen, axis, first + GAP);
    }
    let title = pen::escaped(&picture.title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title><style>{STYLE}</style>\
         <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#8a97a5\"/></marker></defs>{}</svg>\n",
        pen.out,
    )
}

/// A list of shapes with the room it takes; its axis is in the middle.
struct List<'s> {
    blocks: Vec<Block<'s>>,
    width: f64,
    height: f64,
}

struct Block<'s> {
    shape: &'s Shape,
    width: f64,
    height: f64,
    inside: Vec<(Option<&'s str>, List<'s>)>,
    aside: Vec<(&'static str, List<'s>)>,
}

impl<'s> List<'s> {
    fn of(shapes: &'s [Shape]) -> Self {
        let blocks: Vec<Block> = shapes.iter().map(Block::of).collect();
        let width = blocks.iter().map(|block| block.width).fold(WIDTH, f64::max);
        let gaps = blocks.len().saturating_sub(1) as f64 * GAP;
        let height = blocks.iter().map(|block| block.height).sum::<f64>() + gaps;
        Self { blocks, width, height }
    }

    /// The line to the first block, which begins a gap below.
    fn join(&self, pen: &mut Pen, axis: f64, from: f64) {
        match self.blocks.first() {
            Some(block) => block.join(pen, axis, from, from + GAP + pen::PILL_GAP),
            None => pen.plain(axis, from, axis, from + GAP + pen::PILL_GAP),
        }
    }

    /// False when the list ends the run.
    fn draw(&self, pen: &mut Pen, axis: f64, top: f64) -> bool {
        let mut y = top;
        let mut goes_on = true;
        for (index, block) in self.blocks.iter().enumerate() {
            goes_on = block.draw(pen, axis, y);
            y += block.height;
            if let Some(next) = self.blocks.get(index + 1) {
                if goes_on {
                    next.join(pen, axis, y, y + GAP);
                }
                y += GAP;
            }
        }
        goes_on
    }
}

impl<'s> Block<'s> {
    fn of(shape: &'s Shape) -> Self {
        let one = |child: &'s Shape| (None, List::of(std::slice::from_ref(child)));
        let mut inside: Vec<(Option<&str>, List)> = match &shape.inside {
            Inside::Nothing => Vec::new(),
            Inside::Parallel(children) => children.iter().map(one).collect(),
            Inside::Each(steps) => vec![(None, List::of(steps))],
            Inside::Branches(branches) => branches
                .iter()
                .map(|(condition, steps)| (Some(condition.as_str()), List::of(steps)))
                .collect(),
        };
        if let Inside::Branches(branches) = &shape.inside
            && branches.iter().all(|(condition, _)| condition != "else")
        {
            inside.push((Some("otherwise"), List::of(&[])));
        }
        let aside: Vec<(&'static str, List)> =
            shape.aside.iter().map(|(name, steps)| (*name, List::of(steps))).collect();
        let mut block = Self { shape, width: WIDTH, height: 0.0, inside, aside };
        block.measure();
        block
    }

    /// The axis stays in the middle, so what stands on the right needs as much room on the left.
    fn measure(&mut self) {
        if self.turns_off() {
            self.width = ((self.reach() + pen::pill_half(&self.shape.title) * 2.0) * 2.0).max(WIDTH);
            self.height = HEIGHT;
            return;
        }
        let condition = if self.shape.condition.is_some() { LABEL } else { 0.0 };
        let own = condition + if self.shape.kind == Kind::Choice { LABEL } else { HEIGHT };
        let beside: f64 = self.aside.iter().map(|(_, list)| list.width + SIDE * 2.0).sum();
        let beside_height = self.aside.iter().map(|(_, list)| LABEL + list.height).fold(0.0, f64::max);
        let (row, below) = if self.is_grid() {
            let rows = self.inside.len().div_ceil(ROW) as f64;
            let columns = self.inside.len().min(ROW) as f64;
            (columns * (WIDTH + SIDE) + SIDE, LABEL + rows * (HEIGHT + PAD) + PAD - HEIGHT)
        } else if self.inside.is_empty() {
            (0.0, 0.0)
        } else {
            let label = if self.inside.iter().any(|(label, _)| label.is_some()) { LABEL } else { 0.0 };
            let tallest = self.inside.iter().map(|(_, list)| list.height).fold(0.0, f64::max);
            (self.row_width(), GAP + label + tallest + GAP)
        };
        self.width = row.max(WIDTH).max(WIDTH + beside * 2.0);
        self.height = (own + below).max(condition + beside_height);
    }

    /// An `end` under a condition stands beside the way that goes on.
    fn turns_off(&self) -> bool {
        self.shape.kind == Kind::End && self.shape.condition.is_some()
    }

    /// How far from the axis an `end` under a condition stands: its words come first.
    fn reach(&self) -> f64 {
        let letters = self.shape.condition.as_ref().map_or(0, |condition| condition.chars().count());
        letters as f64 * pen::SMALL_LETTER + SIDE * 2.0
    }

    /// Many calls at once are drawn in rows of one frame.
    fn is_grid(&self) -> bool {
        let is_leaf = |(_, list): &(Option<&str>, List)| {
            list.blocks
                .iter()
                .all(|block| block.inside.is_empty() && block.aside.is_empty() && block.height == HEIGHT)
        };
        matches!(self.shape.inside, Inside::Parallel(_))
            && self.inside.len() > ROW
            && self.inside.iter().all(is_leaf)
    }

    fn row_width(&self) -> f64 {
        self.inside.iter().map(|(_, list)| list.width + SIDE).sum::<f64>() - SIDE
    }

    /// The line that comes from above. Words stand on the way to what has a condition: its arrow is drawn there.
    fn join(&self, pen: &mut Pen, axis: f64, from: f64, to: f64) {
        if self.shape.condition.is_some() || self.shape.kind == Kind::Choice {
            pen.plain(axis, from, axis, to);
        } else {
            let pill = if self.shape.kind == Kind::End { pen::PILL_GAP } else { 0.0 };
            pen.line(axis, from, axis, to + pill);
        }
    }

    fn draw(&self, pen: &mut Pen, axis: f64, top: f64) -> bool {
        let shape = self.shape;
        let end = top + self.height;
        if self.turns_off() {
            let half = pen::pill_half(&shape.title);
            let (middle, pill) = (top + HEIGHT / 2.0, axis + self.reach() + half);
            pen.plain(axis, top, axis, end);
            pen.line(axis, middle, pill - half, middle);
            let condition = shape.condition.as_deref().unwrap_or_default();
            pen.text(axis + 8.0, middle - 6.0, "c", "start", &format!("if {condition}"));
            pen.pill(pill, top, &shape.title, "end");
            return true;
        }
        let mut y = top;
        if let Some(condition) = &shape.condition {
            pen.text(axis + 8.0, y + 11.0, "c", "start", &format!("if {condition}"));
            pen.line(axis, y, axis, y + LABEL);
            y += LABEL;
        }
        if self.is_grid() {
            self.grid(pen, axis, y, end);
            return true;
        }
        let bottom = y + if shape.kind == Kind::Choice { LABEL } else { HEIGHT };
        match shape.kind {
            Kind::Choice => {
                pen.text(axis + 8.0, y + 13.0, "h", "start", &shape.title);
                pen.plain(axis, y, axis, bottom);
            }
            Kind::End => pen.pill(axis, y, &shape.title, "end"),
            kind => pen.boxed(axis, y, &shape.title, &shape.detail, kind),
        }
        let goes_on = match &shape.inside {
            Inside::Nothing => shape.kind != Kind::End,
            Inside::Branches(_) | Inside::Parallel(_) | Inside::Each(_) => self.row(pen, axis, bottom, end),
        };
        self.asides(pen, axis, y);
        if self.inside.is_empty() && bottom < end && goes_on {
            pen.plain(axis, bottom, axis, end);
        }
        goes_on || shape.condition.is_some()
    }

    /// Calls at once in a frame of rows.
    fn grid(&self, pen: &mut Pen, axis: f64, top: f64, end: f64) {
        pen.frame(axis - self.width / 2.0, top, self.width, end - top);
        let title = format!("{} · {}", self.shape.title, self.shape.detail);
        pen.text(axis, top + 14.0, "h", "middle", &title);
        for (index, (_, list)) in self.inside.iter().enumerate() {
            let (row, column) = (index / ROW, index % ROW);
            let left = axis - self.width / 2.0 + SIDE + column as f64 * (WIDTH + SIDE);
            let y = top + LABEL + PAD / 2.0 + row as f64 * (HEIGHT + PAD);
            list.draw(pen, left + WIDTH / 2.0, y);
        }
    }

    /// What is inside, side by side, between a line that forks and one that joins.
    fn row(&self, pen: &mut Pen, axis: f64, top: f64, bottom: f64) -> bool {
        let (fork, join) = (top + GAP / 2.0, bottom - GAP / 2.0);
        pen.plain(axis, top, axis, fork);
        let mut left = axis - self.row_width() / 2.0;
        let mut goes_on = false;
        for (label, list) in &self.inside {
            let middle = left + list.width / 2.0;
            pen.plain(axis, fork, middle, fork);
            let mut y = top + GAP;
            if let Some(label) = label {
                pen.text(middle + 6.0, y + 8.0, "c", "start", label);
                y += LABEL;
            }
            match list.blocks.first() {
                Some(block) => block.join(pen, middle, fork, y),
                None => pen.plain(middle, fork, middle, y),
            }
            if list.draw(pen, middle, y) {
                goes_on = true;
                pen.plain(middle, y + list.height, middle, join);
                pen.plain(middle, join, axis, join);
            }
            left += list.width + SIDE;
        }
        if goes_on {
            pen.plain(axis, join, axis, bottom);
        }
        goes_on
    }

    fn asides(&self, pen: &mut Pen, axis: f64, top: f64) {
        let mut x = axis + WIDTH / 2.0;
        for (name, list) in &self.aside {
            let middle = x + SIDE * 2.0 + list.width / 2.0;
            let has_arrow = list.blocks.first().is_none_or(|block| block.shape.condition.is_none());
            pen.aside(x, top + 10.0, middle, top + LABEL + 4.0, has_arrow);
            pen.text(x + 6.0, top + 6.0, "c", "start", name);
            list.draw(pen, middle, top + LABEL + 4.0);
            x = middle + list.width / 2.0;
        }
    }
}
