//! Tests of `config`.

use super::{CONFIG_BYTES_MAX, ConfigError, History, ImageConfig};
use crate::{Digest, DocumentError};

fn step(created_by: &str) -> History {
    History {
        created_by: Some(created_by.to_owned()),
        ..History::default()
    }
}

#[test]
fn reads_what_docker_writes() {
    let text = format!(
        r#"{{"architecture":"amd64","config":{{"User":"app","Env":["PATH=/bin"],"Cmd":["sh"],"Entrypoint":null,"Labels":{{"a":"b"}},"OnBuild":null}},
            "container_config":{{"Hostname":"x"}},"created":"2026-01-01T00:00:00Z","docker_version":"20.10","os":"linux",
            "history":[{{"created":"2026-01-01T00:00:00Z","created_by":"/bin/sh -c #(nop) ADD file:abc in / "}},
                       {{"created_by":"/bin/sh -c #(nop)  CMD [\"sh\"]","empty_layer":true}}],
            "rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Digest::sha256(b"layer")
    );
    let config = ImageConfig::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (
            config.os.as_str(),
            config.architecture.as_str(),
            config.variant.as_deref()
        ),
        ("linux", "amd64", None)
    );
    assert_eq!(config.rootfs.diff_ids, [Digest::sha256(b"layer")]);
    assert_eq!(
        config.instructions(1),
        [Some("ADD file:abc in /".to_owned())]
    );
    let run = config.config.clone().unwrap();
    assert_eq!(
        (
            run.user.as_deref(),
            run.labels["a"].as_str(),
            run.cmd[0].as_str()
        ),
        (Some("app"), "b", "sh")
    );
    let again = ImageConfig::parse(&serde_json::to_vec(&config).unwrap()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn reads_what_go_prints_for_nothing() {
    let text = br#"{"architecture":"","os":"","config":null,"history":null,"rootfs":{"type":"layers","diff_ids":null}}"#;
    let config = ImageConfig::parse(text).unwrap();
    assert!(
        config.history.is_empty() && config.rootfs.diff_ids.is_empty() && config.config.is_none()
    );
}

#[test]
fn instructions_are_aligned_or_absent() {
    let empty = |text| History {
        empty_layer: true,
        ..step(text)
    };
    let mut config = ImageConfig::parse(br#"{"rootfs":{"diff_ids":[]}}"#).unwrap();
    config.history = vec![
        step("ADD x"),
        empty("ENV a=b"),
        step("RUN y"),
        History::default(),
    ];
    let expect = [Some("ADD x".to_owned()), Some("RUN y".to_owned()), None];
    assert_eq!(config.instructions(3), expect);
    assert_eq!(config.instructions(2), [None, None]);
    assert_eq!(config.instructions(4), [None, None, None, None]);
    config.history.clear();
    assert_eq!(config.instructions(1), [None]);
}

#[test]
fn instructions_read_like_a_dockerfile() {
    for (recorded, expect) in [
        ("/bin/sh -c #(nop) COPY file:1 in /x ", "COPY file:1 in /x"),
        (
            "/bin/sh -c pip install django==3.2.0",
            "RUN pip install django==3.2.0",
        ),
        (
            "RUN /bin/sh -c apt-get update # buildkit",
            "RUN apt-get update",
        ),
        ("RUN |1 V=2 /bin/sh -c make # buildkit", "RUN make"),
        ("|1 V=2 /bin/sh -c make", "RUN make"),
        ("COPY a b # buildkit", "COPY a b"),
        ("RUN apk add x", "RUN apk add x"),
        ("bazel build ...", "bazel build ..."),
        ("RUN |1 strange", "RUN |1 strange"),
    ] {
        assert_eq!(
            step(recorded).instruction().as_deref(),
            Some(expect),
            "{recorded}"
        );
    }
    assert_eq!(step("  ").instruction(), None);
    let long = step(&format!("RUN {}", "ü".repeat(5_000)))
        .instruction()
        .unwrap();
    assert_eq!(long.chars().count(), 1_001);
}

#[test]
fn refuses_hostile_configurations() {
    let many = format!(
        r#"{{"rootfs":{{"diff_ids":[]}},"history":[{}]}}"#,
        vec!["{}"; 10_001].join(",")
    );
    assert!(matches!(
        ImageConfig::parse(many.as_bytes()),
        Err(ConfigError::TooMany { count: 10_001, .. })
    ));
    let large = vec![b' '; CONFIG_BYTES_MAX + 1];
    assert!(matches!(
        ImageConfig::parse(&large),
        Err(ConfigError::TooLarge { .. })
    ));
    for (text, expect) in [
        (
            r#"{"rootfs":{},"rootfs":{}}"#,
            "the key `rootfs` occurs twice",
        ),
        (
            r#"{"rootfs":{"diff_ids":[],"diff_IDs":[]}}"#,
            "write `diff_ids`",
        ),
        (r#"{"os":"linux"}"#, "missing field `rootfs`"),
        (
            r#"{"rootfs":{"diff_ids":["sha256:00"]}}"#,
            "not a sha256 digest",
        ),
        ("[]", "not a valid document"),
        ("", "not a valid document"),
    ] {
        let error = ImageConfig::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(
            error,
            ConfigError::Document(
                DocumentError::Json(_)
                    | DocumentError::DuplicateKey(_)
                    | DocumentError::KeyCase { .. }
            )
        ));
        assert!(error.to_string().contains(expect), "{text}: {error}");
    }
}
