//! By which names clients know this server, in the names of trust repositories: those that are given for it, and those that the
//! configuration gives for other reasons.

use super::anchors::{AnchorFlags, Need};
use super::given;
use anyhow::{Result, bail};
use serde::Deserialize;
use server::Hosts;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Flags of `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TrustFlags {
    /// A name or address that images have before their repository when they come from here, beside those of `--host` and `--public-url`;
    /// with a port, or for every port; may be repeated.
    #[arg(
        long = "trust-host",
        env = "COUNTERSIGN_TRUST_HOSTS",
        value_name = "NAME",
        value_delimiter = ','
    )]
    trust_hosts: Vec<String>,
    #[command(flatten)]
    pub(crate) anchors: AnchorFlags,
}

/// The table `[trust]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TrustTable {
    hosts: Option<Vec<String>>,
    sigstore_root: Option<PathBuf>,
    sigstore_needs: Option<Vec<Need>>,
    notation_crls: Option<Vec<PathBuf>>,
}

impl TrustTable {
    /// By whose word certificates are judged.
    pub(crate) fn anchors(&self) -> AnchorFlags {
        AnchorFlags {
            sigstore_root: self.sigstore_root.clone(),
            sigstore_needs: self.sigstore_needs.clone(),
            notation_crls: self.notation_crls.clone().unwrap_or_default(),
        }
    }
}

impl TrustFlags {
    /// All names: the flag's or else the file's, those of the certificate, and the one of the public URL.
    ///
    /// # Errors
    /// One that was given for this is no name of a host.
    pub(crate) fn hosts(
        &self,
        table: Option<&TrustTable>,
        of_certificate: &BTreeSet<String>,
        public_url: Option<&str>,
    ) -> Result<Hosts> {
        let of_file = table.and_then(|table| table.hosts.as_deref());
        let named = given(&self.trust_hosts, of_file).iter();
        let named: BTreeSet<String> = named.map(|name| name.trim().to_owned()).collect();
        if let Some(wrong) = named.iter().find(|name| !Hosts::is_name(name)) {
            bail!(
                "trust host `{wrong}` is no name of a host: give what stands before the repository in the names of images, \
                 as `registry.example` or `registry.example:5000`"
            );
        }
        let public = public_url.and_then(host_of).map(str::to_owned);
        Ok(Hosts::new(
            named
                .into_iter()
                .chain(of_certificate.iter().cloned())
                .chain(public),
        ))
    }
}

/// The host of a URL, with its port if it has one.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(flags: &[&str], table: &str, name: &str) -> bool {
        let flags = TrustFlags {
            trust_hosts: flags.iter().map(|name| (*name).to_owned()).collect(),
            ..TrustFlags::default()
        };
        let table: TrustTable = toml::from_str(table).unwrap();
        let of_certificate = ["certified.example", "2001:db8::7", "odd name"];
        let of_certificate = BTreeSet::from(of_certificate.map(str::to_owned));
        let url = Some("https://public.example:8443/");
        let hosts = flags.hosts(Some(&table), &of_certificate, url).unwrap();
        hosts.without_host(&format!("{name}/web"), None).is_some()
    }

    #[test]
    fn names_come_from_all_over() {
        let table = "hosts = [\"file.example\"]";
        for (flags, table, name, expected) in [
            (&[][..], table, "file.example:5000", true),
            (&["flag.example"], table, "flag.example", true),
            (&["flag.example"], table, "file.example", false),
            (&[" padded.example"], "", "padded.example", true),
            (&[], "", "certified.example:5000", true),
            (&[], "", "[2001:db8::7]:5000", true),
            (&[], "", "public.example:8443", true),
            (&[], "", "public.example", false),
            (&[], "", "localhost", true),
            (&[], "", "docker.io", false),
        ] {
            assert_eq!(
                own(flags, table, name),
                expected,
                "{flags:?} {table} {name}"
            );
        }
        assert!(toml::from_str::<TrustTable>("host = []").is_err());
    }

    #[test]
    fn what_is_no_name_is_said() {
        for wrong in ["https://registry.example", "registry.example/", "a b"] {
            let trust_hosts = vec![wrong.to_owned()];
            let flags = TrustFlags {
                trust_hosts,
                ..TrustFlags::default()
            };
            let error = flags.hosts(None, &BTreeSet::new(), None).unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
            let table = TrustTable {
                hosts: Some(vec![wrong.to_owned()]),
                ..TrustTable::default()
            };
            let of_file = TrustFlags::default().hosts(Some(&table), &BTreeSet::new(), None);
            assert!(of_file.is_err(), "{wrong}");
        }
    }
}
