//! Which failures of the database and of files mean "not now" and which mean "no room": neither is a fault of the request or of
//! this program, and both end without a restart. Everything else stays what it was.
//! PostgreSQL's appendix "Error Codes"; SQLite's "Result and Error Codes".

use std::io::ErrorKind;

use super::Error;

/// The noun for either database.
const DATABASE: &str = "the database";

/// What a failure of the database means, where it means one of the two.
pub(super) fn of_database(error: &sqlx::Error) -> Option<Error> {
    let unavailable = |why: String| {
        Some(Error::Unavailable {
            what: DATABASE,
            why,
        })
    };
    match error {
        sqlx::Error::PoolTimedOut => unavailable("no connection to it became free in time".into()),
        sqlx::Error::PoolClosed => unavailable("this server is stopping".into()),
        sqlx::Error::WorkerCrashed => unavailable("its connection broke".into()),
        sqlx::Error::Io(error) => unavailable(error.to_string()),
        sqlx::Error::Database(error) => of_code(error.code()?.as_ref(), error.message()),
        _ => None,
    }
}

fn of_code(code: &str, message: &str) -> Option<Error> {
    match code {
        // PostgreSQL: disk_full. SQLite: SQLITE_FULL, and SQLITE_IOERR_SHMSIZE, which says that the index of the
        // write-ahead log cannot grow.
        "53100" | "13" | "4874" => Some(Error::Full {
            path: DATABASE.to_owned(),
        }),
        _ if is_unavailable(code) => Some(Error::Unavailable {
            what: DATABASE,
            why: message.to_owned(),
        }),
        _ => None,
    }
}

fn is_unavailable(code: &str) -> bool {
    // PostgreSQL's codes have five characters. Connection exceptions (08), insufficient resources (53), operator
    // intervention (57: shutdowns, starts, cancelled statements), lock_not_available.
    if code.len() == 5 {
        return ["08", "53", "57", "55P03"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    // SQLite: SQLITE_IOERR and its extended codes, whose low byte is 10.
    code.parse::<u32>().is_ok_and(|code| code & 0xff == 10)
}

/// What a failure of a file means, where it means one of the two.
pub(super) fn of_file(path: &str, error: &std::io::Error) -> Option<Error> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Error::Full {
            path: path.to_owned(),
        }),
        // ENOMEM, ENFILE and EMFILE: nothing is wrong with the file.
        _ if matches!(error.raw_os_error(), Some(12 | 23 | 24)) => Some(Error::Unavailable {
            what: "the file system",
            why: error.to_string(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn shown(error: Option<Error>) -> &'static str {
        match error {
            Some(Error::Full { .. }) => "full",
            Some(Error::Unavailable { .. }) => "unavailable",
            Some(_) => "something else",
            None => "stays",
        }
    }

    #[test]
    fn codes_of_both_databases() {
        for (code, expected) in [
            ("13", "full"),
            ("4874", "full"),
            ("53100", "full"),
            ("10", "unavailable"),
            ("778", "unavailable"),
            ("53300", "unavailable"),
            ("57P01", "unavailable"),
            ("57014", "unavailable"),
            ("08006", "unavailable"),
            ("55P03", "unavailable"),
            // Transient failures stay what they are, so that the transaction is tried again.
            ("5", "stays"),
            ("40001", "stays"),
            ("2067", "stays"),
            ("23505", "stays"),
            ("42P01", "stays"),
        ] {
            assert_eq!(shown(of_code(code, "why")), expected, "{code}");
        }
    }

    #[test]
    fn connections_that_cannot_be_had() {
        let refused = std::io::Error::from(ErrorKind::ConnectionRefused);
        assert_eq!(shown(of_database(&sqlx::Error::Io(refused))), "unavailable");
        assert_eq!(
            shown(of_database(&sqlx::Error::PoolTimedOut)),
            "unavailable"
        );
        assert_eq!(shown(of_database(&sqlx::Error::RowNotFound)), "stays");
    }

    #[test]
    fn files_on_a_full_disk_and_too_many_files() {
        let of =
            |number: i32| Error::io(Path::new("/x"))(std::io::Error::from_raw_os_error(number));
        assert!(
            matches!(of(28), Error::Full { path } if path == "/x"),
            "ENOSPC"
        );
        assert!(matches!(of(122), Error::Full { .. }), "EDQUOT");
        assert!(matches!(of(24), Error::Unavailable { .. }), "EMFILE");
        assert!(matches!(of(12), Error::Unavailable { .. }), "ENOMEM");
        assert!(matches!(of(2), Error::Io { .. }), "ENOENT");
    }
}
