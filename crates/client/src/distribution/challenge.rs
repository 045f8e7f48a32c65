//! Reads `WWW-Authenticate`: several challenges in one header, quoted values with commas and escapes, token68. Knows
//! no meaning of any of it. RFC 9110 11.6.1.

/// The longest header that is read; what is beyond is not looked at.
const BYTES_MAX: usize = 16 << 10;

/// One way to log in that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case.
    pub(super) scheme: String,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The first parameter of a name.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// All challenges of one header value. Stops at what it cannot read.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut cursor = Cursor {
        rest: header.get(..BYTES_MAX).unwrap_or(header),
    };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        cursor.skip(|c| c == ',' || c.is_ascii_whitespace());
        let word = cursor.token();
        if word.is_empty() {
            return challenges;
        }
        cursor.skip(|c| c.is_ascii_whitespace());
        if !cursor.eat('=') {
            challenges.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
            continue;
        }
        // What ends in `=` was a token68, of no use here.
        cursor.skip(|c| c.is_ascii_whitespace());
        if cursor.rest.is_empty() || cursor.rest.starts_with([',', '=']) {
            cursor.skip(|c| c == '=');
            continue;
        }
        let (Some(value), Some(last)) = (cursor.value(), challenges.last_mut()) else {
            return challenges;
        };
        last.parameters.push((word.to_ascii_lowercase(), value));
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(what);
    }

    fn eat(&mut self, c: char) -> bool {
        self.rest
            .strip_prefix(c)
            .map(|rest| self.rest = rest)
            .is_some()
    }

    /// The longest token here; RFC 9110 5.6.2, and `/` as token68 has it.
    fn token(&mut self) -> &'a str {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        token
    }

    /// A quoted string or a token; nothing when a quote does not end.
    fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            let token = self.token();
            return (!token.is_empty()).then(|| token.to_owned());
        }
        let mut value = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(header: &str, expected: &[(&str, &[(&str, &str)])]) {
        let expected: Vec<Challenge> = expected
            .iter()
            .map(|(scheme, parameters)| Challenge {
                scheme: (*scheme).into(),
                parameters: parameters
                    .iter()
                    .map(|(n, v)| ((*n).into(), (*v).into()))
                    .collect(),
            })
            .collect();
        assert_eq!(parse(header), expected, "{header}");
    }

    #[test]
    fn headers_of_real_registries_and_of_the_specification() {
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push""#,
            &[(
                "bearer",
                &[
                    ("realm", "https://auth.docker.io/token"),
                    ("service", "registry.docker.io"),
                    ("scope", "repository:samalba/my-app:pull,push"),
                ],
            )],
        );
        check(
            r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
            &[
                ("basic", &[("realm", "simple")]),
                (
                    "newauth",
                    &[
                        ("realm", "apps"),
                        ("type", "1"),
                        ("title", "Login to \"apps\""),
                    ],
                ),
            ],
        );
        let schemes: Vec<String> = parse("Negotiate YWJj/+==, Basic realm=x")
            .into_iter()
            .map(|c| c.scheme)
            .collect();
        assert_eq!(schemes, ["negotiate", "basic"]);
        check(
            "BEARER Realm = \"https://h/t\" , SERVICE=s",
            &[("bearer", &[("realm", "https://h/t"), ("service", "s")])],
        );
        check(", ,Basic", &[("basic", &[])]);
    }

    #[test]
    fn what_cannot_be_read_ends_it() {
        check(r#"Bearer realm="https://never-ends"#, &[("bearer", &[])]);
        check("realm=x", &[]);
        check("\"", &[]);
        check("Bearer realm=\"a\\", &[("bearer", &[])]);
        check("Bearer realm=é", &[("bearer", &[])]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn never_fails_and_never_grows(header in "\\PC{0,300}") {
            let length: usize = parse(&header).iter().flat_map(|c| &c.parameters).map(|(n, v)| n.len() + v.len()).sum();
            prop_assert!(length <= header.len());
        }

        #[test]
        fn quoted_values_come_back(value in "[ -~]{0,60}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let parsed = parse(&format!("Bearer realm=\"{quoted}\",service=s"));
            prop_assert_eq!(parsed[0].parameter("realm"), Some(value.as_str()));
            prop_assert_eq!(parsed[0].parameter("service"), Some("s"));
        }
    }
}
