//! Docker: a client of some age, and an engine that keeps images in a graph driver or in containerd.

use super::client::{Cannot, Client, Home, Prints, Pulled, text};
use super::sample::{FILE, Sample, index_of};
use crate::harness::{Actor, Dockerd, Done, Layout, Program, tar};
use serde_json::json;
use std::path::Path;

/// A docker client at an engine.
pub(crate) struct Docker<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// The engine.
    pub(crate) engine: &'a Dockerd,
    /// The client.
    pub(crate) docker: &'static Path,
    /// Its folder.
    pub(crate) home: Home,
}

impl Docker<'_> {
    fn docker<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Program {
        let log_ins = self.home.at("docker");
        std::fs::create_dir_all(&log_ins).unwrap();
        self.engine.client(self.docker, &log_ins).args(arguments)
    }

    /// Takes a sample from an archive in docker's own form.
    fn load(&self, sample: &Sample, image: &str) {
        let (_, config) = sample.image.blobs.last().unwrap();
        let root = std::fs::read(&sample.root).unwrap();
        let manifest =
            json!([{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]);
        let archive = tar(&[
            ("config.json", config),
            ("layer.tar", &root),
            ("manifest.json", manifest.to_string().as_bytes()),
        ]);
        let file = self.home.empty("image.tar");
        std::fs::create_dir_all(&self.home.folder).unwrap();
        std::fs::write(&file, archive).unwrap();
        self.docker(["load", "--input", text(&file)]).ok();
    }

    fn forget(&self, image: &str) {
        // It may never have been there.
        self.docker(["image", "rm", "--force", image]).run();
    }

    /// What it has under a name, after it was told to pull that; with the words that name its platform.
    fn pulled(&self, platform: &[&str], image: &str, said: &str) -> Pulled {
        let digest = said
            .lines()
            .find_map(|line| line.strip_prefix("Digest: "))
            .unwrap_or_else(|| panic!("no digest: {said}"));
        let inspect = [
            "image",
            "inspect",
            "--format",
            "{{json .RepoDigests}}",
            image,
        ];
        let known = self.docker(inspect).ok();
        assert!(known.contains(digest), "{known} without {digest}");
        let create = self.docker(["create"]).args(platform);
        let container = create.args([image, "/nothing"]).ok();
        let (container, file) = (container.trim(), self.home.empty("file"));
        let from = format!("{container}:/{FILE}");
        self.docker(["cp", &from, text(&file)]).ok();
        self.docker(["rm", container]).ok();
        Pulled {
            digest: digest.to_owned(),
            file: std::fs::read(file).unwrap(),
        }
    }
}

impl Client for Docker<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn log_in(&self, who: &Actor) {
        let login = [
            "login",
            "--username",
            &who.name,
            "--password-stdin",
            &self.home.host,
        ];
        let said = self.docker(login).stdin(who.secret.as_str()).ok();
        assert!(said.contains("Login Succeeded"), "{said}");
    }

    fn push(&self, sample: &Sample, image: &str) {
        self.load(sample, image);
        self.docker(["push", image]).ok();
    }

    fn pull(&self, image: &str) -> Pulled {
        self.forget(image);
        let said = self.docker(["pull", image]).ok();
        self.pulled(&[], image, &said)
    }

    fn refused(&self, image: &str) -> Done {
        self.forget(image);
        self.docker(["pull", image]).fails()
    }

    fn prints(&self) -> Prints {
        match self.engine.is_containerd() {
            true => Prints::Only("403 Forbidden"),
            false => Prints::Sentence,
        }
    }

    fn push_index(&self, platforms: &[Sample; 2], image: &str) -> Result<(), Cannot> {
        if self.engine.is_containerd() {
            let folder = self.home.empty("index");
            let layout = Layout::write(&folder, &[(image, &index_of(platforms))]);
            self.docker(["load", "--input", text(&layout.archive())])
                .ok();
            self.docker(["push", image]).ok();
            return Ok(());
        }
        let insecure: &[&str] = match self.home.authority {
            Some(_) => &[],
            None => &["--insecure"],
        };
        let children = platforms.each_ref().map(|sample| {
            let child = format!("{image}-{}", sample.architecture);
            self.push(sample, &child);
            child
        });
        let manifest = |verb: &str| self.docker(["manifest", verb]).args(insecure).arg(image);
        manifest("create").args(children).ok();
        manifest("push").ok();
        Ok(())
    }

    fn pull_platform(&self, image: &str, architecture: &str) -> Result<Pulled, Cannot> {
        self.forget(image);
        let platform = format!("linux/{architecture}");
        let platform = ["--platform", platform.as_str()];
        let said = self.docker(["pull"]).args(platform).arg(image).ok();
        Ok(self.pulled(&platform, image, &said))
    }
}
