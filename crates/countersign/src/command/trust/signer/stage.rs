//! Signers below a stage, `targets/STAGE/NAME`: what they sign counts for that stage, so that somebody can sign for several. The delegation
//! `targets/STAGE` is made for them with the owner's own keys, lists nothing, and goes with the last of them.

use anyhow::{Context, Result, bail};
use client::api::policies::PolicySummary;
use trust::tuf::client::Believed;
use trust::tuf::{Content, DelegatedRole, Key, RoleName, Root, Targets, author};

/// The highest version that is gone on from where nobody signed for it: enough for a file each second for decades.
const UNSIGNED_VERSION_MAX: i64 = 1 << 31;

/// The next files of `targets` and of a stage.
pub(super) type Next = Vec<(RoleName, Targets)>;

/// What is published, as far as it says who signs.
pub(super) struct Published<'a> {
    root: &'a Root,
    targets: &'a Targets,
    files: Vec<(&'a RoleName, &'a Targets)>,
    /// Milliseconds since the epoch.
    now: i64,
}

/// The delegation of a signer below a stage.
pub(super) fn role(stage: &str, name: &str) -> Result<RoleName> {
    let group = super::role(stage).with_context(|| {
        format!("no signers can stand below the stage `{stage}`: docker's names of delegations do not have its letters")
    })?;
    let role = RoleName::parse(&format!("{group}/{name}")).ok();
    let role = role.filter(|role| role.depth() == group.depth().saturating_add(1));
    role.with_context(|| {
        format!("`{name}` is no signer's name: use lower-case letters, digits, `-` and `_`")
    })
}

/// Refuses a stage that no policy of the repository has, where the caller may see policies; otherwise the server does.
pub(super) fn require(stage: &str, covering: Option<&[PolicySummary]>) -> Result<()> {
    let Some(covering) = covering else {
        return Ok(());
    };
    let mut stages: Vec<&str> = covering
        .iter()
        .flat_map(|policy| policy.stages.iter().map(String::as_str))
        .collect();
    stages.sort_unstable();
    stages.dedup();
    match stages.contains(&stage) {
        true => Ok(()),
        false => bail!(
            "no policy of this repository has the stage `{stage}`; there are: {}",
            stages.join(", ")
        ),
    }
}

impl<'a> Published<'a> {
    pub(super) fn of(believed: &'a Believed, now: i64) -> Result<Self> {
        let files = believed.roles().iter();
        Ok(Self {
            root: super::repository::root(believed),
            targets: super::repository::targets(believed)?,
            files: files.map(|file| (file.name(), file.targets())).collect(),
            now,
        })
    }

    /// The role above the signer's, where `targets` delegates to it.
    fn group(&self, role: &RoleName) -> Result<(RoleName, Option<&'a DelegatedRole>)> {
        let group = role
            .parent()
            .context("the role of a signer has one above")?;
        let delegated = self.targets.delegations.role(&group);
        if delegated.is_some_and(|delegated| !self.is_owners(delegated)) {
            let name = group.as_str().trim_start_matches("targets/").to_owned();
            bail!(
                "`{group}` is the delegation of the signer `{name}`, and only who has its key can change who signs below it; to keep it for the \
                 stage, take the signer out first: `countersign trust signer remove {name}`"
            );
        }
        Ok((group, delegated))
    }

    /// Whether the keys of `targets` sign for a delegation too.
    fn is_owners(&self, delegated: &DelegatedRole) -> bool {
        let owners: Vec<&Key> = self.root.keys_of(&RoleName::Targets).collect();
        let mut keys = delegated.keys.keyids.iter();
        keys.all(|id| owners.iter().any(|key| key.id() == id))
    }

