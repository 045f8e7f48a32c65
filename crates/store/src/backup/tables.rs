//! All rows of a PostgreSQL database as lines of JSON, and back: for each table its name and columns, then its rows as arrays.
//! Columns are numbers, texts and bytes (as `{"hex": …}`), because the schema has nothing else. The order is that of
//! the migrations, in which what is referred to comes first.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::manifest::broken;
use crate::blobs::blocking;
use crate::db::{Db, RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::{batch, migrations};

/// Rows that are read at a time.
const PAGE_ROWS: usize = 500;
/// The same where a row holds a file: of trust repositories they have up to 8 MiB.
const PAGE_FILES: usize = 16;
/// The longest line: a row with a manifest or an inventory in it.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// Writes all tables as the connection's snapshot sees them.
pub(super) async fn write(conn: &mut AnyConnection, path: &Path) -> Result<()> {
    let file = File::create(path).map_err(Error::io(path))?;
    let mut writer = BufWriter::new(file);
    for table in migrations::tables() {
        let columns = columns(conn, table).await?;
        let page = match holds_files(conn, table).await? {
            true => PAGE_FILES,
            false => PAGE_ROWS,
        };
        put(
            &mut writer,
            path,
            &json!({"table": table, "columns": columns}),
        )?;
        // A cursor keeps memory small whatever the table; the columns' names come from the catalogue of the database.
        let list = columns.join(", ");
        let declare = format!(
            "DECLARE rows_of_{table} NO SCROLL CURSOR FOR SELECT {list} FROM {table} ORDER BY 1"
        );
        sqlx::query(AssertSqlSafe(declare))
            .execute(&mut *conn)
            .await?;
        loop {
            let fetch = format!("FETCH {page} FROM rows_of_{table}");
            let rows = sqlx::query(AssertSqlSafe(fetch))
                .fetch_all(&mut *conn)
                .await?;
            for row in &rows {
                put(&mut writer, path, &values(row, columns.len())?)?;
            }
            if rows.is_empty() {
                break;
            }
        }
        let close = format!("CLOSE rows_of_{table}");
        sqlx::query(AssertSqlSafe(close))
            .execute(&mut *conn)
            .await?;
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error())
        .and_then(|file| file.sync_all())
        .map_err(Error::io(path))
}

fn put(writer: &mut impl Write, path: &Path, line: &Value) -> Result<()> {
    serde_json::to_writer(&mut *writer, line)
        .map_err(std::io::Error::other)
        .and_then(|()| writer.write_all(b"\n"))
        .map_err(Error::io(path))
}

async fn columns(conn: &mut AnyConnection, table: &str) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT CAST(column_name AS TEXT) AS name FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
    )
    .bind(table.to_owned())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.text("name")).collect()
}

async fn holds_files(conn: &mut AnyConnection, table: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS files FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 AND column_name = 'content'",
    )
    .bind(table.to_owned())
    .fetch_one(conn)
    .await?;
    Ok(row.int("files")? > 0)
}

fn values(row: &AnyRow, count: usize) -> Result<Value> {
    let mut values = Vec::with_capacity(count);
    for index in 0..count {
        let value = if let Ok(number) = row.try_get::<Option<i64>, _>(index) {
            number.map_or(Value::Null, Value::from)
        } else if let Ok(text) = row.try_get::<Option<String>, _>(index) {
            text.map_or(Value::Null, Value::from)
        } else {
            let bytes: Option<Vec<u8>> = row.try_get(index)?;
            bytes.map_or(Value::Null, |bytes| json!({"hex": hex::encode(bytes)}))
        };
        values.push(value);
    }
    Ok(Value::Array(values))
}

/// Fills an empty database from such a file, in one transaction.
pub(super) async fn read(db: &Db, path: &Path) -> Result<()> {
    let at = path.to_path_buf();
    let lines = blocking(move || {
        let file = File::open(&at).map_err(Error::io(&at))?;
        Ok(BufReader::new(file))
    })
    .await?;
    let mut lines = Lines {
        reader: lines,
        path,
    };
    let mut tx = db.begin().await?;
    for table in migrations::tables().iter().rev() {
        // The migrations put rows into some of them.
        let text = format!("DELETE FROM {table}");
        sqlx::query(AssertSqlSafe(text)).execute(tx.conn()).await?;
    }
    let mut table: Option<Table> = None;
    while let Some(line) = lines.next()? {
        match line {
            Value::Array(values) => {
                let table = table
                    .as_mut()
                    .ok_or_else(|| broken(path, "a row stands before every table".to_owned()))?;
                table.insert(&mut tx, values, path).await?;
            }
            head => {
                if let Some(table) = table.take() {
                    table.end(&mut tx).await?;
                }
                table = Some(Table::of(&mut tx, &head, path).await?);
            }
        }
    }
    if let Some(table) = table {
        table.end(&mut tx).await?;
    }
    super::database::forget_surroundings(tx.conn()).await?;
    tx.commit().await
}

