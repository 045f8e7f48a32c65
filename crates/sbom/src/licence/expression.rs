//! Reads an SPDX expression: identifiers, `+`, `WITH`, `AND`, `OR`, parentheses and `LicenseRef-…`. Anything outside the
//! grammar, the known identifiers or the limits is no expression. SPDX 2.3, annex D.2 to D.4.

use super::Licence;
use super::common::{EXCEPTIONS, IDS};

const BYTES_MAX: usize = 1_000;
const DEPTH_MAX: usize = 16;

/// The identifier or expression, in SPDX spelling; `None` if the text is neither.
pub(super) fn parse(text: &str) -> Option<Licence> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let tokens = tokenise(text);
    let mut reader = Reader {
        tokens: &tokens,
        out: Vec::new(),
        depth: 0,
    };
    reader.expression()?;
    if !reader.tokens.is_empty() {
        return None;
    }
    if let [word] = reader.out.as_slice()
        && let Some(id) = find(IDS, word)
    {
        return Some(Licence::Id(id));
    }
    let text = reader.out.join(" ").replace("( ", "(").replace(" )", ")");
    Some(Licence::Expression(text))
}

fn tokenise(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['(', ')']) {
            let (before, after) = rest.split_at(at);
            let (parenthesis, after) = after.split_at(1);
            tokens.extend(
                [before, parenthesis]
                    .into_iter()
                    .filter(|token| !token.is_empty()),
            );
            rest = after;
        }
        if !rest.is_empty() {
            tokens.push(rest);
        }
    }
    tokens
}

fn find(list: &[&'static str], word: &str) -> Option<&'static str> {
    // annex D.2: identifiers are matched without regard to case
    list.iter()
        .copied()
        .find(|known| known.eq_ignore_ascii_case(word))
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    out: Vec<String>,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// A chain of terms; which of `AND` and `OR` binds tighter does not matter for whether it is one.
    fn expression(&mut self) -> Option<()> {
        self.term()?;
        while let Some(operator) = self.operator(&["AND", "OR"]) {
            self.out.push(operator.to_owned());
            self.term()?;
        }
        Some(())
    }

    fn term(&mut self) -> Option<()> {
        if self.next_if("(").is_some() {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return None;
            }
            self.out.push("(".to_owned());
            self.expression()?;
            self.next_if(")")?;
            self.out.push(")".to_owned());
            self.depth -= 1;
            return Some(());
        }
        let word = self.next()?;
        self.out.push(licence(word)?);
        if let Some(operator) = self.operator(&["WITH"]) {
            let exception = find(EXCEPTIONS, self.next()?)?;
            self.out.extend([operator.to_owned(), exception.to_owned()]);
        }
        Some(())
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn next_if(&mut self, token: &str) -> Option<&'a str> {
        if self.tokens.first() == Some(&token) {
            self.next()
        } else {
            None
        }
    }

    /// Operators are written in upper case; SPDX 3 allows lower case as well, mixed case never.
    fn operator(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        let token = *self.tokens.first()?;
        let found = operators
            .iter()
            .find(|known| token == **known || token == known.to_ascii_lowercase())?;
        self.next();
        Some(found)
    }
}

/// An identifier in SPDX spelling, with its `+` if it has one, or a reference to a licence text.
fn licence(word: &str) -> Option<String> {
    if let Some(id) = find(IDS, word) {
        return Some(id.to_owned());
    }
    if let Some(id) = word.strip_suffix('+').and_then(|id| find(IDS, id)) {
        return Some(format!("{id}+"));
    }
    let reference = word.strip_prefix("LicenseRef-")?;
    let is_idstring = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    (!reference.is_empty() && reference.bytes().all(is_idstring)).then(|| word.to_owned())
}
