//! `countersign import-signatures`: takes the signatures of podman and skopeo from a lookaside store, where registries that keep none have
//! them, and hands each to the server as these programs do. Deliberately judges nothing but that a file is a signature about the image:
//! whose it is, and whether it counts, is the server's to say.

mod lookaside;

use crate::attach::{Subject, client_for};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use lookaside::Lookaside;
use oci::{Digest, ImageReference, Manifest, Reference, media};
use std::collections::BTreeSet;
use trust::evidence::Reading;
use trust::openpgp::{Document, lookaside_path, read_openpgp_simple_signing};

/// How many signatures of one manifest are read, as containers/image reads them.
const SIGNATURES_MAX: u32 = 128;
/// How many manifests of an index are looked for.
const CHILDREN_MAX: usize = 512;
/// Characters of a signature's own name, which tells it from others of its image.
const NAME_CHARACTERS: usize = 32;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign import-signatures --lookaside /var/lib/containers/sigstore registry.example:5000/shop/web:1\n  \
        countersign import-signatures --lookaside https://signatures.example/shop registry.example:5000/shop/web@sha256:…\n\n\
        The store has them under REPOSITORY@sha256=DIGEST/signature-1, signature-2 and so on. Of an index, those of its images are taken too."
)]
pub(crate) struct ImportSignatures {
    /// The store, as `registries.d` of podman and skopeo names it: a folder, or an address.
    #[arg(long, value_name = "DIR|URL")]
    lookaside: String,
    /// The images, where they are now.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<ImageReference>,
}

/// What became of the signatures of an image.
#[derive(Clone, Copy, Debug, Default)]
struct Carried {
    new: u32,
    known: u32,
    refused: u32,
}

impl ImportSignatures {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let store = Lookaside::open(&self.lookaside, server)?;
        for image in &self.images {
            let client = client_for(image, server)?;
            let subject = Subject::find(&client, image).await?;
            let mut carried = Carried::default();
            for digest in digests(&subject).await? {
                carry(&store, &subject, &digest, &mut carried).await?;
            }
            let name = format!("{}@{}", image.repository, subject.digest());
            let Carried {
                new,
                known,
                refused,
            } = carried;
            if new == 0 && known == 0 {
                let first = lookaside_path(&image.repository, subject.digest(), 1);
                match refused {
                    0 => bail!("the store has no signature of `{image}`: there is no `{first}`"),
                    _ => bail!("none of the {refused} signatures of `{image}` can be handed in"),
                }
            }
            output::line(format!("{name}: {}", said(carried)));
        }
        Ok(Exit::Done)
    }
}

fn said(carried: Carried) -> String {
    let mut text = format!("{} handed in", carried.new);
    if carried.known > 0 {
        text.push_str(&format!(", {} there already", carried.known));
    }
    if carried.refused > 0 {
        text.push_str(&format!(", {} left out", carried.refused));
    }
    text
}

/// The image, and what it lists if it is an index: these are signed one by one.
async fn digests(subject: &Subject<'_>) -> Result<Vec<Digest>> {
    let mut digests = vec![subject.digest().clone()];
    if !media::is_index(&subject.descriptor.media_type) {
        return Ok(digests);
    }
    let reference = Reference::Digest(subject.digest().clone());
    let repository = &subject.name.repository;
    let fetched = subject.client.manifest(repository, &reference).await?;
    if let Manifest::Index(index) = fetched.manifest {
        let count = index.manifests.len();
        if count > CHILDREN_MAX {
            bail!(
                "limit exceeded: the index lists {count} manifests, at most {CHILDREN_MAX} are looked for"
            );
        }
        digests.extend(index.manifests.into_iter().map(|child| child.digest));
    }
    Ok(digests)
}

/// Hands in the signatures of one manifest. The first number that is missing is the end.
async fn carry(
    store: &Lookaside,
    subject: &Subject<'_>,
    digest: &Digest,
    carried: &mut Carried,
) -> Result<()> {
    let (client, repository) = (subject.client, &subject.name.repository);
    let mut known: Option<BTreeSet<Vec<u8>>> = None;
    for number in 1.. {
        let path = lookaside_path(repository, digest, number);
        let Some(message) = store.file(&path).await? else {
            break;
        };
        if number > SIGNATURES_MAX {
            bail!(
                "limit exceeded: `{repository}@{digest}` has more than {SIGNATURES_MAX} signatures in the store"
            );
        }
        if let Some(why) = fault(&message, digest) {
            output::note(format!("`{path}` is left out: {why}"));
            carried.refused += 1;
            continue;
        }
        let known = match &mut known {
            Some(known) => known,
            empty => empty.insert(messages(subject, digest).await?),
        };
        if !known.insert(message.clone()) {
            carried.known += 1;
            continue;
        }
        let document = Bytes::from(document(digest, message).to_bytes());
        client
            .put_openpgp_signature(repository, digest, document)
            .await
            .with_context(|| format!("`{path}` was not taken"))?;
        carried.new += 1;
    }
    Ok(())
}

/// The signatures that are there already, under whatever name they were handed in.
async fn messages(subject: &Subject<'_>, digest: &Digest) -> Result<BTreeSet<Vec<u8>>> {
    let repository = &subject.name.repository;
    let kept = subject
        .client
        .openpgp_signatures(repository, digest)
        .await
        .context("the registry does not tell its signatures")?;
    let parsed = kept
        .iter()
        .filter_map(|document| Document::parse(document.to_string().as_bytes()).ok());
    Ok(parsed.map(|document| document.message).collect())
}

/// Why a file is not handed in: it is no signature by OpenPGP (newer stores have sigstore's too), or one of another image.
fn fault(message: &[u8], digest: &Digest) -> Option<String> {
    // Without keys, no time is looked at.
    let reading = read_openpgp_simple_signing(message, &[], 0).reading;
    match (reading.claim(), &reading) {
        (Some(claim), _) if claim.subject == *digest => None,
        (Some(claim), _) => Some(format!("it is about {}", claim.subject)),
        (None, Reading::Unreadable { why }) => Some(why.clone()),
        (None, _) => Some("it is no signature on an image".to_owned()),
    }
}

/// With a name that follows from what is signed: the same signature is the same document each time.
fn document(digest: &Digest, message: Vec<u8>) -> Document {
    let own = Digest::sha256(&message);
    let own: String = own.hex().chars().take(NAME_CHARACTERS).collect();
    Document {
        name: format!("{digest}@{own}"),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_one_name_and_another_has_another() {
        let digest = Digest::sha256(b"a manifest");
        let made = |message: &[u8]| document(&digest, message.to_vec());
        assert_eq!(made(b"a"), made(b"a"));
        assert_ne!(made(b"a").name, made(b"b").name);
        let (named, own) = made(b"a")
            .name
            .split_once('@')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert_eq!((named, own.len()), (digest.to_string(), NAME_CHARACTERS));
    }

    #[test]
    fn what_is_no_signature_is_left_out() {
        let digest = Digest::sha256(b"a manifest");
        for message in [
            &b""[..],
            b"\0sigstore-json\n{}",
            b"-----BEGIN PGP SIGNED MESSAGE-----",
        ] {
            assert!(fault(message, &digest).is_some(), "{message:?}");
        }
    }

    #[test]
    fn what_was_done_is_said_in_short() {
        let carried = |new, known, refused| Carried {
            new,
            known,
            refused,
        };
        assert_eq!(said(carried(2, 0, 0)), "2 handed in");
        assert_eq!(
            said(carried(0, 1, 3)),
            "0 handed in, 1 there already, 3 left out"
        );
    }
}
