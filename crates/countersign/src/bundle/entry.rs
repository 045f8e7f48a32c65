//! What an entry of a server's audit log says of something that lies beside an image: that it was stored, or signed by the server. The
//! entry is the JSON array that the server seals (docs/audit.md, "As a transparency log").

use oci::{Digest, RepositoryName};
use serde_json::Value;

/// An act of the log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// In milliseconds since the epoch.
    pub(super) happened_at: i64,
    pub(super) act: String,
    pub(super) object: String,
    /// The particulars; none where only their hash is in the log.
    pub(super) detail: Option<Value>,
}

/// The act of a signed receipt.
pub(super) const RECEIPT_SIGN: &str = "receipt.sign";

impl Entry {
    /// Reads an entry's bytes, which have to be those of this place of the log.
    pub(super) fn parse(bytes: &[u8], index: u64) -> Option<Self> {
        let (place, _row, happened_at, _actor, act, object, detail): (
            u64,
            i64,
            i64,
            String,
            String,
            String,
            Value,
        ) = serde_json::from_slice(bytes).ok()?;
        let detail = match detail {
            Value::String(text) => Some(serde_json::from_str(&text).ok()?),
            Value::Object(_) => None,
            _ => return None,
        };
        (place == index).then_some(Self {
            happened_at,
            act,
            object,
            detail,
        })
    }

    /// The manifests of which it records that they came to lie in the repository.
    pub(super) fn records(&self, repository: &RepositoryName) -> Vec<&str> {
        let named = self
            .object
            .strip_prefix(repository.as_str())
            .and_then(|rest| rest.strip_prefix('@'));
        let Some(named) = named else {
            return Vec::new();
        };
        match self.act.as_str() {
            // The server may have put another manifest on a tag than the one that was pushed: one that holds what was there before as well.
            "evidence.attach" | "manifest.push" => {
                let tags = self.field("tags").and_then(Value::as_array);
                let tags = tags.into_iter().flatten();
                let to = tags.filter_map(|tag| tag.get("to").and_then(Value::as_str));
                std::iter::once(named).chain(to).collect()
            }
            // What the server signs itself is recorded at the image.
            RECEIPT_SIGN | "stage.record" => self.text("manifest").into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it says that the manifest is about something else than this.
    pub(super) fn is_about_another(&self, image: &Digest) -> bool {
        match self.act.as_str() {
            "evidence.attach" => {
                let evidence = self.field("evidence").and_then(Value::as_array);
                let named = evidence.into_iter().flatten();
                let mut named =
                    named.filter_map(|each| each.get("attached_to").and_then(Value::as_str));
                let Some(first) = named.next() else {
                    return false;
                };
                first != image.as_str() && !named.any(|other| other == image.as_str())
            }
            RECEIPT_SIGN | "stage.record" => !self.object.ends_with(&format!("@{image}")),
            _ => false,
        }
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.field(field).and_then(Value::as_str)
    }

    pub(super) fn number(&self, field: &str) -> Option<i64> {
        self.field(field).and_then(Value::as_i64)
    }

    fn field(&self, field: &str) -> Option<&Value> {
        self.detail.as_ref()?.get(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(act: &str, object: &str, detail: &Value) -> Entry {
        let bytes = json!([3, 5, 1_000, "principal:1", act, object, detail.to_string()]);
        Entry::parse(bytes.to_string().as_bytes(), 3).unwrap()
    }

    #[test]
    fn what_records_a_manifest_and_what_does_not() {
        let (signature, image) = (Digest::sha256(b"signature"), Digest::sha256(b"image"));
        let other = Digest::sha256(b"other");
        let (at_signature, at_image) =
            (format!("shop/web@{signature}"), format!("shop/web@{image}"));
        let appended = json!({"tags": [{"tag": "t", "from": null, "to": signature}]});
        let by = json!({"manifest": signature});
        let no = json!({});
        let repository: RepositoryName = "shop/web".parse().unwrap();
        for (act, object, detail, expect) in [
            ("evidence.attach", &at_signature, &no, true),
            ("manifest.push", &at_signature, &no, true),
            ("evidence.attach", &at_image, &appended, true),
            ("evidence.attach", &at_image, &no, false),
            ("evidence.delete", &at_signature, &no, false),
            ("receipt.sign", &at_image, &by, true),
            ("stage.record", &at_image, &by, true),
            ("receipt.withdraw", &at_image, &by, false),
            ("receipt.sign", &at_signature, &no, false),
            (
                "evidence.attach",
                &format!("shop/web2@{signature}"),
                &no,
                false,
            ),
            (
                "evidence.attach",
                &format!("x/shop/web@{signature}"),
                &no,
                false,
            ),
            ("receipt.sign", &format!("shop/api@{image}"), &by, false),
        ] {
            let entry = entry(act, object, detail);
            assert_eq!(
                entry.records(&repository).contains(&signature.as_str()),
                expect,
                "{entry:?}"
            );
            assert!(
                !entry.records(&repository).contains(&other.as_str()),
                "{entry:?}"
            );
        }
    }

    #[test]
    fn what_is_about_another_image() {
        let (image, other) = (Digest::sha256(b"image"), Digest::sha256(b"other"));
        let object = format!("shop/web@{}", Digest::sha256(b"signature"));
        let of = |attached: &[&Digest]| {
            let each = |to: &&Digest| json!({"attached_to": to, "format": "bundle"});
            let evidence: Vec<Value> = attached.iter().map(each).collect();
            entry("evidence.attach", &object, &json!({"evidence": evidence}))
        };
        assert!(!of(&[]).is_about_another(&image));
        assert!(!of(&[&image]).is_about_another(&image));
        assert!(!of(&[&other, &image]).is_about_another(&image));
        assert!(of(&[&other]).is_about_another(&image));
        let signed = |image: &Digest| entry(RECEIPT_SIGN, &format!("shop/web@{image}"), &json!({}));
        assert!(!signed(&image).is_about_another(&image));
        assert!(signed(&other).is_about_another(&image));
    }

    #[test]
    fn another_place_and_other_forms_are_no_entries() {
        let good = json!([3, 5, 1_000, "principal:1", "a", "o", "{}"]).to_string();
        assert!(Entry::parse(good.as_bytes(), 3).is_some());
        assert!(Entry::parse(good.as_bytes(), 4).is_none());
        let hashed = json!([3, 5, 1_000, "principal:1", "a", "o", {"sha256": "ab"}]).to_string();
        assert_eq!(Entry::parse(hashed.as_bytes(), 3).unwrap().detail, None);
        for bad in [
            json!([3, 5, 1_000, "principal:1", "a", "o", "{"]),
            json!([3, 5, 1_000, "principal:1", "a", "o", 7]),
            json!([3, 5, 1_000, "principal:1", "a", "o"]),
            json!({}),
        ] {
            assert!(
                Entry::parse(bad.to_string().as_bytes(), 3).is_none(),
                "{bad}"
            );
        }
    }
}
