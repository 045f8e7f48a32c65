//! What two manifests under one tag hold together. Tools that attach evidence by a tag read what is there, append, and write it back, so that
//! of two at once the second takes away what the first added (cosign SIGNATURE_SPEC, "Storage"; distribution-spec, "Pushing Manifests with
//! Subject", the fallback tag). Whoever keeps the tags can append instead. Which tags these are is not known here.

use std::collections::BTreeSet;

use super::Manifest;
use crate::Descriptor;

/// What a manifest and an older one hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Union {
    /// No more than the newer one.
    Newer,
    /// No more than the older one.
    Older,
    /// More than either: a manifest of both.
    Both(Box<Manifest>),
}

impl Manifest {
    /// This manifest and an older one together: what the older one lists first, each descriptor once; all else as this one has it. Two
    /// descriptors are the same if every field is: signatures of one payload differ in an annotation only. What the older one alone lists is
    /// kept where `is_kept` says so. `None` where one is an image and the other an index.
    pub fn union(&self, older: &Self, is_kept: impl Fn(&Descriptor) -> bool) -> Option<Union> {
        let mut both = self.clone();
        let (older, newer) = match (older, &mut both) {
            (Self::Image(older), Self::Image(both)) => (&older.layers, &mut both.layers),
            (Self::Index(older), Self::Index(both)) => (&older.manifests, &mut both.manifests),
            _ => return None,
        };
        let has: BTreeSet<String> = newer.iter().map(key).collect();
        let had: BTreeSet<String> = older.iter().map(key).collect();
        let kept: Vec<&Descriptor> = older
            .iter()
            .filter(|descriptor| has.contains(&key(descriptor)) || is_kept(descriptor))
            .collect();
        if kept.iter().all(|descriptor| has.contains(&key(descriptor))) {
            return Some(Union::Newer);
        }
        if kept.len() == older.len() && has.is_subset(&had) {
            return Some(Union::Older);
        }
        let mut seen = BTreeSet::new();
        *newer = kept
            .into_iter()
            .chain(newer.iter())
            .filter(|descriptor| seen.insert(key(descriptor)))
            .cloned()
            .collect();
        Some(Union::Both(Box::new(both)))
    }
}

/// A descriptor as text: its fields have one order, and so have its annotations.
fn key(descriptor: &Descriptor) -> String {
    serde_json::to_string(descriptor).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageManifest, IndexManifest, media};

    fn layer(signature: &str) -> Descriptor {
        let mut layer = Descriptor::of(media::COSIGN_SIMPLE_SIGNING, b"one payload");
        layer.annotations.insert(
            "dev.cosignproject.cosign/signature".into(),
            signature.into(),
        );
        layer
    }

    fn signatures(names: &str, config: &str) -> Manifest {
        let config = Descriptor::of(media::OCI_CONFIG, config.as_bytes());
        let layers = names.chars().map(|name| layer(&name.to_string()));
        Manifest::Image(ImageManifest::new(config, layers.collect()))
    }

    #[test]
    fn what_either_holds_is_there_once_and_in_order() {
        let both = |names| Union::Both(Box::new(signatures(names, "new")));
        for (older, newer, expect) in [
            ("a", "ab", Union::Newer),
            ("ab", "ba", Union::Newer),
            ("", "a", Union::Newer),
            ("ab", "a", Union::Older),
            ("ab", "b", Union::Older),
            ("ab", "ac", both("abc")),
            ("ab", "c", both("abc")),
            ("abc", "adc", both("abcd")),
        ] {
            let found = signatures(newer, "new").union(&signatures(older, "old"), |_| true);
            assert_eq!(found, Some(expect), "{older} then {newer}");
        }
    }

    #[test]
    fn what_is_gone_does_not_come_back() {
        let index = |names: &str| {
            let listed = names
                .chars()
                .map(|name| Descriptor::of(media::OCI_MANIFEST, name.to_string().as_bytes()));
            Manifest::Index(IndexManifest::new(listed.collect()))
        };
        let gone = Descriptor::of(media::OCI_MANIFEST, b"b").digest;
        for (older, newer, expect) in [
            ("ab", "a", Union::Newer),
            ("abc", "a", Union::Both(Box::new(index("ac")))),
            ("abc", "ad", Union::Both(Box::new(index("acd")))),
            ("ab", "ab", Union::Newer),
        ] {
            let found = index(newer).union(&index(older), |one| one.digest != gone);
            assert_eq!(found, Some(expect), "{older} then {newer}");
        }
        assert_eq!(index("a").union(&signatures("a", "x"), |_| true), None);
    }
}
