//! What the trust repository in a bundle says: its files are read as docker's client reads them, and nothing else lies among them.

use super::examine::{Report, plain};
use super::{Contents, Fault, Opened, blob_name};
use crate::output;
use std::collections::BTreeSet;
use std::io::{Read, Seek};
use trust::tuf::client::{Anchor, Believed, Client as Reader, Remembered};
use trust::tuf::{Content as _, Gun};

/// Reads the trust repository as docker's client would, from what lies there; nothing else lies there.
///
/// # Errors
/// The first file that is not believed, that no reader asks for, or by which the tag is another image.
pub(super) fn look<R: Read + Seek>(
    bundle: &mut Opened<R>,
    contents: &Contents,
    now: i64,
    report: &mut Report,
) -> Result<(), Fault> {
    let Some(files) = &contents.trust else {
        return Ok(());
    };
    let bad = |why: String| Fault::new(format!("trust data of {}", files.gun), why);
    let gun = Gun::parse(&files.gun).map_err(|error| bad(error.to_string()))?;
    let reader = Reader::new(gun, Anchor::FirstUse, Remembered::default(), now);
    let mut reader = reader.map_err(|error| bad(error.to_string()))?.with_ended();
    let mut asked = BTreeSet::new();
    while let Some(fetch) = reader.next() {
        asked.insert(fetch.path.clone());
        let answer = match files.files.get(&fetch.path).cloned().flatten() {
            Some(digest) => Some(bundle.document(&digest)?),
            None => None,
        };
        reader
            .feed(answer)
            .map_err(|error| bad(error.to_string()))?;
    }
    let believed = reader.finish().map_err(|error| bad(error.to_string()))?;
    let mut others = files
        .files
        .iter()
        .filter(|(path, _)| !asked.contains(*path));
    if let Some((path, Some(digest))) = others.find(|(_, digest)| digest.is_some()) {
        let (path, gun) = (plain(path), &files.gun);
        let why = format!("it is said to be `{path}` of {gun}, which no reader asks for");
        return Err(Fault::new(blob_name(digest), why));
    }
    tag(&believed, contents, report)?;
    let ends = believed.timestamp().content().expires();
    let state = if ends <= now {
        "ended at"
    } else {
        "is good until"
    };
    report.not_proved.push(format!(
        "that the trust repository {} has not moved on: its timestamp {state} {}; and that its root is the right one: nobody was asked",
        files.gun,
        output::instant(ends)
    ));
    Ok(())
}

/// Where the trust repository knows the tag, it has to be this image.
fn tag(believed: &Believed, contents: &Contents, report: &mut Report) -> Result<(), Fault> {
    let Some(tag) = &contents.tag else {
        report
            .found
            .push("trust data; the image was not taken by a tag".to_owned());
        return Ok(());
    };
    let Some(entry) = believed.target(tag.as_str()) else {
        report
            .found
            .push(format!("trust data, which does not release `{tag}`"));
        return Ok(());
    };
    if entry.file.sha256_hex().as_deref() != Some(contents.image.hex()) {
        return Err(Fault::new(
            "trust data",
            format!("its tag `{tag}` is another image than {}", contents.image),
        ));
    }
    report.found.push(format!(
        "trust data, in which `{tag}` is this image, as {} says",
        entry.role
    ));
    Ok(())
}