    fn file(&self, role: &RoleName) -> Option<&'a Targets> {
        let mut files = self.files.iter();
        files.find(|(name, _)| *name == role).map(|(_, file)| *file)
    }

    /// Whether there is such a signer already.
    pub(super) fn has_signer(&self, role: &RoleName) -> bool {
        let group = role.parent().and_then(|group| self.file(&group));
        group.is_some_and(|group| group.delegations.role(role).is_some())
    }

    /// Whether the delegation of the stage has to be made first.
    pub(super) fn is_new_group(&self, role: &RoleName) -> bool {
        let group = role.parent();
        group.is_some_and(|group| self.targets.delegations.role(&group).is_none())
    }

    /// The next files with one signer more. `latest` is the version of the stage's file that was last published, 0 if none was: it may have
    /// gone with its last signer.
    pub(super) fn with_signer(&self, role: &RoleName, key: &Key, latest: i64) -> Result<Next> {
        let (group, delegated) = self.group(role)?;
        let mut next = Next::new();
        if delegated.is_none() {
            let owners: Vec<Key> = self.root.keys_of(&RoleName::Targets).cloned().collect();
            let threshold = self.root.role(&RoleName::Targets);
            let threshold = threshold.map_or(1, |keys| keys.threshold);
            let mut targets = author::next(&RoleName::Targets, self.targets.clone(), self.now);
            let delegations = &mut targets.delegations;
            delegations.set_role(group.clone(), &owners, threshold, &[""]);
            next.push((RoleName::Targets, targets));
        }
        let mut below = match self.file(&group) {
            Some(file) => author::next(&group, file.clone(), self.now),
            None => {
                let mut first = author::first_targets(self.now);
                first.renew(latest.saturating_add(1), author::end(&group, self.now));
                first
            }
        };
        author::delegate(&mut below, role, key);
        next.push((group, below));
        Ok(next)
    }

    /// Who signs below a delegation: they go with it.
    pub(super) fn below(&self, role: &RoleName) -> Vec<String> {
        let roles = self.file(role).map(|file| file.delegations.roles.iter());
        let name = |role: &DelegatedRole| {
            let name = role.name.as_str();
            name.rsplit('/').next().unwrap_or(name).to_owned()
        };
        roles.into_iter().flatten().map(name).collect()
    }

    /// The version of a stage's file that the server still has. What the owner's keys did not sign, as after a rotation, only says which
    /// number comes next: a server that makes one up must not bring the owner to sign the last there is.
    pub(super) fn version_of(&self, role: &RoleName, bytes: &[u8]) -> Result<i64> {
        let (group, _) = self.group(role)?;
        if let Some(version) = author::version_of_own(&group, bytes.to_vec(), self.root) {
            return Ok(version);
        }
        let file: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
        let version = file.and_then(|file| file.get("signed")?.get("version")?.as_i64());
        let version = version.unwrap_or(0).max(0);
        if version > UNSIGNED_VERSION_MAX {
            bail!(
                "the server has a file of `{group}` with the version {version}, which the keys of targets did not sign: limit exceeded"
            );
        }
        Ok(version)
    }

    /// The next files with one signer less; none if there is no such signer.
    pub(super) fn without_signer(&self, role: &RoleName) -> Result<Option<Next>> {
        if !self.has_signer(role) {
            return Ok(None);
        }
        let (group, _) = self.group(role)?;
        let Some(file) = self.file(&group) else {
            return Ok(None);
        };
        let mut below = author::next(&group, file.clone(), self.now);
        below.delegations.remove_role(role);
        if !below.delegations.roles.is_empty() {
            return Ok(Some(vec![(group, below)]));
        }
        // A delegation with the owner's keys and nobody below would be one of a signer whose key is not registered.
        let mut targets = author::next(&RoleName::Targets, self.targets.clone(), self.now);
        targets.delegations.remove_role(&group);
        Ok(Some(vec![(RoleName::Targets, targets)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::trust_repository::TrustRepository;
    use trust::Algorithm;

    fn published<'a>(
        root: &'a Root,
        targets: &'a Targets,
        files: &'a [(RoleName, Targets)],
        now: i64,
    ) -> Published<'a> {
        let files = files.iter().map(|(name, file)| (name, file));
        Published {
            root,
            targets,
            files: files.collect(),
            now,
        }
    }

    #[test]
    fn a_role_stands_right_below_its_stage() {
        let staging = role("staging", "alice").unwrap();
        assert_eq!(staging.as_str(), "targets/staging/alice");
        for (stage, name) in [
            ("releases", "alice"),
            ("Staging", "alice"),
            ("a/b", "alice"),
            ("staging", "a/b"),
            ("staging", ""),
            ("", "alice"),
        ] {
            assert!(role(stage, name).is_err(), "{stage} {name}");
        }
    }

    #[test]
    fn signers_of_a_stage_come_and_go_and_the_stage_with_them() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let [alice, bob] = [(); 2].map(|()| repository.new_key(Algorithm::EcdsaP256));
        let now = repository.now;
        let owner = repository.keys_of("targets");
        let group: RoleName = "targets/staging".parse().unwrap();
        let step = |repository: &mut TrustRepository,
                    change: &dyn Fn(&Published<'_>) -> Option<Next>| {
            let (root, targets) = (repository.root(), repository.targets("targets"));
            let is_there = targets.delegations.role(&group).is_some();
            let files: Vec<(RoleName, Targets)> = is_there
                .then(|| (group.clone(), repository.targets("targets/staging")))
                .into_iter()
                .collect();
            let next = change(&published(&root, &targets, &files, now))?;
            let names: Vec<String> = next.iter().map(|(role, _)| role.to_string()).collect();
            let files = next.iter();
            let files = files.map(|(role, file)| (role.clone(), repository.sign(file, &owner)));
            let update = files.collect();
            repository.post(update).unwrap();
            Some(names)
        };
        let [first, second] = ["alice", "bob"].map(|name| role("staging", name).unwrap());
        let add = |role: &RoleName, key: &Key, latest: i64| {
            let (role, key) = (role.clone(), key.clone());
            move |published: &Published<'_>| {
                assert!(!published.has_signer(&role));
                Some(published.with_signer(&role, &key, latest).unwrap())
            }
        };
        let both = step(&mut repository, &add(&first, &alice, 0)).unwrap();
        assert_eq!(both, ["targets", "targets/staging"]);
        assert_eq!(repository.keys_of("targets/staging"), owner);
        let keys = repository.keys_of("targets/staging/alice");
        assert_eq!(keys, std::slice::from_ref(&alice));
        let one = step(&mut repository, &add(&second, &bob, 0)).unwrap();
        assert_eq!(one, ["targets/staging"], "the owner's targets stay");
        let remove = |role: &RoleName| {
            let role = role.clone();
            move |published: &Published<'_>| published.without_signer(&role).unwrap()
        };
        assert_eq!(
            step(&mut repository, &remove(&first)).unwrap(),
            ["targets/staging"]
        );
        assert!(step(&mut repository, &remove(&first)).is_none());
        assert_eq!(
            step(&mut repository, &remove(&second)).unwrap(),
            ["targets"]
        );
        assert!(repository.targets("targets").delegations.roles.is_empty());
        // What was published before is passed over, also where its file was no more believed in.
        let latest = repository.targets("targets/staging").version;
        step(&mut repository, &add(&first, &alice, latest)).unwrap();
        assert_eq!(repository.targets("targets/staging").version, latest + 1);
        assert_eq!(repository.keys_of("targets/staging/alice"), [alice]);
    }

    #[test]
    fn the_delegation_of_a_signer_is_not_taken_for_a_stage() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let [ci, alice] = [(); 2].map(|()| repository.new_key(Algorithm::EcdsaP256));
        repository.delegate("targets/ci", &[ci], 1);
        let (root, targets) = (repository.root(), repository.targets("targets"));
        let published = published(&root, &targets, &[], repository.now);
        let role = role("ci", "alice").unwrap();
        let refused = published.with_signer(&role, &alice, 0).unwrap_err();
        assert!(
            refused.to_string().contains("signer remove ci"),
            "{refused}"
        );
        assert!(published.without_signer(&role).unwrap().is_none());
    }

    #[test]
    fn only_the_policies_stages_are_taken() {
        let policy = |name: &str, stages: &[&str]| PolicySummary {
            name: name.to_owned(),
            revision: 1,
            digest: String::new(),
            repositories: vec!["shop/**".to_owned()],
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            gates: Vec::new(),
            applied_at: 0,
            applied_by: None,
        };
        let covering = [
            policy("a", &["ci", "staging"]),
            policy("b", &["staging", "legal"]),
        ];
        assert!(require("staging", Some(&covering)).is_ok());
        assert!(require("legal", None).is_ok(), "the server knows");
        let refused = require("stagin", Some(&covering)).unwrap_err().to_string();
        assert!(refused.contains("ci, legal, staging"), "{refused}");
    }

    #[test]
    fn attack_a_version_that_nobody_signed_is_not_the_last() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let stranger = repository.new_key(Algorithm::EcdsaP256);
        let owner = repository.keys_of("targets");
        let (root, targets) = (repository.root(), repository.targets("targets"));
        let published = published(&root, &targets, &[], repository.now);
        let role = role("staging", "alice").unwrap();
        let version_of = |bytes: &[u8]| published.version_of(&role, bytes).ok();
        let file = |version: i64, keys: &[Key]| {
            let mut file = author::first_targets(repository.now);
            file.renew(version, author::end(&RoleName::Targets, repository.now));
            repository.sign(&file, keys)
        };
        let (last, more) = (UNSIGNED_VERSION_MAX, UNSIGNED_VERSION_MAX + 1);
        for (version, own, strangers) in [
            (7, Some(7), Some(7)),
            (last, Some(last), Some(last)),
            (more, Some(more), None),
        ] {
            assert_eq!(version_of(&file(version, &owner)), own, "{version}");
            let strange = file(version, std::slice::from_ref(&stranger));
            assert_eq!(version_of(&strange), strangers, "{version}");
        }
        let highest = format!(r#"{{"signed": {{"version": {}}}}}"#, i64::MAX);
        assert_eq!(version_of(highest.as_bytes()), None);
        for nothing in [&b"{"[..], b"[]", br#"{"signed": {"version": -1}}"#] {
            assert_eq!(version_of(nothing), Some(0));
        }
    }

    #[test]
    fn who_signs_below_a_stage_is_named() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let [alice, bob] = [(); 2].map(|()| repository.new_key(Algorithm::EcdsaP256));
        let (root, targets) = (repository.root(), repository.targets("targets"));
        let mut staging = author::first_targets(repository.now);
        for (name, key) in [("alice", &alice), ("bob", &bob)] {
            author::delegate(&mut staging, &role("staging", name).unwrap(), key);
        }
        let group: RoleName = "targets/staging".parse().unwrap();
        let files = [(group, staging)];
        let published = published(&root, &targets, &files, repository.now);
        let below = |name: &str| published.below(&super::super::role(name).unwrap());
        assert_eq!(below("staging"), ["alice", "bob"]);
        assert!(below("alice").is_empty());
    }
}
