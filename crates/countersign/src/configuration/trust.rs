//! By which names clients know this server, in the names of trust repositories: those that are given for it, and those that the
//! configuration gives for other reasons.

use serde::Deserialize;
use server::Hosts;
use std::collections::BTreeSet;

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
}

/// The table `[trust]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TrustTable {
    hosts: Option<BTreeSet<String>>,
}

impl TrustFlags {
    /// All names: the flag's or else the file's, those of the certificate, and the one of the public URL.
    pub(crate) fn hosts(
        &self,
        table: Option<&TrustTable>,
        of_certificate: &BTreeSet<String>,
        public_url: Option<&str>,
    ) -> Hosts {
        let of_file = table.and_then(|table| table.hosts.clone());
        let named = match self.trust_hosts.is_empty() {
            true => of_file.unwrap_or_default(),
            false => self.trust_hosts.iter().cloned().collect(),
        };
        let public = public_url.and_then(host_of).map(str::to_owned);
        Hosts::new(
            named
                .into_iter()
                .chain(of_certificate.iter().cloned())
                .chain(public),
        )
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
        };
        let table: TrustTable = toml::from_str(table).unwrap();
        let of_certificate = BTreeSet::from(["certified.example".to_owned()]);
        let url = Some("https://public.example:8443/");
        let hosts = flags.hosts(Some(&table), &of_certificate, url);
        hosts.without_host(&format!("{name}/web"), None).is_some()
    }

    #[test]
    fn names_come_from_all_over() {
        let table = "hosts = [\"file.example\"]";
        for (flags, table, name, expected) in [
            (&[][..], table, "file.example:5000", true),
            (&["flag.example"], table, "flag.example", true),
            (&["flag.example"], table, "file.example", false),
            (&[], "", "certified.example:5000", true),
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
}
