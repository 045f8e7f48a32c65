//! A lookaside store, in a folder or on the web: files by path, and nothing about what is in them.

use crate::context::{ServerFlags, read_authority};
use anyhow::{Context, Result, bail};
use client::lookaside::LookasideClient;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use trust::openpgp::MESSAGE_BYTES_MAX;

/// Where the files are.
pub(super) enum Lookaside {
    /// Below a folder.
    Folder(PathBuf),
    /// Below an address.
    Web(Box<LookasideClient>),
}

impl Lookaside {
    /// By a folder or an address, as `registries.d` has it.
    pub(super) fn open(text: &str, server: &ServerFlags) -> Result<Self> {
        if text.starts_with("http://") || text.starts_with("https://") {
            let authority = server.ca.as_deref().map(read_authority).transpose()?;
            let authorities: Vec<Vec<u8>> = authority.into_iter().collect();
            let client = LookasideClient::new(text, &authorities)?;
            return Ok(Self::Web(Box::new(client)));
        }
        let folder = match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') && !path.contains('%') => PathBuf::from(path),
            Some(_) => bail!("`{text}` names no folder here: write it as a path"),
            None => PathBuf::from(text),
        };
        // One that is missing would look like one without signatures.
        let is_folder = fs::metadata(&folder)
            .with_context(|| format!("cannot read `{}`", folder.display()))?
            .is_dir();
        match is_folder {
            true => Ok(Self::Folder(folder)),
            false => bail!("`{}` is no folder", folder.display()),
        }
    }

    /// A file by its path below the store; none where there is none.
    pub(super) async fn file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let most = u64::try_from(MESSAGE_BYTES_MAX)?;
        match self {
            Self::Web(client) => {
                let found = client.file(path, most).await?;
                Ok(found.map(Vec::from))
            }
            Self::Folder(folder) => {
                let path = folder.join(path);
                let shown = path.display();
                let size = match fs::metadata(&path) {
                    Ok(found) if found.is_file() => found.len(),
                    // Opening a pipe would wait for whoever writes to it.
                    Ok(_) => bail!("`{shown}` is no file"),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => {
                        return Err(error).with_context(|| format!("cannot read `{shown}`"));
                    }
                };
                let mut bytes = Vec::new();
                let read = File::open(&path)
                    .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
                read.with_context(|| format!("cannot read `{shown}`"))?;
                if size > most || bytes.len() > MESSAGE_BYTES_MAX {
                    bail!("limit exceeded: `{shown}` has more than {MESSAGE_BYTES_MAX} bytes");
                }
                Ok(Some(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_read_within_limits() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        let flags = ServerFlags::default();
        fs::create_dir_all(folder.path().join("shop/web@sha256=00/signature-3")).unwrap();
        for (name, bytes) in [("signature-1", 3), ("signature-2", MESSAGE_BYTES_MAX + 1)] {
            let path = folder.path().join("shop/web@sha256=00").join(name);
            fs::write(path, vec![b'a'; bytes]).unwrap();
        }
        for text in [text.to_owned(), format!("file://{text}")] {
            let store = Lookaside::open(&text, &flags).unwrap();
            let file = |number: u8| {
                let path = format!("shop/web@sha256=00/signature-{number}");
                let store = &store;
                async move { store.file(&path).await }
            };
            assert_eq!(file(1).await.unwrap(), Some(b"aaa".to_vec()));
            let long = file(2).await.unwrap_err().to_string();
            assert!(long.starts_with("limit exceeded"), "{long}");
            assert!(file(3).await.unwrap_err().to_string().ends_with("no file"));
            assert_eq!(file(4).await.unwrap(), None);
        }
    }

    #[test]
    fn a_store_that_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let missing = folder.path().join("missing");
        for text in [
            file.to_str().unwrap(),
            missing.to_str().unwrap(),
            "file://host/signatures",
            "file:///a%20b",
        ] {
            let opened = Lookaside::open(text, &ServerFlags::default());
            assert!(opened.is_err(), "{text}");
        }
    }
}
