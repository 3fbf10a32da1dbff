//! The CEL environment: compiling with positions, and running against a scope.

use super::{ParseError, Scope, arithmetic, convert, explain, functions, meter, order};
use cel::{
    Context, Env, IdedExpr, Value as CelValue,
    common::{
        ast::{EntryExpr, Expr as Node, operators},
        value::{CowVal, Val},
    },
    context::VariableResolver,
    extensions,
};
use serde_json::Value;
use std::sync::{Arc, LazyLock, OnceLock};

const SOURCE_CHARS_MAX: usize = 8 * 1024;
/// Evaluation recurses once per level, so depth is bounded before it is run.
const DEPTH_MAX: usize = 150;
const TOO_DEEP: &str = "the expression is nested too deeply: split it into steps";
/// Levels that any thread's stack bears: an unoptimised build takes 15 KB for each.
const SHALLOW: usize = 16;
/// Only touched as far as it is needed; enough for every expression within the limits above, optimised or not.
const OWN_STACK: usize = 256 << 20;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(environment()));

fn environment() -> Env {
    let mut env = Env::stdlib();
    let declared = [
        extensions::strings,
        extensions::lists,
        extensions::math,
        arithmetic::declare,
        meter::declare,
        order::declare,
    ]
    .into_iter()
    .try_for_each(|extension: fn(&mut Env) -> _| env.add_extension(extension));
    debug_assert!(declared.is_ok(), "the names of extensions are fixed: {declared:?}");
    env
}

/// A compiled expression and what is known of it without running it.
#[derive(Debug)]
pub(super) struct Compiled {
    root: IdedExpr,
    /// What is run: `root` with its meters.
    metered: IdedExpr,
    depth: usize,
    /// Line and column of each node, by its id.
    places: std::collections::BTreeMap<u64, (u32, u32)>,
    plain_path: Option<Vec<String>>,
    /// Every dotted name the expression may ask for, sorted.
    names: Vec<String>,
    functions: Vec<&'static str>,
}

impl Compiled {
    /// The names of `a.b.c`, when the expression is nothing else.
    pub(super) fn plain_path(&self) -> Option<&[String]> {
        self.plain_path.as_deref()
    }

    /// Walks the expression, on a stack of its own where it is deep: a worker's is small.
    pub(super) fn walk<T>(&self, walk: impl FnOnce(&IdedExpr) -> T) -> T {
        self.with_stack(|| walk(&self.root))
    }

    fn with_stack<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.depth > SHALLOW { stacker::grow(OWN_STACK, work) } else { work() }
    }

    /// Line and column of a node inside the source, 1-based.
    pub(super) fn place(&self, node: &IdedExpr) -> (u32, u32) {
        self.places.get(&node.id).copied().unwrap_or((1, 1))
    }
}

pub(super) fn compile(source: &str) -> Result<Compiled, ParseError> {
    let at_start = |message: &str| ParseError { line: 1, column: 1, message: message.to_owned() };
    if source.trim().is_empty() {
        return Err(at_start("the expression is empty"));
    }
    if source.chars().count() > SOURCE_CHARS_MAX {
        return Err(at_start("the expression is longer than 8192 characters: split it into steps"));
    }
    if nesting(source) > DEPTH_MAX {
        return Err(at_start(TOO_DEEP));
    }
    // The parser recurses a dozen calls for each level, and a worker's stack is small.
    stacker::grow(OWN_STACK, || parse(source))
}

fn parse(source: &str) -> Result<Compiled, ParseError> {
    let at_start = |message: &str| ParseError { line: 1, column: 1, message: message.to_owned() };
    let program = ENV.compile(source).map_err(|errors| explain::parse_error(source, &errors))?;
    let mut root = program.expression().clone();
    let mut places = std::collections::BTreeMap::new();
    let depth = visit(&mut root, 0, &mut |node| {
        if let Some((start, _)) = program.source_info().offset_for(node.id) {
            places.insert(node.id, place_of(source, start as usize));
        }
        match &node.expr {
            Node::Unspecified => Err("this is not a complete expression"),
            Node::Struct(_) => Err("types cannot be constructed here: write a map `{'key': value}`"),
            _ => Ok(()),
        }
    })
    .map_err(at_start)?;
    let plain_path = path_of(&root);
    let names = dotted_names(&mut root);
    let mut used = Vec::new();
    functions::collect_used(&root, &mut used);
    arithmetic::rewrite(&mut root);
    let metered = meter::metered_tree(&root);
    Ok(Compiled { root, metered, depth, places, plain_path, names, functions: used })
}

/// How deep brackets and conditions nest, at the most: what is inside quotes may count, too.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest, mut conditions) = (0_usize, 0, 0);
    let mut before = ' ';
    for character in source.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' if !matches!(before, '.' | '[') => conditions += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
        before = character;
    }
    deepest + conditions
}

/// Runs a compiled expression; the error is a sentence for the author of the workflow.
pub(super) fn run(compiled: &Compiled, scope: &Scope) -> Result<Value, String> {
    let values = compiled.names.iter().map(|_| OnceLock::new()).collect();
    let names = Names { scope, names: &compiled.names, values };
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.set_variable_resolver(&names);
    for name in &compiled.functions {
        functions::add(&mut context, name);
    }
    meter::start();
    compiled.with_stack(|| {
        let value = CelValue::resolve(&compiled.metered, &context)
            .map_err(|error| explain::eval_error(&error, &compiled.root, &context, scope))?;
        convert::to_json(&value)
    })
}

