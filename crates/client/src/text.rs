//! Cleans texts that a server sent, before they reach a log or a terminal.

/// The longest text of a refusal that is shown, in characters.
const CHARS_MAX: usize = 4_000;

/// The text without control characters (each becomes a space), cut to a readable length.
pub(crate) fn clean(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_excess_are_gone() {
        assert_eq!(clean("denied\u{1b}[2Jby\r\nrule\n"), "denied [2Jby  rule");
        assert_eq!(clean(&"x".repeat(10_000)).chars().count(), CHARS_MAX + 1);
    }
}
