//! `countersign key rotate`: a new key in the place of an old one. What the old one signed stays good. Keys of one's own are in
//! `succession`.

use super::{Authority, short, succession};
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign key rotate --old maria.key --new next.key --user maria\n  \
    countersign key rotate server:shop-ci --user anna      (role security)\n\n\
Both keys sign that the new one takes the old one's place. It is registered for the same owner, name and repositories, and the \
old one ends in the same moment. COUNTERSIGN_NEW_KEY_PASSWORD holds the password of the new file; without it, that is the old one's \
where a variable holds it."
)]
pub(crate) struct Rotate {
    /// A key that the server holds, as `server:NAME`.
    #[arg(required_unless_present = "old", conflicts_with_all = ["old", "new"])]
    key: Option<String>,
    /// Your key, or that of a robot of yours: its file, its `pkcs11:` URI, or the public half of an OpenPGP key that gpg holds.
    #[arg(long, value_name = "FILE|URI", requires = "new")]
    old: Option<PathBuf>,
    /// The key that is to take its place, which is registered nowhere yet; the same kinds.
    #[arg(long, value_name = "FILE|URI", requires = "old")]
    new: Option<PathBuf>,
    #[command(flatten)]
    authority: Authority,
}

impl Rotate {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<()> {
        match (self.key, self.old, self.new) {
            (Some(key), _, _) => held(&key, &self.authority, server).await,
            (None, Some(old), Some(new)) => {
                succession::rotate(&old, &new, &self.authority, server).await
            }
            _ => bail!("say which keys: `--old FILE --new FILE`, or `server:NAME`"),
        }
    }
}

async fn held(key: &str, authority: &Authority, server: &ServerFlags) -> Result<()> {
    let name = super::signer::held(key).with_context(|| {
        format!("`{key}` is no key that the server holds; such a one is named `server:NAME`, and your own `--old FILE --new FILE`")
    })?;
    let client = authority.client(server)?;
    let next = client.rotate_held_key(name).await?;
    output::line(format!(
        "Key {} is in the place of the one before, as `server:{name}`. What that signed stays good.",
        short(&next.id)
    ));
    Ok(())
}