/// Why a part of an expression that reads nothing fails; of others nothing is said.
pub(super) fn run_constant(node: &IdedExpr) -> Result<(), String> {
    let Some(constant) = without_names(node) else { return Ok(()) };
    let mut used = Vec::new();
    functions::collect_used(&constant, &mut used);
    let mut context = Context::with_env(Arc::clone(&ENV));
    used.into_iter().for_each(|name| functions::add(&mut context, name));
    meter::start();
    let outcome = CelValue::resolve(&meter::metered_tree(&constant), &context).map(drop);
    outcome.map_err(|error| explain::eval_error(&error, &constant, &context, &Scope::new()))
}

/// A call of literals only. What a pattern is matched with does not matter.
fn without_names(node: &IdedExpr) -> Option<IdedExpr> {
    if is_constant(node) {
        return Some(node.clone());
    }
    let Node::Call(call) = &node.expr else { return None };
    let pattern = call.args.last()?;
    if call.func_name != "matches" || !is_constant(pattern) {
        return None;
    }
    let mut call = call.clone();
    call.target = None;
    call.args = vec![pattern.clone(), pattern.clone()];
    Some(IdedExpr { id: node.id, expr: Node::Call(call) })
}

fn is_constant(node: &IdedExpr) -> bool {
    let may_be = match &node.expr {
        Node::Literal(_) | Node::List(_) => true,
        // These ask the site.
        Node::Call(call) => !["in_shift", "shift_at", "site_time"].contains(&call.func_name.as_str()),
        _ => false,
    };
    may_be && explain::children(node).into_iter().all(is_constant)
}

/// Resolves the longest dotted name that CEL asks for, so that `steps.plans.options` converts only that
/// value and not the outputs of every step; and converts it once, though a loop asks for it every time.
struct Names<'s> {
    scope: &'s Scope,
    names: &'s [String],
    values: Vec<OnceLock<Option<Box<dyn Val + 's>>>>,
}

impl<'s> Names<'s> {
    fn convert(&self, name: &str) -> Option<Box<dyn Val + 's>> {
        let mut parts = name.split('.');
        let first = self.scope.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.as_object()?.get(part)).map(convert::from_json)
    }
}

impl VariableResolver for Names<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match self.names.binary_search_by(|known| known.as_str().cmp(name)) {
            Ok(index) => {
                let value = self.values.get(index)?.get_or_init(|| self.convert(name));
                value.as_deref().map(CowVal::Borrowed)
            }
            // A function asks for what the expression does not name, such as the site's shifts.
            Err(_) => self.convert(name).map(CowVal::Owned),
        }
    }
}

/// `a`, `a.b` and `a.b.c` of `a.b.c`: CEL tries the longest first.
fn dotted_names(root: &mut IdedExpr) -> Vec<String> {
    let mut names = std::collections::BTreeSet::new();
    let outcome = visit(root, 0, &mut |node| {
        names.extend(path_of(node).map(|path| path.join(".")));
        Ok(())
    });
    debug_assert!(outcome.is_ok(), "the depth was checked before");
    names.into_iter().collect()
}

/// The names of a chain of field selections on an identifier.
pub(super) fn path_of(node: &IdedExpr) -> Option<Vec<String>> {
    match &node.expr {
        Node::Ident(name) => Some(vec![name.clone()]),
        Node::Select(select) if !select.test => {
            let mut path = path_of(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        _ => None,
    }
}

/// Line and column of the character at `offset`, which CEL's parser counts in bytes.
fn place_of(source: &str, offset: usize) -> (u32, u32) {
    let (mut line, mut column) = (1, 1);
    for (_, character) in source.char_indices().take_while(|(at, _)| *at < offset) {
        if character == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    (line, column)
}

/// Visits every node, parents first, and says how deep the deepest is; stops at the first error.
pub(super) fn visit(
    node: &mut IdedExpr,
    depth: usize,
    check: &mut dyn FnMut(&mut IdedExpr) -> Result<(), &'static str>,
) -> Result<usize, &'static str> {
    if depth > DEPTH_MAX {
        return Err(TOO_DEEP);
    }
    check(node)?;
    children(node)
        .into_iter()
        .try_fold(depth, |deepest, child| Ok(deepest.max(visit(child, depth + 1, check)?)))
}

fn children(node: &mut IdedExpr) -> Vec<&mut IdedExpr> {
    match &mut node.expr {
        Node::Unspecified | Node::Ident(_) | Node::Literal(_) | Node::Struct(_) => Vec::new(),
        Node::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Node::Select(select) => vec![&mut select.operand],
        Node::List(list) => list.elements.iter_mut().collect(),
        Node::Map(map) => map
            .entries
            .iter_mut()
            .flat_map(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
                EntryExpr::StructField(field) => vec![&mut field.value],
            })
            .collect(),
        Node::Comprehension(comprehension) => {
            let c = comprehension.as_mut();
            vec![&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
        }
    }
}

/// The operator as it is written: `_>=_` is `>=`.
pub(super) fn operator(function: &str) -> &str {
    match function {
        operators::CONDITIONAL => "? :",
        operators::INDEX | operators::OPT_INDEX => "[ ]",
        operators::OPT_SELECT => ".?",
        operators::IN => "in",
        other => other.trim_matches(['_', '@']),
    }
}
