//! containerd and its `ctr`: a daemon of our own, without the Kubernetes plugin.

use super::client::{Cannot, Client, Home, Prints, Pulled, text};
use super::sample::{Sample, index_of};
use super::skopeo::of_layout;
use crate::harness::{Actor, Containerd, Done, Image, Layout, Program};
use std::cell::RefCell;

/// `ctr` at a containerd.
pub(crate) struct Ctr<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// The daemon.
    pub(crate) daemon: &'a Containerd,
    /// `user:password`, which each command is told.
    pub(crate) credentials: RefCell<String>,
    /// Its folder.
    pub(crate) home: Home,
}

impl Ctr<'_> {
    fn ctr(&self, words: &[&str]) -> Program {
        self.home
            .program("ctr")
            .arg("--address")
            .arg(self.daemon.socket())
            .args(words)
    }

    /// A command that goes to the registry.
    fn remote(&self, words: &[&str]) -> Program {
        let flags = self.home.transport(["--plain-http"], |authority| {
            ["--tlscacert".to_owned(), authority.to_owned()]
        });
        self.ctr(words)
            .args(flags)
            .args(["--user", &self.credentials.borrow()])
    }

    /// Takes a layout's image into containerd under a reference, and pushes it from there.
    fn push_image(&self, content: &Image, image: &str) {
        let (base, label) = image.rsplit_once(':').unwrap();
        let layout = Layout::write(&self.home.empty("made"), &[(label, content)]);
        let import = [
            "images",
            "import",
            "--all-platforms",
            "--no-unpack",
            "--base-name",
            base,
        ];
        self.ctr(&import).arg(layout.archive()).ok();
        self.remote(&["images", "push"]).arg(image).ok();
    }

    fn pull_with(&self, words: &[&str], image: &str) -> Program {
        // It may never have been there. What nothing refers to is gone afterwards.
        self.ctr(&["images", "rm", "--sync", image]).run();
        self.remote(&["images", "pull"]).args(words).arg(image)
    }

    fn pulled(&self, words: &[&str], image: &str) -> Pulled {
        let archive = self.home.empty("exported.tar");
        self.ctr(&["images", "export"])
            .args(words)
            .args([text(&archive), image])
            .ok();
        of_layout(&Layout::unpack(&archive, &self.home.empty("exported")))
    }
}

impl Client for Ctr<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn log_in(&self, who: &Actor) {
        *self.credentials.borrow_mut() = who.credentials();
    }

    fn push(&self, sample: &Sample, image: &str) {
        self.push_image(&sample.image, image);
    }

    fn pull(&self, image: &str) -> Pulled {
        self.pull_with(&[], image).ok();
        self.pulled(&[], image)
    }

    fn refused(&self, image: &str) -> Done {
        self.pull_with(&[], image).fails()
    }

    fn prints(&self) -> Prints {
        Prints::Only("403 Forbidden")
    }

    fn push_index(&self, platforms: &[Sample; 2], image: &str) -> Result<(), Cannot> {
        self.push_image(&index_of(platforms), image);
        Ok(())
    }

    fn pull_platform(&self, image: &str, architecture: &str) -> Result<Pulled, Cannot> {
        let platform = format!("linux/{architecture}");
        self.pull_with(&["--platform", &platform], image).ok();
        Ok(self.pulled(&["--platform", &platform], image))
    }
}
