//! The account: whoever edits the database by hand is found out by `countersign audit verify`, which names what was changed. Each
//! forgery is made with sqlite3 in a copy of the data folder of a server that has stopped.

use crate::harness::{ImageParts, Program, Shop, push_tagged, small_layer, within};
use oci::Digest;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A copy of a data folder, for one forgery.
struct Copy<'a> {
    shop: &'a Shop,
    data: PathBuf,
}

impl Copy<'_> {
    fn sql(&self, text: &str) -> String {
        let said = Program::new("sqlite3")
            .arg(self.data.join("countersign.db"))
            .arg(text)
            .ok();
        said.trim().to_owned()
    }

    /// Verification ends with 3, finds this kind of thing, and names it.
    fn is_found_out(&self, what: &str, kind: &str, named: &str, flags: &[&str]) {
        let verify = ["audit", "verify", "--data", self.data.to_str().unwrap()];
        let admin = self.shop.actor("admin");
        let done = admin.cli(verify).args(flags).run();
        assert_eq!(done.code, Some(3), "{what}: {}", done.all());
        assert!(
            done.out.contains(named),
            "{what}: `{named}` is not named: {}",
            done.all()
        );
        println!("audit: {what}: {}", done.out.lines().next().unwrap());
        let report = admin.cli(verify).args(flags).args(["-o", "json"]).run();
        let report: Value = serde_json::from_str(&report.out).unwrap();
        let kinds: Vec<&str> = report["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem["kind"].as_str().unwrap())
            .collect();
        assert!(kinds.contains(&kind), "{what}: no `{kind}` in {kinds:?}");
    }
}

fn copy<'a>(shop: &'a Shop, name: &str) -> Copy<'a> {
    let data = shop.folder().join(name);
    Program::new("cp")
        .arg("--archive")
        .arg(shop.server.data())
        .arg(&data)
        .ok();
    Copy { shop, data }
}

/// A shop in which something happened, all of it sealed, stopped.
fn stopped() -> Shop {
    let mut shop = Shop::open(&[]);
    let image = "shop/audited:1";
    let digest = push_tagged(
        shop.actor("dora"),
        &shop.server,
        image,
        &ImageParts::of([small_layer("audited")]).build(),
    );
    shop.wait_for_scan("shop/audited", digest.as_str());
    shop.sign("ci-shop", "ci-shop", "ci", image);
    shop.gate(image).is("deny");
    let report = within(20, "all is sealed", || {
        let report = verified(&shop, shop.server.data());
        (report["unsealed"] == 0).then_some(report)
    });
    shop.server.stop();
    let whole = shop.actor("admin").does([
        "audit",
        "verify",
        "--data",
        shop.server.data().to_str().unwrap(),
    ]);
    assert!(whole.contains("the log is whole"), "{whole}");
    println!(
        "audit: {} rows sealed, {} checkpoints",
        report["sealed"], report["checkpoints"]
    );
    shop
}

/// What verification says of a log that nobody touched, while its server runs.
fn verified(shop: &Shop, data: &Path) -> Value {
    let said = shop.actor("admin").does([
        "audit",
        "verify",
        "--data",
        data.to_str().unwrap(),
        "-o",
        "json",
    ]);
    serde_json::from_str(&said).unwrap()
}

#[test]
fn forgeries_are_found_out() {
    let shop = stopped();
    let row: i64 = copy(&shop, "look")
        .sql("SELECT id FROM audit WHERE act = 'grant.add' ORDER BY id LIMIT 1 OFFSET 4")
        .parse()
        .unwrap();
    for column in ["actor", "act", "object", "detail"] {
        let forged = copy(&shop, &format!("edited-{column}"));
        // One byte, in the middle.
        forged.sql(&format!(
            "UPDATE audit SET {column} = substr({column}, 1, length({column}) / 2) || \
             CASE substr({column}, length({column}) / 2 + 1, 1) WHEN 'x' THEN 'y' ELSE 'x' END || \
             substr({column}, length({column}) / 2 + 2) WHERE id = {row}"
        ));
        forged.is_found_out(
            &format!("one byte of `{column}`"),
            "row-edited",
            &format!("row {row}"),
            &[],
        );
    }
    let forged = copy(&shop, "edited-time");
    forged.sql(&format!(
        "UPDATE audit SET happened_at = happened_at + 1 WHERE id = {row}"
    ));
    forged.is_found_out("one millisecond", "row-edited", &format!("row {row}"), &[]);

    let forged = copy(&shop, "removed");
    forged.sql(&format!("DELETE FROM audit WHERE id = {row}"));
    forged.is_found_out(
        "a row removed",
        "row-removed",
        &format!("row {}", row + 1),
        &[],
    );

    let forged = copy(&shop, "cut");
    forged.sql("DELETE FROM audit WHERE id > (SELECT max(id) - 3 FROM audit)");
    let last = forged.sql("SELECT max(id) FROM audit");
    forged.is_found_out("the tail cut off", "tail-cut", &format!("row {last}"), &[]);

    cut_with_its_checkpoints(&shop);
    policy_changed(&shop);
}

/// The tail is cut off, and so are the checkpoints that speak of it: a copy that an auditor kept still tells.
fn cut_with_its_checkpoints(shop: &Shop) {
    let forged = copy(shop, "cut-both");
    let checkpoints = forged.data.join("checkpoints/audit");
    let kept = shop.folder().join("kept-by-an-auditor");
    std::fs::copy(&checkpoints, &kept).unwrap();
    let notes = std::fs::read_to_string(&checkpoints).unwrap();
    let notes: Vec<&str> = notes.split("\n\n").collect();
    // A note is a text and a signature, with an empty line between; the first checkpoint is left.
    std::fs::write(
        &checkpoints,
        format!("{}\n\n{}\n", notes[0], notes[1].trim_end()),
    )
    .unwrap();
    let size: i64 = notes[0].lines().nth(1).unwrap().parse().unwrap();
    forged.sql(&format!(
        "DELETE FROM audit WHERE leaf_index >= {size} OR leaf_index IS NULL"
    ));
    forged.is_found_out(
        "cut off with its checkpoints",
        "tail-cut",
        "signed",
        &["--checkpoint", kept.to_str().unwrap()],
    );
}

/// A policy is made weaker behind the log's back: as it stands, and with the digest that belongs to it.
fn policy_changed(shop: &Shop) {
    let weaker = "UPDATE policies SET document = replace(document, 'threshold: 2', 'threshold: 1') WHERE current = 1";
    let forged = copy(shop, "policy");
    forged.sql(weaker);
    forged.is_found_out(
        "a policy changed by SQL",
        "state-changed",
        "policy `shop`",
        &[],
    );

    let forged = copy(shop, "policy-and-digest");
    forged.sql(weaker);
    let document = Program::new("sqlite3")
        .arg(forged.data.join("countersign.db"))
        .arg("SELECT document FROM policies WHERE current = 1")
        .ok();
    let document = document.strip_suffix('\n').unwrap();
    assert!(document.contains("threshold: 1"), "{document}");
    forged.sql(&format!(
        "UPDATE policies SET digest = '{}' WHERE current = 1",
        Digest::sha256(document.as_bytes()).hex()
    ));
    forged.is_found_out(
        "a policy changed with its digest",
        "state-changed",
        "policy `shop`",
        &[],
    );

    let forged = copy(shop, "grant");
    forged.sql("UPDATE grants SET role = 'maintainer' WHERE id = (SELECT max(id) FROM grants WHERE role = 'writer')");
    forged.is_found_out("a grant changed by SQL", "state-changed", "grant", &[]);
}
