//! Quotes what a user gave inside an error message: short, on one line, without control characters. Not for output
//! that must be complete.

const CHARS_MAX: usize = 120;

/// The text as it may stand in a message: at most 120 characters, control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == CHARS_MAX {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_and_escapes() {
        assert_eq!(excerpt("shop/web"), "shop/web");
        assert_eq!(excerpt("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(excerpt(&"ü".repeat(500)).chars().count(), CHARS_MAX + 1);
    }
}
