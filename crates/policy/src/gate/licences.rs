//! Whether a component can be used without a denied licence.
//!
//! A declared licence is an SPDX expression (`MIT OR GPL-2.0-only`) or any text. Of an `OR` one side must be free of
//! denied licences, of an `AND` both. Not a licence database: identifiers are compared as text, without regard to
//! case. SPDX 2.3 annex D.

/// Longer texts are not read as expressions.
const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Expressions with more parentheses are not read.
const PARENTHESES_MAX: usize = 64;

/// The licences that a limit denies.
#[derive(Debug)]
pub(super) struct Denied(Vec<String>);

impl Denied {
    /// Prepares the list of a limit.
    pub(super) fn new(denied: &[String]) -> Self {
        Denied(denied.iter().map(|id| folded(id)).collect())
    }

    /// Whether this declared licence leaves no way without a denied one.
    pub(super) fn bars(&self, declared: &str) -> bool {
        let declared = folded(declared);
        if self.0.contains(&declared) {
            return true;
        }
        let tokens = words(&declared);
        let mut parser = Parser {
            denied: self,
            tokens: &tokens,
            next: 0,
        };
        // What is too long or too deep to be understood is barred by one denied word in it.
        let is_too_much =
            declared.len() > EXPRESSION_BYTES_MAX || parentheses(&tokens) > PARENTHESES_MAX;
        if is_too_much {
            return tokens.iter().any(|word| self.names(word));
        }
        match parser.any_of() {
            Some(is_free) if parser.next == tokens.len() => !is_free,
            _ => false,
        }
    }

    /// Whether an identifier is denied; `GPL-2.0+` is also denied by `GPL-2.0`.
    fn names(&self, id: &str) -> bool {
        let base = id.strip_suffix('+').unwrap_or(id);
        self.0.iter().any(|denied| denied == id || denied == base)
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

fn words(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// How many parentheses are opened: a bound on how deep they go.
fn parentheses(tokens: &[String]) -> usize {
    let opens = |token: &&String| token.as_str() == "(";
    tokens.iter().filter(opens).count()
}

/// Reads an expression and answers, for each part, whether it can be satisfied without a denied licence; `None` is
/// for what is not an expression.
struct Parser<'a> {
    denied: &'a Denied,
    tokens: &'a [String],
    next: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).map(String::as_str)
    }

    fn accept(&mut self, token: &str) -> bool {
        let is_there = self.peek() == Some(token);
        self.next += usize::from(is_there);
        is_there
    }

    fn any_of(&mut self) -> Option<bool> {
        let mut is_free = self.all_of()?;
        while self.accept("or") {
            let other = self.all_of()?;
            is_free = is_free || other;
        }
        Some(is_free)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut is_free = self.single()?;
        while self.accept("and") {
            let other = self.single()?;
            is_free = is_free && other;
        }
        Some(is_free)
    }

    fn single(&mut self) -> Option<bool> {
        if self.accept("(") {
            let is_free = self.any_of()?;
            return self.accept(")").then_some(is_free);
        }
        let id = self.identifier()?;
        if !self.accept("with") {
            return Some(!self.denied.names(id));
        }
        // Denying a licence denies it with every addition; one addition can be denied by writing both.
        let addition = self.identifier()?;
        let both = format!("{id} with {addition}");
        Some(!self.denied.names(id) && !self.denied.names(&both))
    }

    fn identifier(&mut self) -> Option<&'a str> {
        let token = self.peek()?;
        if matches!(token, "(" | ")" | "and" | "or" | "with") {
            return None;
        }
        self.next += 1;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(denied: &[&str], declared: &str) -> bool {
        let denied: Vec<String> = denied.iter().map(|id| (*id).to_owned()).collect();
        Denied::new(&denied).bars(declared)
    }

    #[test]
    fn a_component_that_cannot_be_used_without_a_denied_licence() {
        let table = [
            ("AGPL-3.0-only", true),
            ("agpl-3.0-ONLY", true),
            ("MIT", false),
            ("MIT OR AGPL-3.0-only", false),
            ("AGPL-3.0-only OR AGPL-3.0-only", true),
            ("MIT AND AGPL-3.0-only", true),
            ("(MIT OR AGPL-3.0-only) AND Apache-2.0", false),
            ("(MIT AND AGPL-3.0-only) OR (BSD-3-Clause AND Zlib)", false),
            (
                "(MIT AND AGPL-3.0-only) OR (BSD-3-Clause AND AGPL-3.0-only)",
                true,
            ),
            ("AGPL-3.0-only WITH Some-exception", true),
            ("mit or agpl-3.0-only", false),
            ("MIT OR AGPL-3.0-only AND Zlib", false),
            ("AGPL-3.0-only AND MIT OR Zlib", false),
            ("  AGPL-3.0-only  ", true),
        ];
        for (declared, expected) in table {
            assert_eq!(bars(&["AGPL-3.0-only"], declared), expected, "{declared}");
        }
    }

    #[test]
    fn free_text_is_compared_as_a_whole() {
        assert!(bars(&["BSD License"], "bsd  license"));
        assert!(!bars(&["BSD"], "BSD License"));
        assert!(!bars(&["GPL-2.0-only"], "see GPL-2.0-only OR"));
        assert!(!bars(&["GPL-2.0-only"], ""));
    }

    #[test]
    fn later_versions_and_additions() {
        assert!(bars(&["GPL-2.0"], "GPL-2.0+"));
        assert!(!bars(&["GPL-2.0+"], "GPL-2.0"));
        assert!(bars(
            &["GPL-2.0-only WITH Classpath-exception-2.0"],
            "GPL-2.0-only WITH Classpath-exception-2.0 AND MIT"
        ));
        assert!(!bars(
            &["GPL-2.0-only WITH Classpath-exception-2.0"],
            "GPL-2.0-only"
        ));
    }

    #[test]
    fn hostile_expressions_end() {
        let deep = format!("{}AGPL-3.0-only{}", "(".repeat(2_000), ")".repeat(2_000));
        assert!(bars(&["AGPL-3.0-only"], &deep));
        assert!(!bars(&["MIT"], &deep));
        let long = format!("{} AGPL-3.0-only", "MIT OR ".repeat(10_000));
        assert!(bars(&["AGPL-3.0-only"], &long));
    }
}
