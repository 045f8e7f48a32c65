//! Zip archives, as OSV publishes each ecosystem.
//!
//! The directory of the archive is walked, not loaded, and each member is read up to the limits
//! whatever its header claims: neither a bomb nor a directory of millions costs memory. Archives in
//! archives are not opened.

use std::io::{Read, Seek};
use std::path::Path;

use zip::ZipReadOptions;
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::{Batch, Import, ImportError, Limits, is_hidden, is_record};

/// Reads a zip archive, called `name` in reports.
pub fn read_zip(
    name: &str,
    archive: impl Read + Seek,
    limits: &Limits,
) -> Result<Batch, ImportError> {
    let mut import = Import::new(name, limits);
    read_into(&mut import, archive, name)?;
    Ok(import.finish())
}

pub(super) fn read_into(
    import: &mut Import,
    archive: impl Read + Seek,
    name: &str,
) -> Result<(), ImportError> {
    let damaged = |source| ImportError::Archive {
        name: name.to_owned(),
        source,
    };
    let mut archive =
        ZipIterable::try_new(archive, zip::read::Config::default()).map_err(damaged)?;
    let members = archive.files().map_err(damaged)?;
    while let Some(member) = members.next() {
        let member = member.map_err(damaged)?;
        import.count_file()?;
        let path = String::from_utf8_lossy(member.name_raw()).into_owned();
        if !member.is_file() || is_hidden(Path::new(&path)) || !is_record(Path::new(&path)) {
            continue;
        }
        let label = format!("{name}: {path}");
        match member.with_reader(members.reader_mut(), ZipReadOptions::new()) {
            Ok(stream) => import.member(&label, stream)?,
            Err(error) => import.skip(label, reason(&error)),
        }
    }
    Ok(())
}

fn reason(error: &ZipError) -> String {
    format!("cannot be unpacked: {error}")
}
