//! One line of at most so many bytes, made of whole reasons: what has no room in it is counted, with the command that shows it.
//!
//! Bytes are those of the text in JSON, in which it travels. What the reasons are is `sentence.rs`.

/// What a line is made of.
pub(super) struct Line {
    pub(super) head: String,
    pub(super) pieces: Vec<Piece>,
    /// What stands at the end, with what parts it from the rest.
    pub(super) tail: String,
    /// The command that shows what is left out.
    pub(super) whole: String,
}

/// One reason.
pub(super) struct Piece {
    /// The place of its rule.
    pub(super) rule: usize,
    /// What goes first where there is no room for all.
    pub(super) rank: Rank,
    pub(super) text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// What a rule comes to.
    Rule,
    /// What else is wrong with it.
    More,
    /// A signature that does not count for it.
    Candidate,
}

impl Line {
    /// At most `bytes_max` bytes of it; in the end what is at its beginning.
    pub(super) fn within(mut self, bytes_max: usize) -> String {
        if let Some(text) = self.fitting(bytes_max) {
            return text;
        }
        // A whole reason is worth more than the step after it.
        self.tail.clear();
        if let Some(text) = self.fitting(bytes_max) {
            return text;
        }
        let first = self.pieces.first().map(|piece| piece.text.as_str());
        let text = format!("{}: {}", self.head, first.unwrap_or_default());
        cut_bytes(&text, bytes_max)
    }

    /// The line with as many reasons as there is room for, of every rule one before any other; `None` where there is no
    /// room for one.
    fn fitting(&self, bytes_max: usize) -> Option<String> {
        let mut by_rank: Vec<&Piece> = self.pieces.iter().collect();
        by_rank.sort_by_key(|piece| piece.rank);
        // With all of them there is nothing to say of more, so that all may fit where fewer do not.
        let whole = self.with(&by_rank);
        if bytes(&whole) <= bytes_max {
            return Some(whole);
        }
        let mut text = None;
        for count in 1..by_rank.len() {
            let line = self.with(by_rank.get(..count)?);
            if bytes(&line) > bytes_max {
                break;
            }
            text = Some(line);
        }
        text
    }

    /// The line with these reasons, each beside those of its rule.
    fn with(&self, taken: &[&Piece]) -> String {
        let mut sorted: Vec<&Piece> = taken.to_vec();
        sorted.sort_by_key(|piece| (piece.rule, piece.rank));
        let mut text = self.head.clone();
        let mut before: Option<&Piece> = None;
        for piece in sorted {
            text.push_str(match before {
                None => ": ",
                Some(before) if before.rule != piece.rule => "; ",
                Some(before) if before.rank != piece.rank && piece.rank == Rank::Candidate => {
                    ", not counted: "
                }
                Some(_) => ", ",
            });
            text.push_str(&piece.text);
            before = Some(piece);
        }
        let left_out = self.pieces.len().saturating_sub(taken.len());
        if left_out > 0 {
            let more = counted(left_out, "more reason", "more reasons");
            text.push_str(&format!("; {more}: {}", self.whole));
        }
        text.push_str(&self.tail);
        text
    }
}

/// `1 reason`, `2 reasons`.
pub(super) fn counted(number: usize, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

/// How long a text is in JSON.
pub(super) fn bytes(text: &str) -> usize {
    text.chars().map(bytes_of).sum()
}

/// RFC 8259 7
fn bytes_of(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// At most so many characters of a text.
pub(super) fn cut(text: &str, characters_max: usize) -> String {
    if text.chars().nth(characters_max).is_none() {
        return text.to_owned();
    }
    let start: String = text
        .chars()
        .take(characters_max.saturating_sub(1))
        .collect();
    format!("{start}…")
}

/// As much of a text as has room.
pub(super) fn cut_bytes(text: &str, bytes_max: usize) -> String {
    if bytes(text) <= bytes_max {
        return text.to_owned();
    }
    let Some(mut room) = bytes_max.checked_sub('…'.len_utf8()) else {
        return String::new();
    };
    let fits = |character: &char| match room.checked_sub(bytes_of(*character)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let start: String = text.chars().take_while(fits).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(texts: &[(usize, Rank, &str)], tail: &str) -> Line {
        let piece = |(rule, rank, text): &(usize, Rank, &str)| Piece {
            rule: *rule,
            rank: *rank,
            text: (*text).to_owned(),
        };
        Line {
            head: "no".to_owned(),
            pieces: texts.iter().map(piece).collect(),
            tail: tail.to_owned(),
            whole: "ask".to_owned(),
        }
    }

    #[test]
    fn of_every_rule_one_reason_goes_before_any_other() {
        use Rank::{Candidate, More, Rule};
        let texts = [
            (0, Rule, "one"),
            (0, More, "another"),
            (0, Candidate, "maria: author"),
            (1, Rule, "two"),
            (1, Candidate, "rita: too-old"),
        ];
        for (bytes_max, expect) in [
            (
                99,
                "no: one, another, not counted: maria: author; two, not counted: rita: too-old. Next",
            ),
            (
                82,
                "no: one, another, not counted: maria: author; two; 1 more reason: ask. Next",
            ),
            (74, "no: one, another; two; 2 more reasons: ask. Next"),
            (47, "no: one; two; 3 more reasons: ask. Next"),
            (38, "no: one; 4 more reasons: ask. Next"),
            (33, "no: one; two; 3 more reasons: ask"),
            (32, "no: one; 4 more reasons: ask"),
            (27, "no: one"),
            (6, "no:…"),
            (2, ""),
            (0, ""),
        ] {
            let said = line(&texts, ". Next").within(bytes_max);
            assert_eq!(said, expect, "{bytes_max}");
        }
    }

    #[test]
    fn all_reasons_may_fit_where_fewer_and_the_rest_do_not() {
        let texts = [(0, Rank::Rule, "one"), (1, Rank::Rule, "two")];
        assert_eq!(line(&texts, "").within(12), "no: one; two");
        assert_eq!(line(&texts, "").within(11), "no: one");
    }

    #[test]
    fn bytes_are_those_of_the_text_in_json() {
        for text in ["", "plain", "\"\\", "…ä🐳", "\u{1}\n\t\u{7f}", "a/b`c'"] {
            let in_json = serde_json::to_string(text).unwrap().len() - 2;
            assert_eq!(bytes(text), in_json, "{text:?}");
        }
    }
}
