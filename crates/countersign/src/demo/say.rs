//! How the demo speaks: numbered headlines, short indented lines, small tables. Nothing here knows what is told.

use crate::output::{Tone, line, toned};

/// Spaces before everything below a headline.
const INDENT: usize = 3;
/// Characters of a line of running text.
const WIDTH: usize = 100;

/// What the demo is, before it begins.
pub(super) fn title() {
    line(toned(
        Tone::Strong,
        "Countersign: one image on its way from a build to production",
    ));
    line(toned(
        Tone::Soft,
        "A temporary server, real requests, nothing outside this machine.",
    ));
}

/// The headline of a step.
pub(super) fn headline(number: u8, title: &str) {
    line("");
    line(format!(
        "{}  {}",
        toned(Tone::Strong, &number.to_string()),
        toned(Tone::Strong, title)
    ));
}

/// What happens.
pub(super) fn plain(text: &str) {
    paragraph("", text, str::to_owned);
}

/// More about the line before.
pub(super) fn detail(text: &str) {
    paragraph("  ", text, str::to_owned);
}

/// What went as it should.
pub(super) fn good(text: &str) {
    marked(Tone::Good, '✓', text);
}

/// What was refused.
pub(super) fn bad(text: &str) {
    marked(Tone::Bad, '✗', text);
}

/// What people are told.
pub(super) fn told(text: &str) {
    marked(Tone::Wait, '!', text);
}

/// A line that is laid out already, such as one of a decision's tree.
pub(super) fn verbatim(text: &str) {
    line(format!("{:INDENT$}{text}", ""));
}

fn marked(tone: Tone, mark: char, text: &str) {
    paragraph(&format!("{mark} "), text, |text| {
        match text.strip_prefix(mark) {
            Some(rest) => format!("{}{rest}", toned(tone, &mark.to_string())),
            None => text.to_owned(),
        }
    });
}

/// Running text in lines of the same width; `prefix` before the first, as much room before the others.
fn paragraph(prefix: &str, text: &str, tint: impl Fn(&str) -> String) {
    let hang = " ".repeat(prefix.chars().count());
    for (index, part) in wrap(text, WIDTH - hang.len()).into_iter().enumerate() {
        let start = if index == 0 { prefix } else { hang.as_str() };
        line(format!("{:INDENT$}{}", "", tint(&format!("{start}{part}"))));
    }
}

/// A table without a frame. The tone is that of each row's first cell.
pub(super) fn rows<const N: usize>(rows: &[(Tone, [String; N])]) {
    let mut widths = [0_usize; N];
    for (_, cells) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (tone, cells) in rows {
        let padded = cells
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(index, (cell, width))| {
                let room = " ".repeat(width.saturating_sub(cell.chars().count()));
                if index == 0 {
                    format!("{}{room}", toned(*tone, cell))
                } else {
                    format!("{cell}{room}")
                }
            });
        verbatim(padded.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Breaks a text at spaces. A word that is too long for a line has one to itself: half a command is worse than a long line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_nothing_is_lost() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(
            wrap("a sha256:0123456789 b", 6),
            ["a", "sha256:0123456789", "b"]
        );
        let text = "every word of a sentence comes back, in its order";
        for width in 1..60 {
            assert_eq!(wrap(text, width).join(" "), text, "{width}");
        }
    }
}
