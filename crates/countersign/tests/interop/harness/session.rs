//! A registry client over one connection, as small as can be: a token, pushes and pulls. What a server answers that is no success
//! comes back as it is.

use super::wire::{Reply, Wire};
use super::{Actor, Image};
use base64::Engine;
use oci::{Digest, media};
use serde_json::Value;
use std::io;

/// Somebody with a token for a repository.
#[derive(Debug)]
pub(crate) struct Session {
    /// The connection.
    pub(crate) wire: Wire,
    repository: String,
    authorization: String,
}

/// An answer that is no success, with what was asked.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What was asked.
    pub(crate) step: &'static str,
    /// The answer; none when the connection ended first.
    pub(crate) reply: Option<Reply>,
}

impl Refusal {
    /// Its status; 0 for none.
    pub(crate) fn status(&self) -> u16 {
        self.reply.as_ref().map_or(0, |reply| reply.status)
    }

    /// All of it, for messages.
    pub(crate) fn all(&self) -> String {
        match &self.reply {
            None => format!("{}: the connection ended", self.step),
            Some(reply) => format!(
                "{}: {} {:?} {}",
                self.step,
                reply.status,
                reply.headers,
                reply.text()
            ),
        }
    }
}

impl Session {
    /// Connects and asks for a token, as docker does.
    pub(crate) fn open(host: &str, who: &Actor, repository: &str) -> Result<Self, Refusal> {
        let mut wire = Wire::connect(host).map_err(|_| ended("connect"))?;
        let basic = base64::engine::general_purpose::STANDARD.encode(who.credentials());
        let path = format!("/token?service=countersign&scope=repository:{repository}:pull,push");
        let basic = format!("Basic {basic}");
        let reply = wire.ask("GET", &path, &[("Authorization", &basic)], &[]);
        let reply = expect("token", reply, 200)?;
        let reply: Value = serde_json::from_slice(&reply.body).unwrap();
        Ok(Self {
            wire,
            repository: repository.to_owned(),
            authorization: format!("Bearer {}", reply["token"].as_str().unwrap()),
        })
    }

    /// The header that says who asks.
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Asks for something below the repository, or for the path of an answer before.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/v2/{}/{path}", self.repository),
        };
        let mut all = vec![("Authorization", self.authorization.as_str())];
        all.extend(headers);
        self.wire.ask(method, &path, &all, body)
    }

    /// Begins an upload; answers where it goes on.
    pub(crate) fn begin_upload(&mut self) -> Result<String, Refusal> {
        let reply = self.ask("POST", "blobs/uploads/", &[], &[]);
        Ok(expect("begin an upload", reply, 202)?.headers["location"].clone())
    }

    /// Uploads a blob.
    pub(crate) fn push_blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), Refusal> {
        let location = self.begin_upload()?;
        let joint = if location.contains('?') { '&' } else { '?' };
        let path = format!("{location}{joint}digest={digest}");
        let kind = [("Content-Type", "application/octet-stream")];
        expect("upload", self.ask("PUT", &path, &kind, bytes), 201).map(drop)
    }

    /// Pushes an image: acknowledged whole, or not.
    pub(crate) fn push(&mut self, image: &Image, tag: &str) -> Result<(), Refusal> {
        for (digest, bytes) in &image.blobs {
            self.push_blob(digest, bytes)?;
        }
        let kind = [("Content-Type", image.media_type)];
        let path = format!("manifests/{tag}");
        expect(
            "push the manifest",
            self.ask("PUT", &path, &kind, &image.manifest),
            201,
        )
        .map(drop)
    }

    /// Pulls an image, and compares every byte with its digest. Answers the manifest's.
    pub(crate) fn pull(&mut self, tag: &str) -> Result<Digest, Refusal> {
        let accept = [("Accept", media::OCI_MANIFEST)];
        let path = format!("manifests/{tag}");
        let head = expect(
            "look for the manifest",
            self.ask("HEAD", &path, &accept, &[]),
            200,
        )?;
        let digest = head.headers["docker-content-digest"].clone();
        let path = format!("manifests/{digest}");
        let manifest = expect(
            "pull the manifest",
            self.ask("GET", &path, &accept, &[]),
            200,
        )?;
        assert_eq!(Digest::sha256(&manifest.body).as_str(), digest);
        let parsed: Value = serde_json::from_slice(&manifest.body).unwrap();
        let layers = parsed["layers"].as_array().unwrap();
        for blob in layers.iter().chain([&parsed["config"]]) {
            let digest = blob["digest"].as_str().unwrap();
            let reply = self.ask("GET", &format!("blobs/{digest}"), &[], &[]);
            let reply = expect("pull a blob", reply, 200)?;
            assert_eq!(Digest::sha256(&reply.body).as_str(), digest);
        }
        Ok(Digest::sha256(&manifest.body))
    }
}

fn ended(step: &'static str) -> Refusal {
    Refusal { step, reply: None }
}

fn expect(step: &'static str, reply: io::Result<Reply>, status: u16) -> Result<Reply, Refusal> {
    match reply {
        Ok(reply) if reply.status == status => Ok(reply),
        reply => Err(Refusal {
            step,
            reply: reply.ok(),
        }),
    }
}
