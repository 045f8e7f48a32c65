//! Quotes what came from outside in an error message: short, on one line, without control characters. Not for
//! output that must be complete.

const CHARS_MAX: usize = 120;

/// The text as it may stand in a message: at most 120 characters, control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars().take(CHARS_MAX) {
        if c.is_control() {
            quoted.extend(c.escape_default());
        } else {
            quoted.push(c);
        }
    }
    if text.chars().nth(CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_short_and_stays_on_one_line() {
        assert_eq!(excerpt("shop/web"), "shop/web");
        assert_eq!(excerpt("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(excerpt(&"é".repeat(120)), "é".repeat(120));
        assert_eq!(excerpt(&"é".repeat(121)), format!("{}…", "é".repeat(120)));
    }
}
