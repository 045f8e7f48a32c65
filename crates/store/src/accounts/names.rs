//! What people, robots and teams may be called: names that look the same are the same, and none means everybody.

use crate::error::{Error, Result};

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Words that mean something else wherever a name can be written.
const RESERVED: &[&str] = &["anonymous", "author", "everyone", "system"];

/// Checks a name: lower-case letters and digits, with `.`, `_`, `-`, `@` and `+` after the first.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<()> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let invalid = |why: &str| Error::Invalid {
        what,
        value: name.chars().take(NAME_BYTES_MAX).collect(),
        why: why.to_owned(),
    };
    if name.len() > NAME_BYTES_MAX {
        return Err(invalid("use at most 64 characters"));
    }
    if RESERVED.contains(&name) {
        return Err(invalid("the word has a meaning of its own: choose another"));
    }
    if !name.bytes().next().is_some_and(is_word)
        || !name
            .bytes()
            .all(|byte| is_word(byte) || b"._-@+".contains(&byte))
    {
        return Err(invalid(
            "use lower-case letters and digits, and after the first also `.`, `_`, `-`, `@` and `+`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_lower_case_words() {
        for name in ["maria", "ci-shop", "m.rossi@example.org", "7"] {
            assert!(check_name("person", name).is_ok(), "{name}");
        }
        for name in [
            "",
            "Maria",
            "-x",
            "a b",
            "a/b",
            "a:b",
            "maría",
            "everyone",
            "anonymous",
            &"a".repeat(65),
        ] {
            assert!(check_name("person", name).is_err(), "{name}");
        }
    }
}
