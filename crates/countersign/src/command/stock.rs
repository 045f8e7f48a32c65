//! `countersign tag` and `countersign repository`: taking out of a repository what is no longer wanted, much at once. It goes in
//! pieces, so that nobody else waits; what was deleted when it is cut off stays deleted.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::progress;
use anyhow::Result;
use clap::Subcommand;
use oci::RepositoryName;

#[derive(Debug, Subcommand)]
pub(crate) enum Tag {
    /// Delete tags; their images stay until they are deleted by digest.
    #[command(
        after_help = "`*` stands for any characters. Evidence keeps its tags, unless you may delete that too.\n\n\
        Examples:\n  countersign tag delete shop/web 'pr-*' --dry-run\n  countersign tag delete shop/web 'pr-*' '*-nightly'"
    )]
    Delete {
        /// The repository, without a host.
        repository: RepositoryName,
        /// Which tags.
        #[arg(required = true)]
        patterns: Vec<String>,
        /// Delete nothing; say which would go.
        #[arg(long)]
        dry_run: bool,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Repository {
    /// Delete all that a repository holds: images, tags, and evidence if you may. What happened stays on record.
    Delete {
        /// The repository, without a host.
        repository: RepositoryName,
        /// Say that it is meant: there is no way back.
        #[arg(long, required = true)]
        yes: bool,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

impl Tag {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let Self::Delete {
            repository,
            patterns,
            dry_run,
            output,
        } = self;
        let client = server.client()?;
        let bar = progress::items("deleting tags");
        let (mut tags, mut kept) = (Vec::new(), 0_u64);
        for pattern in &patterns {
            let mut after: Option<String> = None;
            loop {
                let piece = client
                    .delete_tags(&repository, pattern, after.as_deref(), dry_run)
                    .await?;
                tags.extend(piece.tags);
                kept += piece.kept;
                bar.set_position(u64::try_from(tags.len()).unwrap_or(u64::MAX));
                after = piece.next;
                if after.is_none() {
                    break;
                }
            }
        }
        bar.finish_and_clear();
        if dry_run {
            // Two patterns may cover the same tag.
            tags.sort();
            tags.dedup();
        }
        if output == Format::Json {
            output::json(&serde_json::json!({"tags": tags, "kept": kept, "dryRun": dry_run}))?;
            return Ok(Exit::Done);
        }
        if dry_run {
            tags.iter().for_each(|tag| output::line(tag.as_str()));
            output::note(format!("{} tags would go; nothing was deleted", tags.len()));
        } else {
            output::line(format!("Deleted {} tags of {repository}.", tags.len()));
        }
        say_kept(kept);
        Ok(Exit::Done)
    }
}

impl Repository {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let Self::Delete {
            repository, output, ..
        } = self;
        let client = server.client()?;
        let bar = progress::items("deleting");
        let (mut manifests, mut tags, mut kept) = (0_u64, 0_u64, 0_u64);
        let mut after: Option<String> = None;
        loop {
            let piece = client
                .empty_repository(&repository, after.as_deref())
                .await?;
            manifests += piece.manifests;
            tags += piece.tags;
            kept += piece.kept;
            bar.set_position(manifests);
            after = piece.next;
            if after.is_none() {
                break;
            }
        }
        bar.finish_and_clear();
        if output == Format::Json {
            output::json(&serde_json::json!({"manifests": manifests, "tags": tags, "kept": kept}))?;
        } else {
            output::line(format!(
                "Deleted {manifests} manifests and {tags} tags of {repository}."
            ));
            say_kept(kept);
        }
        Ok(Exit::Done)
    }
}

fn say_kept(kept: u64) {
    if kept > 0 {
        output::note(format!(
            "{kept} signatures or attestations stay: deleting evidence needs the role `maintainer`"
        ));
    }
}
