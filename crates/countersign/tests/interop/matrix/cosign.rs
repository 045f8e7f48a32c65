//! cosign as one that carries images: `copy` and `save`. What it is for, signatures, is in `crate::cosign` and `crate::formats`.

use super::client::{Cannot, Client, Home, Pulled, text};
use super::ground::Ground;
use super::sample::{Sample, index_of};
use super::skopeo::of_layout;
use crate::harness::{Actor, Done, Image, Layout, Program, client_program};

/// cosign.
pub(crate) struct Cosign<'a> {
    /// Where it is; `copy` wants something to copy.
    pub(crate) ground: &'a Ground,
    /// Its folder.
    pub(crate) home: Home,
}

impl Cosign<'_> {
    fn cosign(&self, words: &[&str]) -> Program {
        let program = self.home.program(client_program("cosign")).args(words);
        match &self.home.authority {
            Some(authority) => program.env("SSL_CERT_FILE", authority),
            None => program,
        }
    }

    fn remote(&self, words: &[&str]) -> Program {
        let flags = self
            .home
            .transport(["--allow-http-registry"], |_| [] as [String; 0]);
        self.cosign(words).args(flags)
    }

    fn copy(&self, content: &Image, image: &str) {
        let from = format!("{image}-original");
        self.ground.push(content, &from);
        self.remote(&["copy", &from, image]).ok();
    }

    fn save(&self, image: &str) -> (Layout, Program) {
        let layout = Layout(self.home.empty("saved"));
        let program = self.remote(&["save", "--dir", text(&layout.0), image]);
        (layout, program)
    }
}

impl Client for Cosign<'_> {
    fn name(&self) -> &str {
        "cosign 2.5 (Debian 13)"
    }

    fn log_in(&self, who: &Actor) {
        let login = [
            "login",
            &self.home.host,
            "--username",
            &who.name,
            "--password-stdin",
        ];
        self.cosign(&login).stdin(who.secret.as_str()).ok();
    }

    fn push(&self, sample: &Sample, image: &str) {
        self.copy(&sample.image, image);
    }

    fn pull(&self, image: &str) -> Pulled {
        let (layout, save) = self.save(image);
        save.ok();
        of_layout(&layout)
    }

    fn refused(&self, image: &str) -> Done {
        self.save(image).1.fails()
    }

    fn push_index(&self, platforms: &[Sample; 2], image: &str) -> Result<(), Cannot> {
        self.copy(&index_of(platforms), image);
        Ok(())
    }

    fn pull_platform(&self, _image: &str, _architecture: &str) -> Result<Pulled, Cannot> {
        Err(Cannot("takes an index whole"))
    }

    fn delete(&self, _image: &str) -> Result<(), Cannot> {
        Err(Cannot("deletes signatures only"))
    }
}
