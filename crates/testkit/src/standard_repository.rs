//! A repository as TUF 1.0 has it, with everybody around it, for stories about its readers. What its files say is plain JSON that a story
//! may change as it likes, and the signed text is written here a second time, so that the reader is not checked by its own writer.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a simulator: an honest step that fails is a failed test"
)]

mod reader;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use trust::tuf::{FileMeta, Key};
use trust::{Algorithm, PrivateKey, Signer};

pub use reader::Reader;

use crate::trust_repository::START;

/// When everything ends that is not told otherwise.
const END: &str = "2027-06-01T00:00:00Z";

/// A private key; whoever has it can sign.
pub type SigningKey = Arc<PrivateKey>;

/// A repository, what it serves, and the private keys of everybody.
#[derive(Debug, Clone)]
pub struct StandardRepository {
    /// The `signed` part of each role's newest file, by the role's name.
    pub roles: BTreeMap<String, Value>,
    /// Who signs each role now.
    pub keys: BTreeMap<String, Vec<SigningKey>>,
    /// What is served, by name: a mirror may replace and remove.
    pub served: BTreeMap<String, Vec<u8>>,
    /// True if lengths and hashes of metadata are listed beside versions.
    pub lists_hashes: bool,
}

impl StandardRepository {
    /// A repository with the first versions of the four roles, each with a key of its own, and nothing listed.
    ///
    /// # Panics
    /// Where an honest step fails; so do all others.
    #[must_use]
    pub fn new() -> Self {
        let role = |kind: &str| json!({"_type": kind, "spec_version": "1.0.34", "version": 1, "expires": END});
        let mut repository = Self {
            roles: BASE.map(|kind| (kind.to_owned(), role(kind))).into(),
            keys: BTreeMap::new(),
            served: BTreeMap::new(),
            lists_hashes: false,
        };
        let root = repository.role("root");
        root["consistent_snapshot"] = json!(true);
        root["keys"] = json!({});
        root["roles"] = json!({});
        for kind in BASE {
            repository.set_keys(kind, &[signing_key()], 1);
        }
        repository.role("targets")["targets"] = json!({});
        repository.role("snapshot")["meta"] = json!({});
        repository.role("timestamp")["meta"] = json!({});
        repository.publish(&BASE);
        repository
    }

    /// What a role says, to be changed.
    pub fn role(&mut self, role: &str) -> &mut Value {
        self.roles.get_mut(role).expect("a role")
    }

    /// The version of a role's newest file.
    #[must_use]
    pub fn version(&self, role: &str) -> i64 {
        self.roles[role]["version"].as_i64().expect("a version")
    }

    /// Names the keys of a base role in the root, or of a delegation in `targets`; they sign from now on.
    pub fn set_keys(&mut self, role: &str, keys: &[SigningKey], threshold: u32) {
        let ids: Vec<String> = keys.iter().map(key_id).collect();
        let listed = keys.iter().map(|key| (key_id(key), described(key)));
        let above = if BASE.contains(&role) {
            self.role("root")
        } else {
            &mut self.role("targets")["delegations"]
        };
        for (id, key) in listed {
            above["keys"][id] = key;
        }
        let signed_by = json!({"keyids": ids, "threshold": threshold});
        if BASE.contains(&role) {
            above["roles"][role] = signed_by;
        } else {
            let roles = above["roles"].as_array_mut().expect("roles");
            let delegated = roles.iter_mut().find(|one| one["name"] == role);
            let delegated = delegated.expect("a delegated role");
            for (name, value) in signed_by.as_object().expect("an object") {
                delegated[name] = value.clone();
            }
        }
        self.keys.insert(role.to_owned(), keys.to_vec());
    }

    /// `targets` delegates names that match to a new role with these keys, which says nothing yet.
    pub fn delegate(&mut self, role: &str, paths: &[&str], keys: &[SigningKey], threshold: u32) {
        let targets = self.role("targets");
        if targets["delegations"].is_null() {
            targets["delegations"] = json!({"keys": {}, "roles": []});
        }
        let delegated = json!({"name": role, "paths": paths, "terminating": false});
        let roles = targets["delegations"]["roles"].as_array_mut();
        roles.expect("roles").push(delegated);
        let mut said = self.roles["targets"].clone();
        said["version"] = json!(1);
        said["targets"] = json!({});
        said["delegations"] = Value::Null;
        self.roles.insert(role.to_owned(), said);
        self.set_keys(role, keys, threshold);
        self.publish(&[role]);
        self.renew(&["targets", "snapshot", "timestamp"]);
    }

