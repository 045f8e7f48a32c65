//! What goes to standard output: text, tables, JSON. Colours only on a terminal, tables only for people.

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static COLOUR: AtomicBool = AtomicBool::new(false);

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Settles whether colours are used.
pub(crate) fn set_colour(choice: ColourChoice) {
    let on = match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    COLOUR.store(on, Ordering::Relaxed);
}

/// The meaning of a piece of text, which a terminal shows as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Wait,
    Soft,
    Strong,
}

/// Text in its tone.
pub(crate) fn toned(tone: Tone, text: &str) -> String {
    if !COLOUR.load(Ordering::Relaxed) {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Wait => "33",
        Tone::Soft => "2",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Prints a line. A reader that went away (`| head`) is no failure of ours: the program just ends.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{}", text.as_ref()).is_err() {
        std::process::exit(0);
    }
}

/// Says something beside the output.
#[expect(
    clippy::print_stderr,
    reason = "notes go beside the output, so that it can be piped"
)]
pub(crate) fn note(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Prints JSON, indented.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a table, or what to say when there is nothing.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>, empty: &str) {
    toned_table(
        head,
        rows.into_iter().map(|cells| (None, cells)).collect(),
        empty,
    );
}

/// The same, with a tone for the first cell of each row.
pub(crate) fn toned_table<const N: usize>(
    head: [&str; N],
    rows: Vec<(Option<Tone>, [String; N])>,
    empty: &str,
) {
    if rows.is_empty() {
        return line(empty);
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head.map(str::to_uppercase));
    let coloured = COLOUR.load(Ordering::Relaxed);
    if coloured {
        table.enforce_styling();
    }
    for (tone, cells) in rows {
        let cells = cells
            .into_iter()
            .map(Cell::new)
            .enumerate()
            .map(|(index, cell)| match tone {
                Some(tone) if coloured && index == 0 => tone.of(cell),
                _ => cell,
            });
        table.add_row(cells.collect::<Vec<Cell>>());
    }
    // No room before the first column, two spaces between the others.
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for text in table.to_string().lines() {
        line(text.trim_end());
    }
}

impl Tone {
    /// A table's cell in this tone; escape codes inside its text would be counted as width.
    fn of(self, cell: Cell) -> Cell {
        match self {
            Self::Good => cell.fg(Color::DarkGreen),
            Self::Bad => cell.fg(Color::DarkRed),
            Self::Wait => cell.fg(Color::DarkYellow),
            Self::Soft => cell.add_attribute(Attribute::Dim),
            Self::Strong => cell.add_attribute(Attribute::Bold),
        }
    }
}

/// Prints a list as JSON or as a table.
pub(crate) fn list<T: Serialize, const N: usize>(
    format: Format,
    items: &[T],
    head: [&str; N],
    row: impl Fn(&T) -> [String; N],
    empty: &str,
) -> anyhow::Result<()> {
    match format {
        Format::Json => json(&items),
        Format::Table => {
            table(head, items.iter().map(row).collect(), empty);
            Ok(())
        }
    }
}

/// An instant, for people.
pub(crate) fn instant(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_else(|_| milliseconds.to_string())
}

/// The tone of a severity's name.
pub(crate) fn severity_tone(severity: &str) -> Tone {
    match severity {
        "critical" | "high" => Tone::Bad,
        "medium" => Tone::Wait,
        _ => Tone::Soft,
    }
}
