//! What people do with docker: a first trusted push, pulls, unsigned tags, signers who come, sign and go.

use super::side::Side;
use crate::harness::{DockerUser, Dockerd, Program, tar};
use std::path::Path;

/// The whole script, with a client of one age.
pub(super) fn script(side: &mut Side, engine: &Dockerd, age: &str, docker: &'static Path) {
    let actors = Actors {
        owner: side.docker_user(engine, docker, "owner"),
        // Who pulls knows nothing yet, and has no keys.
        host: side.docker_user(engine, docker, "host"),
        image: side.name(&format!("dct/docker-{age}")),
        age,
    };
    actors.first_pushes(side);
    actors.unsigned(side);
    actors.signers(side);
    actors.leaving(side);
}

struct Actors<'a> {
    owner: DockerUser<'a>,
    host: DockerUser<'a>,
    image: String,
    age: &'a str,
}

impl Actors<'_> {
    fn step(&self, what: &str) -> String {
        format!("docker {}: {what}", self.age)
    }

    fn at(&self, tag: &str) -> String {
        format!("{}:{tag}", self.image)
    }

    /// A docker command of somebody with content trust.
    fn trusted<const N: usize>(
        &self,
        side: &Side,
        who: &DockerUser<'_>,
        words: [&str; N],
    ) -> Program {
        side.trusted(who.docker(words))
    }

    /// Makes an image with a tag, at the engine only.
    fn make(&self, side: &Side, tag: &str) {
        let archive = side.home("archives").join(format!("{tag}.tar"));
        std::fs::write(&archive, tar(&[("srv/trust", tag.as_bytes())])).unwrap();
        let image = self.at(tag);
        self.owner
            .does(["import".as_ref(), archive.as_os_str(), image.as_ref()]);
    }

    /// Takes an image from the engine, so that it must be pulled.
    fn forget(&self, tag: &str) {
        self.owner
            .docker(["image", "rm", "--force", &self.at(tag)])
            .run();
    }

    fn pushes(&self, side: &mut Side, what: &str, tag: &str) {
        self.make(side, tag);
        let push = self.trusted(side, &self.owner, ["push", &self.at(tag)]);
        side.does(&self.step(what), push);
    }

    fn pulls(&self, side: &mut Side, what: &str, tag: &str) {
        self.forget(tag);
        let pull = self.trusted(side, &self.host, ["pull", &self.at(tag)]);
        side.does(&self.step(what), pull);
    }

    fn may_not_pull(&self, side: &mut Side, what: &str, tag: &str) {
        self.forget(tag);
        let pull = self.trusted(side, &self.host, ["pull", &self.at(tag)]);
        let texts = [
            "No valid trust data",
            "does not have trust data",
            "no trust data",
        ];
        side.is_refused(&self.step(what), pull, &texts);
    }

    fn inspect(&self, side: &mut Side, what: &str) {
        let inspect = self.trusted(side, &self.host, ["trust", "inspect", &self.image]);
        side.inspected(&self.step(what), inspect);
    }

    fn first_pushes(&self, side: &mut Side) {
        self.make(side, "0");
        self.owner.does(["push", &self.at("0")]);
        self.may_not_pull(side, "pull before there is trust", "0");
        self.pushes(side, "first trusted push", "1");
        self.pushes(side, "second trusted push", "2");
        self.pulls(side, "trusted pull with nothing known", "1");
        self.pulls(side, "trusted pull with a cache", "2");
        self.inspect(side, "inspect after two pushes");
    }

    fn unsigned(&self, side: &mut Side) {
        self.make(side, "unsigned");
        self.owner.does(["push", &self.at("unsigned")]);
        self.may_not_pull(side, "pull of an unsigned tag", "unsigned");
        // Its bytes are another tag's, which does not make them signed under this one.
        self.owner.does(["tag", &self.at("1"), &self.at("2")]);
        self.owner.does(["push", &self.at("2")]);
        self.pulls(
            side,
            "pull of a tag that was moved without a signature",
            "2",
        );
        let digest = ["image", "inspect", "--format", "{{.Id}}"];
        let first = self.owner.docker(digest).arg(self.at("1")).ok();
        let second = self.owner.docker(digest).arg(self.at("2")).ok();
        side.note(
            &self.step("what was pulled is what was signed"),
            match first == second {
                true => "the moved one",
                false => "the signed one",
            },
        );
    }

    fn signers(&self, side: &mut Side) {
        let keys = side.home("keys");
        for signer in ["alice", "bob"] {
            let generate = self.trusted(side, &self.owner, ["trust", "key", "generate", signer]);
            side.does(
                &self.step(&format!("key generate {signer}")),
                generate.dir(&keys),
            );
            let public = keys.join(format!("{signer}.pub"));
            let add = [
                "trust",
                "signer",
                "add",
                "--key",
                public.to_str().unwrap(),
                signer,
                &self.image,
            ];
            let add = self.trusted(side, &self.owner, add);
            side.does(&self.step(&format!("signer add {signer}")), add);
        }
        self.inspect(side, "inspect with two signers");
        self.make(side, "3");
        let sign = self.trusted(side, &self.owner, ["trust", "sign", &self.at("3")]);
        side.does(&self.step("sign as both"), sign);
        self.pulls(side, "pull of what was signed", "3");
        self.inspect(side, "inspect after signing");
    }

    fn leaving(&self, side: &mut Side) {
        let revoke = self.trusted(
            side,
            &self.owner,
            ["trust", "revoke", "--yes", &self.at("3")],
        );
        side.does(&self.step("revoke"), revoke);
        self.may_not_pull(side, "pull of what was revoked", "3");
        for signer in ["alice", "bob"] {
            let remove = ["trust", "signer", "remove", "--force", signer, &self.image];
            let remove = self.trusted(side, &self.owner, remove);
            side.does(&self.step(&format!("signer remove {signer}")), remove);
        }
        self.inspect(side, "inspect at the end");
        self.pulls(side, "pull of a tag of the owner", "1");
        let mut feed = side
            .ask(&format!("/v2/{}/_trust/changefeed?records=100", self.image))
            .json();
        let records = feed["records"].take();
        let versions: Vec<String> = records
            .as_array()
            .unwrap()
            .iter()
            .map(|record| {
                format!(
                    "{} {}",
                    record["Category"].as_str().unwrap(),
                    record["Version"]
                )
            })
            .collect();
        side.note(&self.step("change feed"), versions.join(", "));
    }
}
