//! Named, versioned business rules in `rules/*.yaml`, checked on live data right before a write.

use super::{decode::Decoder, problem::Problem, source::Document};
use crate::expr::{Expr, ValueTemplate};
use crate::tool::ToolName;

/// `rule`, `version`, `title`, `reads`, `check`, `because`.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    pub version: u32,
    pub title: String,
    /// Read tools called first, in order; results are `reads.<name>`. `write` is the write's arguments.
    pub reads: Vec<(String, ToolName, ValueTemplate)>,
    pub check: Expr,
    /// The sentence people see when the check is false; may hold `${{ }}`.
    pub because: ValueTemplate,
}

impl Rule {
    /// Where the rule of this id lives in a site folder.
    pub fn path_of(id: &str) -> String {
        format!("rules/{id}.yaml")
    }

    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(path, text)?;
        let mut decoder = Decoder::new(path, &document);
        let rule = decoder.rule();
        let mut problems = decoder.problems;
        problems.sort_by_key(|problem| problem.place);
        match rule {
            Some(rule) if !problems.iter().any(Problem::is_error) => Ok(rule),
            _ => Err(problems),
        }
    }
}

impl Decoder<'_> {
    fn rule(&mut self) -> Option<Rule> {
        let root = self.root();
        let mut fields = self.fields(root, "a rule")?;
        let id = self.required(&mut fields, "rule", "its id").and_then(|node| self.text(node));
        let version = self.required(&mut fields, "version", "a number").and_then(|node| self.whole(node));
        let title = self.required(&mut fields, "title", "a sentence").and_then(|node| self.text(node));
        let check = self.required(&mut fields, "check", "an expression").and_then(|node| self.expr(node));
        let because = self.required(&mut fields, "because", "the sentence people see when it fails");
        let because = because.and_then(|node| self.template(node));
        let mut reads = Vec::new();
        let listed = fields.get("reads").and_then(|node| self.map(node, "`reads`"));
        for (key, node) in listed.unwrap_or_default() {
            let Some(mut inner) = self.fields(node, "a read") else { continue };
            let tool = self.required(&mut inner, "call", "a read tool").and_then(|node| self.tool_name(node));
            let with = inner.get("with");
            let with = self.arguments(with);
            self.finish(&inner, "a read");
            if let (Some(tool), Some(with)) = (tool, with) {
                reads.push((key.name.clone(), tool, with));
            }
        }
        self.finish(&fields, "a rule");
        Some(Rule { id: id?, version: version?, title: title?, reads, check: check?, because: because? })
    }
}
