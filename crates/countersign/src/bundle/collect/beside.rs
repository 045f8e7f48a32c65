//! What speaks for an image and is not attached to it: the files of its trust repository, the policies that its receipts name, and proofs
//! from the server's log. What is not there, or not for the caller to see, is written down.

use super::super::{TrustFiles, prove};
use super::Collection;
use anyhow::Result;
use bytes::Bytes;
use client::ClientOptions;
use oci::{Digest, ImageReference};
use std::collections::{BTreeMap, BTreeSet};
use trust::enclosed::receipt_policy;
use trust::receipt::RECEIPT_BYTES_MAX;
use trust::tuf::Gun;
use trust::tuf::client::{Anchor, Client as Reader, Remembered};

impl Collection<'_> {
    /// The files of the trust repository, as a reader asks for them who has never been here.
    pub(super) async fn trust(
        &mut self,
        image: &ImageReference,
        now: i64,
    ) -> Result<Option<TrustFiles>> {
        let host = match &image.host {
            Some(host) => host.clone(),
            None => ClientOptions::new(self.client.base_url())?.authority(),
        };
        let gun = Gun::parse(&format!("{host}/{}", image.repository))?;
        let reader = Reader::new(gun.clone(), Anchor::FirstUse, Remembered::default(), now);
        let mut reader = reader?.with_ended();
        let (mut files, mut texts) = (BTreeMap::new(), Vec::new());
        while let Some(fetch) = reader.next() {
            let answer = self
                .client
                .trust_file(gun.as_str(), &fetch.path, fetch.bytes_max)
                .await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if files.is_empty() => {
                    self.missing
                        .push(format!("what a trust repository says: {error}"));
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            if answer.is_none() && files.is_empty() {
                self.missing
                    .push("what a trust repository says: there is none".to_owned());
                return Ok(None);
            }
            let digest = match &answer {
                Some(bytes) => {
                    let digest = Digest::sha256(bytes);
                    texts.push((digest.clone(), bytes.clone()));
                    Some(digest)
                }
                None => None,
            };
            files.insert(fetch.path, digest);
            if let Err(problem) = reader.feed(answer.map(|bytes| bytes.to_vec())) {
                self.missing.push(format!(
                    "what the trust repository {gun} says: it is not believed: {problem}"
                ));
                return Ok(None);
            }
        }
        // Not before it is believed: nothing is in the file that its list of contents has no use for.
        for (digest, bytes) in texts {
            self.keep(digest, bytes)?;
        }
        let gun = gun.to_string();
        Ok(Some(TrustFiles { gun, files }))
    }

    /// The texts of the policies that receipts name, where the caller may read them and they are still in force.
    pub(super) async fn policies(&mut self) -> Result<BTreeMap<String, Digest>> {
        let mut policies = BTreeMap::new();
        for (name, digests) in self.named_policies().await? {
            let why = match self.client.policy(&name).await {
                Ok(policy) => {
                    let text = Bytes::from(policy.document);
                    let digest = Digest::sha256(&text);
                    if !digests.contains(digest.hex()) {
                        "another one is in force than the receipts name".to_owned()
                    } else if let Err(error) = self.keep(digest.clone(), text) {
                        error.to_string()
                    } else {
                        policies.insert(name, digest);
                        continue;
                    }
                }
                Err(error) => error.to_string(),
            };
            self.missing.push(format!(
                "what policy {name} asks for: its text is not in the file: {why}"
            ));
        }
        Ok(policies)
    }

    /// The policies that receipts name, with the SHA-256 of their texts: a reader takes no other.
    async fn named_policies(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for receipt in &self.receipts {
            if receipt.size > RECEIPT_BYTES_MAX as u64 {
                continue;
            }
            let blob = self.client.blob(self.repository, &receipt.digest).await?;
            let bundle = blob.bytes(RECEIPT_BYTES_MAX as u64).await?;
            if let Some((policy, digest)) = receipt_policy(&bundle) {
                named.entry(policy).or_default().insert(digest);
            }
        }
        Ok(named)
    }

    /// Proofs of what is attached, where the caller may read the log.
    pub(super) async fn proofs(&mut self, wanted: bool) -> Result<BTreeMap<Digest, Digest>> {
        let attached = self.attached.iter();
        let manifests = attached.map(|attached| attached.manifest.clone()).collect();
        let texts = match wanted {
            true => prove::or_why_not(self.client, self.repository, &manifests).await,
            false => Err("proofs were left out, as was asked".to_owned()),
        };
        let texts = texts.unwrap_or_else(|why| {
            self.missing.push(format!(
                "that the signatures and receipts are in the server's log: {why}"
            ));
            BTreeMap::new()
        });
        let mut proofs = BTreeMap::new();
        for (manifest, text) in texts {
            let digest = Digest::sha256(text.as_bytes());
            self.keep(digest.clone(), Bytes::from(text))?;
            proofs.insert(manifest, digest);
        }
        Ok(proofs)
    }
}