    /// A role lists a target.
    pub fn add_target(&mut self, role: &str, name: &str, content: &[u8]) {
        self.role(role)["targets"][name] =
            json!({"length": content.len(), "hashes": {"sha256": sha256(content)}});
        self.renew(&[role, "snapshot", "timestamp"]);
    }

    /// The next version of each of these roles, signed and served.
    pub fn renew(&mut self, roles: &[&str]) {
        for role in roles {
            let next = self.version(role) + 1;
            self.role(role)["version"] = json!(next);
        }
        self.publish(roles);
    }

    /// The next root, which gives a base role other keys, signed by the keys of the old one too.
    pub fn rotate(&mut self, role: &str, keys: &[SigningKey], threshold: u32) {
        let old = self.keys["root"].clone();
        self.set_keys(role, keys, threshold);
        let new = self.keys["root"].clone();
        let mut signers = old;
        signers.extend(new.iter().cloned());
        signers.dedup_by_key(|key| key_id(key));
        self.keys.insert("root".into(), signers);
        self.renew(&["root"]);
        self.keys.insert("root".into(), new);
    }

    /// Signs what each of these roles says as it is, serves it, and lets the role above list it, unsigned yet.
    pub fn publish(&mut self, roles: &[&str]) {
        for role in roles {
            let bytes = self.sign(&self.roles[*role], &self.keys[*role]);
            self.serve(role, bytes);
        }
    }

    /// Serves a file of a role, whatever it is, and lets the role above list it.
    pub fn serve(&mut self, role: &str, bytes: Vec<u8>) {
        let mut listed = json!({"version": self.version(role)});
        if self.lists_hashes {
            listed["length"] = json!(bytes.len());
            listed["hashes"] = json!({"sha256": sha256(&bytes)});
        }
        let lists = |above: &mut Value| above["meta"][format!("{role}.json")] = listed;
        match role {
            "root" | "timestamp" => {}
            "snapshot" => lists(self.role("timestamp")),
            _ => lists(self.role("snapshot")),
        }
        let path = self.path(role);
        self.served.insert(path, bytes);
    }

    /// Under which name a role's newest file is served.
    #[must_use]
    pub fn path(&self, role: &str) -> String {
        match role {
            "timestamp" => "timestamp.json".into(),
            role => format!("{}.{role}.json", self.version(role)),
        }
    }

    /// A file of anything, signed with these keys.
    #[must_use]
    pub fn sign(&self, signed: &Value, keys: &[SigningKey]) -> Vec<u8> {
        let message = text::of(signed);
        let signatures = keys.iter().map(|key| {
            let signature = key.sign(message.as_bytes()).expect("a signature");
            json!({"keyid": key_id(key), "sig": text::hex(&signature)})
        });
        let signatures: Vec<Value> = signatures.collect();
        let file = json!({"signed": signed, "signatures": signatures});
        file.to_string().into_bytes()
    }

    /// The first root, by which readers begin.
    #[must_use]
    pub fn first_root(&self) -> Vec<u8> {
        self.served["1.root.json"].clone()
    }
}

impl Default for StandardRepository {
    fn default() -> Self {
        Self::new()
    }
}

/// A new key.
#[must_use]
pub fn signing_key() -> SigningKey {
    Arc::new(PrivateKey::generate(Algorithm::Ed25519).expect("a key"))
}

/// A key as files list it.
#[must_use]
pub fn described(key: &SigningKey) -> Value {
    let public = text::hex(Key::from(key.public_key()).public());
    json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}})
}

/// The hash of its description, by which files name a key.
#[must_use]
pub fn key_id(key: &SigningKey) -> String {
    sha256(text::of(&described(key)).as_bytes())
}

/// In lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let file = FileMeta::of(bytes);
    file.sha256_hex().expect("a hash")
}

const BASE: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

/// When every story begins, well before everything in it ends.
pub const NOW: i64 = START;
