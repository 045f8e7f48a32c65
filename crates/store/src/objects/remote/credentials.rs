//! Keys that may change while the server runs: a file that some other program renews, in the form of `~/.aws/credentials`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::place::{Credentials, Keys};
use crate::error::{Error, Result};

/// How long what was read is used.
const FRESH: Duration = Duration::from_secs(60);

/// What signs the requests. A file is read once here, so that one that cannot be used is noticed at the start.
pub(super) fn provider(credentials: &Credentials) -> Result<AwsCredentialProvider> {
    match credentials {
        Credentials::Keys(keys) => Ok(Arc::new(object_store::StaticCredentialProvider::new(
            signing(keys),
        ))),
        Credentials::File(path) => {
            let now = Arc::new(signing(&read(path)?));
            Ok(Arc::new(KeyFile {
                path: path.clone(),
                last: Mutex::new((Instant::now(), now)),
            }))
        }
    }
}

struct KeyFile {
    path: PathBuf,
    last: Mutex<(Instant, Arc<AwsCredential>)>,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for KeyFile {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        if last.0.elapsed() >= FRESH {
            // While the file is being replaced it may not be there: then what was read before is tried.
            if let Ok(keys) = read(&self.path) {
                last.1 = Arc::new(signing(&keys));
            }
            last.0 = Instant::now();
        }
        Ok(Arc::clone(&last.1))
    }
}

fn signing(keys: &Keys) -> AwsCredential {
    AwsCredential {
        key_id: keys.access_key_id.clone(),
        secret_key: keys.secret_access_key.expose_secret().to_owned(),
        token: keys
            .session_token
            .as_ref()
            .map(|token| token.expose_secret().to_owned()),
    }
}

fn read(path: &Path) -> Result<Keys> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    parse(&text).ok_or_else(|| Error::Invalid {
        what: "file of keys",
        value: path.display().to_string(),
        why: "it needs `aws_access_key_id = …` and `aws_secret_access_key = …`, in the section `[default]` or in none"
            .to_owned(),
    })
}

/// The keys of the section `default`, or of a file without sections.
fn parse(text: &str) -> Option<Keys> {
    let (mut id, mut secret, mut token) = (None, None, None);
    let mut is_ours = true;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            is_ours = section.trim_end_matches(']').trim() == "default";
        }
        let Some((name, value)) = line.split_once('=').filter(|_| is_ours) else {
            continue;
        };
        let value = value.trim();
        match name.trim() {
            "aws_access_key_id" => id = Some(value.to_owned()),
            "aws_secret_access_key" => secret = Some(SecretString::from(value)),
            "aws_session_token" => token = Some(SecretString::from(value)),
            _ => {}
        }
    }
    Some(Keys {
        access_key_id: id.filter(|id| !id.is_empty())?,
        secret_access_key: secret?,
        session_token: token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_default_is_read() {
        let text = "# keys\n[other]\naws_access_key_id = no\naws_secret_access_key = no\n\
                    [default]\naws_access_key_id=AK\n aws_secret_access_key = a=b \naws_session_token = t\n";
        let keys = parse(text).unwrap();
        assert_eq!(keys.access_key_id, "AK");
        assert_eq!(keys.secret_access_key.expose_secret(), "a=b");
        assert_eq!(keys.session_token.unwrap().expose_secret(), "t");
    }

    #[test]
    fn a_file_without_sections_will_do_and_half_a_pair_will_not() {
        assert!(parse("aws_access_key_id=AK\naws_secret_access_key=SK\n").is_some());
        assert!(parse("aws_access_key_id=AK\n").is_none());
        assert!(parse("aws_access_key_id=\naws_secret_access_key=SK\n").is_none());
        assert!(parse("[other]\naws_access_key_id=AK\naws_secret_access_key=SK\n").is_none());
        assert!(parse("").is_none());
    }
}
