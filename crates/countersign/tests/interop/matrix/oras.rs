//! oras, between the registry and image layouts.

use super::client::{Cannot, Client, Home, Pulled, text};
use super::sample::{Sample, index_of};
use super::skopeo::of_layout;
use crate::harness::{Actor, Done, Layout, Program, client_program};

/// oras.
pub(crate) struct Oras {
    /// Its folder.
    pub(crate) home: Home,
}

impl Oras {
    /// A command of one end.
    pub(crate) fn oras(&self, words: &[&str]) -> Program {
        let flags = self.home.transport(["--plain-http"], |authority| {
            ["--ca-file".to_owned(), authority.to_owned()]
        });
        self.home
            .program(client_program("oras"))
            .args(words)
            .args(flags)
    }

    fn copy(&self, end: &str, words: &[&str]) -> Program {
        let plain = format!("--{end}-plain-http");
        let flags = self.home.transport([&plain], |authority| {
            [format!("--{end}-ca-file"), authority.to_owned()]
        });
        self.home
            .program(client_program("oras"))
            .arg("cp")
            .args(flags)
            .args(words)
    }

    fn pull_with(&self, words: &[&str], image: &str) -> (Layout, Program) {
        let layout = Layout(self.home.empty("pulled"));
        let to = format!("{}:1", text(&layout.0));
        let program = self
            .copy("from", words)
            .args(["--to-oci-layout", image, &to]);
        (layout, program)
    }

    fn push_layout(&self, layout: &Layout, image: &str) {
        let from = format!("{}:1", text(&layout.0));
        self.copy("to", &["--from-oci-layout", &from, image]).ok();
    }
}

impl Client for Oras {
    fn name(&self) -> &str {
        "oras 1.2 (Debian 13)"
    }

    fn log_in(&self, who: &Actor) {
        let login = ["login", "--username", &who.name, "--password-stdin"];
        let said = self
            .oras(&login)
            .arg(&self.home.host)
            .stdin(who.secret.as_str())
            .ok();
        assert!(said.contains("Login Succeeded"), "{said}");
    }

    fn push(&self, sample: &Sample, image: &str) {
        self.push_layout(&sample.layout, image);
    }

    fn pull(&self, image: &str) -> Pulled {
        let (layout, copy) = self.pull_with(&[], image);
        copy.ok();
        of_layout(&layout)
    }

    fn refused(&self, image: &str) -> Done {
        self.pull_with(&[], image).1.fails()
    }

    fn push_index(&self, platforms: &[Sample; 2], image: &str) -> Result<(), Cannot> {
        let folder = self.home.empty("index");
        let layout = Layout::write(&folder, &[("1", &index_of(platforms))]);
        self.push_layout(&layout, image);
        Ok(())
    }

    fn pull_platform(&self, image: &str, architecture: &str) -> Result<Pulled, Cannot> {
        let platform = format!("linux/{architecture}");
        let (layout, copy) = self.pull_with(&["--platform", &platform], image);
        copy.ok();
        Ok(of_layout(&layout))
    }

    fn delete(&self, image: &str) -> Result<(), Cannot> {
        self.oras(&["manifest", "delete", "--force", image]).ok();
        Ok(())
    }
}
