//! What came of it, as one table: a row a client, a column a verb.

use std::fmt::Write;

/// One client over one transport.
#[derive(Debug)]
pub(crate) struct Row {
    /// The client and the transport.
    pub(crate) client: String,
    /// What came of each verb.
    pub(crate) cells: Vec<String>,
}

const HEAD: [&str; 7] = [
    "client",
    "push",
    "pull",
    "push an index",
    "pull one platform",
    "delete",
    "a refused pull prints",
];

/// The table as Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in rows {
        writeln!(text, "| {} | {} |", row.client, row.cells.join(" | ")).unwrap();
    }
    text
}
