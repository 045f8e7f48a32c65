//! Writes what was collected to a file, and fetches blobs while it does: a file is there when it is whole, and not before.

use super::super::{
    CHECKSUM, CONTENTS, Contents, INDEX, LAYOUT, LAYOUT_CONTENT, archive, blob_name,
};
use super::Collection;
use crate::progress;
use anyhow::{Context, Result, bail};
use oci::Digest;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

impl Collection<'_> {
    pub(super) fn sizes(&self) -> BTreeMap<Digest, u64> {
        let documents = self.documents.iter();
        let documents = documents.map(|(digest, bytes)| (digest.clone(), bytes.len() as u64));
        let awaited = self.awaited.iter();
        let awaited = awaited.map(|(digest, size)| (digest.clone(), *size));
        documents.chain(awaited).collect()
    }

    pub(super) async fn write(
        &self,
        path: &Path,
        contents: &Contents,
        index: &[u8],
    ) -> Result<u64> {
        let text = serde_json::to_vec(contents)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let unwritable = || format!("cannot write `{}`", path.display());
        let file = tempfile::NamedTempFile::new_in(folder).with_context(unwritable)?;
        let mut out = BufWriter::new(file);
        archive::write(&mut out, CHECKSUM, Digest::sha256(&text).hex().as_bytes())?;
        archive::write(&mut out, CONTENTS, &text)?;
        archive::write(&mut out, LAYOUT, LAYOUT_CONTENT)?;
        archive::write(&mut out, INDEX, index)?;
        for (digest, size) in &contents.blobs {
            match self.documents.get(digest) {
                Some(bytes) => archive::write(&mut out, &blob_name(digest), bytes)?,
                None => self.write_blob(&mut out, digest, *size).await?,
            }
        }
        archive::end(&mut out)?;
        let file = out
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .with_context(unwritable)?;
        file.as_file().sync_all().with_context(unwritable)?;
        let size = file.as_file().metadata().with_context(unwritable)?.len();
        file.persist(path).with_context(unwritable)?;
        Ok(size)
    }

    async fn write_blob(&self, out: &mut impl Write, digest: &Digest, size: u64) -> Result<()> {
        archive::begin(out, &blob_name(digest), size)?;
        let bar = progress::bytes(&format!("blob {}", digest.short()), Some(size));
        let mut blob = self.client.blob(self.repository, digest).await?;
        let mut written = 0_u64;
        while let Some(chunk) = blob.chunk().await? {
            out.write_all(&chunk)?;
            written = written.saturating_add(chunk.len() as u64);
            bar.inc(chunk.len() as u64);
            if written > size {
                break;
            }
        }
        bar.finish_and_clear();
        if written != size {
            bail!("`{digest}` has another size than its manifest says, {size}");
        }
        archive::end_of_file(out, size)?;
        Ok(())
    }
}
