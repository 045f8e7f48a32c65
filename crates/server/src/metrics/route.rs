//! Which kind of route a request is counted under: a closed set, told from its path alone, at the cost of a few comparisons.
//! Whether there is such a repository, or such a page, plays no part.

/// A kind of route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Manifest,
    Blob,
    Upload,
    Tags,
    Referrers,
    Catalog,
    Trust,
    Token,
    Api,
    Console,
    Other,
}

impl Route {
    pub(crate) const COUNT: usize = 11;

    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Manifest,
        Self::Blob,
        Self::Upload,
        Self::Tags,
        Self::Referrers,
        Self::Catalog,
        Self::Trust,
        Self::Token,
        Self::Api,
        Self::Console,
        Self::Other,
    ];

    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Upload => "upload",
            Self::Tags => "tags",
            Self::Referrers => "referrers",
            Self::Catalog => "catalog",
            Self::Trust => "trust",
            Self::Token => "token",
            Self::Api => "api",
            Self::Console => "console",
            Self::Other => "other",
        }
    }

    /// The kind of a path.
    pub(crate) fn of(path: &str) -> Self {
        match path.strip_prefix("/v2/") {
            Some(rest) => Self::of_distribution(rest),
            None if path == "/token" => Self::Token,
            None if path.starts_with("/api/") => Self::Api,
            None if path == "/" || path.starts_with("/console/") => Self::Console,
            None => Self::Other,
        }
    }

    /// From the right end, as the path is taken apart where it is answered.
    fn of_distribution(rest: &str) -> Self {
        if rest == "_catalog" {
            return Self::Catalog;
        }
        let Some((head, last)) = rest.rsplit_once('/') else {
            return Self::Other;
        };
        // A role may hold slashes too.
        if head.contains("/_trust/tuf") || head.ends_with("_trust") {
            Self::Trust
        } else if head.ends_with("/manifests") {
            Self::Manifest
        } else if head.ends_with("/blobs/uploads") || head.ends_with("/blobs") && last == "uploads"
        {
            Self::Upload
        } else if head.ends_with("/blobs") {
            Self::Blob
        } else if head.ends_with("/tags") && last == "list" {
            Self::Tags
        } else if head.ends_with("/referrers") {
            Self::Referrers
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_place_of_its_own() {
        for (index, route) in Route::ALL.iter().enumerate() {
            assert_eq!(route.index(), index);
        }
    }

    #[test]
    fn paths_have_kinds() {
        for (path, expected) in [
            ("/v2/shop/web/manifests/1.0", Route::Manifest),
            ("/v2/a/blobs/uploads/manifests/1.0", Route::Manifest),
            ("/v2/shop/web/blobs/sha256:ab", Route::Blob),
            ("/v2/shop/web/blobs/uploads/", Route::Upload),
            ("/v2/shop/web/blobs/uploads", Route::Upload),
            ("/v2/shop/web/blobs/uploads/0123", Route::Upload),
            ("/v2/shop/web/tags/list", Route::Tags),
            ("/v2/shop/web/referrers/sha256:ab", Route::Referrers),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/_trust/tuf/", Route::Trust),
            ("/v2/a:1/b/_trust/tuf/targets/alice.json", Route::Trust),
            ("/v2/a/_trust/changefeed", Route::Trust),
            ("/v2/_trust/changefeed", Route::Trust),
            ("/v2/a/manifests/_trust", Route::Manifest),
            ("/v2/", Route::Other),
            ("/v2", Route::Other),
            ("/token", Route::Token),
            ("/api/v1/users", Route::Api),
            ("/", Route::Console),
            ("/console/login", Route::Console),
            ("/healthz", Route::Other),
            ("/../etc/passwd", Route::Other),
        ] {
            assert_eq!(Route::of(path), expected, "{path}");
        }
    }
}
