//! One server as one caller sees it. The calls themselves are in `calls` (our API) and `distribution` (the registry's).

use std::sync::Arc;

use reqwest::{Method, RequestBuilder, Url};
use secrecy::ExposeSecret as _;

use crate::distribution::Tokens;
use crate::transport::Transport;
use crate::{ClientOptions, Credentials, Error};

/// A caller at a server. Cheap to clone; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) options: Arc<ClientOptions>,
    pub(crate) transport: Transport,
    pub(crate) tokens: Arc<Tokens>,
}

impl Client {
    /// Prepares to talk; nothing is sent yet. Refuses credentials that would travel in the clear.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        if options.credentials.is_some() && !options.may_carry_credentials(&options.base_url) {
            return Err(Error::Insecure {
                url: options.base_url().to_owned(),
            });
        }
        let transport = Transport::new(&options)?;
        Ok(Self {
            options: Arc::new(options),
            transport,
            tokens: Arc::default(),
        })
    }

    /// The server's address.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.options.base_url()
    }

    /// An address below the server's, one piece a segment; pieces are escaped where they must be.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.options.base_url.clone();
        // INVARIANT: options hold only http and https addresses, and these have segments.
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url
    }

    /// A request that carries the caller's own credentials; only for addresses of this server.
    pub(crate) fn as_caller(&self, method: Method, url: Url) -> RequestBuilder {
        debug_assert!(
            same_origin(&url, &self.options.base_url),
            "credentials are for this server only"
        );
        with_credentials(
            self.transport.request(method, url),
            self.options.credentials.as_ref(),
        )
    }
}

/// Adds credentials as they are: a name and password as Basic, a token as Bearer.
pub(crate) fn with_credentials(
    request: RequestBuilder,
    credentials: Option<&Credentials>,
) -> RequestBuilder {
    match credentials {
        None => request,
        Some(Credentials::Basic { user, password }) => {
            request.basic_auth(user, Some(password.expose_secret()))
        }
        Some(Credentials::Token(token)) => request.bearer_auth(token.expose_secret()),
    }
}

/// Whether two addresses have the same scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}