/// The lines of a file, each a JSON value.
struct Lines<'a> {
    reader: BufReader<File>,
    path: &'a Path,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<Value>> {
        let mut line = Vec::new();
        Read::take(&mut self.reader, LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(Error::io(self.path))?;
        if line.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| broken(self.path, format!("a line cannot be read: {error}")))
    }
}

/// A table that is being filled.
struct Table {
    name: String,
    columns: Vec<String>,
    text: String,
}

impl Table {
    /// The table of a head line: one of ours, with columns that it has.
    async fn of(tx: &mut Tx, head: &Value, path: &Path) -> Result<Table> {
        let wrong = || {
            broken(
                path,
                "it names a table or column that is not ours".to_owned(),
            )
        };
        let name = head
            .get("table")
            .and_then(Value::as_str)
            .ok_or_else(wrong)?;
        if !migrations::tables().contains(&name) {
            return Err(wrong());
        }
        let known = columns(tx.conn(), name).await?;
        let columns: Vec<String> = head
            .get("columns")
            .and_then(|columns| serde_json::from_value(columns.clone()).ok())
            .ok_or_else(wrong)?;
        if columns.is_empty() || columns.iter().any(|column| !known.contains(column)) {
            return Err(wrong());
        }
        let text = format!(
            "INSERT INTO {name} ({}) VALUES ({})",
            columns.join(", "),
            batch::markers(1, columns.len())
        );
        Ok(Table {
            name: name.to_owned(),
            columns,
            text,
        })
    }

    async fn insert(&mut self, tx: &mut Tx, values: Vec<Value>, path: &Path) -> Result<()> {
        let wrong = || broken(path, format!("a row of `{}` is not one", self.name));
        if values.len() != self.columns.len() {
            return Err(wrong());
        }
        // A NULL has no type of its own: it is left out, as its column has no other default.
        let present: Vec<(&String, Value)> = self
            .columns
            .iter()
            .zip(values)
            .filter(|(_, value)| !value.is_null())
            .collect();
        let text = if present.len() == self.columns.len() {
            self.text.clone()
        } else {
            let names: Vec<&str> = present.iter().map(|(name, _)| name.as_str()).collect();
            format!(
                "INSERT INTO {} ({}) VALUES ({})",
                self.name,
                names.join(", "),
                batch::markers(1, names.len())
            )
        };
        let mut query = batch::query(text);
        for (_, value) in present {
            query = match value {
                Value::Number(number) => query.bind(number.as_i64().ok_or_else(wrong)?),
                Value::String(text) => query.bind(text),
                other => {
                    let bytes = other.get("hex").and_then(Value::as_str).ok_or_else(wrong)?;
                    query.bind(hex::decode(bytes).map_err(|_| wrong())?)
                }
            };
        }
        query.execute(tx.conn()).await?;
        Ok(())
    }

    /// A key that counts itself goes on behind the last row.
    async fn end(self, tx: &mut Tx) -> Result<()> {
        for column in self
            .columns
            .iter()
            .filter(|column| ["id", "sequence"].contains(&column.as_str()))
        {
            let sequence = sqlx::query("SELECT pg_get_serial_sequence($1, $2) AS name")
                .bind(self.name.clone())
                .bind(column.clone())
                .fetch_one(tx.conn())
                .await?
                .opt_text("name")?;
            let Some(sequence) = sequence else { continue };
            let text = format!(
                "SELECT CAST(setval($1, COALESCE((SELECT MAX({column}) FROM {}), 0) + 1, false) AS BIGINT) AS next",
                self.name
            );
            sqlx::query(AssertSqlSafe(text))
                .bind(sequence)
                .fetch_one(tx.conn())
                .await?;
        }
        Ok(())
    }
}

/// Whether somebody uses this database already.
pub(super) async fn is_used(db: &Db) -> Result<bool> {
    let rows: Result<bool> = write_tx!(db, |tx| {
        let row = sqlx::query(
            "SELECT CAST((SELECT COUNT(*) FROM principals) + (SELECT COUNT(*) FROM repositories) \
             + (SELECT COUNT(*) FROM audit) AS BIGINT) AS used",
        )
        .fetch_one(tx.conn())
        .await?;
        Ok(row.int("used")? > 0)
    });
    rows
}
