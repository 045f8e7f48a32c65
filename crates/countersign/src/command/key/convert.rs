//! `countersign key import` and `export`: a private key in another program's file, and back. Whatever is written is sealed with a
//! password; a key that lay open is sealed by being taken over, and the file that it lay in is left to whoever owns it.

use super::files;
use crate::output;
use anyhow::Result;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use trust::Signer as _;
use trust::keyfile::Form;

/// The form of a private key's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileForm {
    /// cosign's.
    #[default]
    Cosign,
    /// PKCS #8, sealed as openssl does it.
    Pkcs8,
}

impl From<FileForm> for Form {
    fn from(form: FileForm) -> Self {
        match form {
            FileForm::Cosign => Self::Cosign,
            FileForm::Pkcs8 => Self::Pkcs8,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The private key's file: of openssl (PKCS #8, sealed or not, or `EC PRIVATE KEY`), docker, notary or cosign.
    file: PathBuf,
    /// The new files' name, without ending.
    name: PathBuf,
    /// The form of the new private file.
    #[arg(long, value_enum, default_value_t)]
    format: FileForm,
}

impl Import {
    pub(crate) fn run(self) -> Result<()> {
        let key = files::open(&self.file)?;
        let made = files::write_pair(&self.name, &key, self.format.into())?;
        output::line(format!("Private key: {}", made.private.display()));
        output::line(format!("Public key:  {}", made.public.display()));
        output::line(format!("Key id:      {}", made.id));
        output::note(format!(
            "`{}` still holds the same key: delete it if nothing else needs it.",
            self.file.display()
        ));
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The private key's file.
    key: PathBuf,
    /// The new file; it must not be there.
    to: PathBuf,
    /// Its form.
    #[arg(long, value_enum)]
    format: FileForm,
}

impl Export {
    pub(crate) fn run(self) -> Result<()> {
        let key = files::open(&self.key)?;
        refuse_existing(&self.to)?;
        let password = files::next_password(&format!("the new file {}", self.to.display()))?;
        files::write_as(&self.to, &key, &password, self.format.into())?;
        output::line(format!(
            "Key {} is in {}, sealed.",
            key.public_key().id().short(),
            self.to.display()
        ));
        Ok(())
    }
}

/// Before anybody is asked for a password; writing asks again.
fn refuse_existing(path: &Path) -> Result<()> {
    if path.exists() {
        anyhow::bail!(
            "`{}` is there already; a key is never overwritten",
            path.display()
        );
    }
    Ok(())
}
