//! Laws of merging, and a second, plain implementation to hold it against.

use super::*;

/// What a random layer does, in paths that often meet.
fn entries() -> impl Strategy<Value = Vec<(u8, String, u8)>> {
    let path = "(x|y)(/(x|y)){0,2}";
    proptest::collection::vec((0..7_u8, path, 0..3_u8), 0..6)
}

/// Whether one archive has a path as a file and, in another entry, as a folder. Unpacking it drops what lower layers hold there;
/// merging keeps it, which lists too much and never too little.
fn is_file_and_folder(entries: &[(u8, String, u8)]) -> bool {
    let files = entries
        .iter()
        .filter(|(kind, ..)| *kind == 4)
        .map(|(_, path, _)| path);
    files.into_iter().any(|file| {
        entries.iter().any(|(kind, path, _)| {
            let inside = path
                .strip_prefix(file.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            inside && (*kind != 4 || path != file)
        })
    })
}

fn archive(entries: &[(u8, String, u8)]) -> Archive {
    entries
        .iter()
        .fold(Archive::new(), |archive, (kind, path, version)| {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            match kind {
                0 | 1 => archive.file(
                    &format!("{path}/p.egg-info"),
                    metadata("p", &version.to_string()),
                ),
                2 => archive.file(&format!("{folder}/.wh.{name}"), ""),
                3 => archive.file(&format!("{path}/.wh..wh..opq"), ""),
                4 => archive.file(path, ""),
                5 => archive.directory(path),
                _ => archive.file(STATUS, status(&[("a", &version.to_string()), ("b", "1")])),
            }
        })
}

proptest! {
    #[test]
    fn one_layer_is_its_facts(entries in entries()) {
        let layer = archive(&entries).scan();
        let image = merge(std::slice::from_ref(&layer), None);
        let mut facts: Vec<_> = layer.packages.iter().chain(layer.databases.iter().flat_map(|database| &database.packages)).cloned().collect();
        let mut found: Vec<_> = image.components.iter().map(|component| component.package.clone()).collect();
        facts.sort();
        found.sort();
        prop_assert_eq!(found, facts);
        prop_assert!(image.components.iter().all(|component| component.layer_index == 0));
    }

    #[test]
    fn a_whiteout_of_everything_leaves_nothing(below in proptest::collection::vec(entries(), 1..4), opaque in any::<bool>()) {
        let mut layers: Vec<_> = below.iter().map(|entries| archive(entries).scan()).collect();
        let had_database = layers.iter().any(|layer| !layer.databases.is_empty());
        let nothing = if opaque {
            Archive::new().file(".wh..wh..opq", "")
        } else {
            Archive::new().file(".wh.x", "").file(".wh.y", "").file(".wh.var", "")
        };
        layers.push(nothing.scan());
        let image = merge(&layers, None);
        prop_assert!(image.components.is_empty());
        prop_assert_eq!(kinds(&image).contains(&ProblemKind::RemovedDatabase), had_database);
    }

    #[test]
    fn a_layer_without_entries_changes_nothing(stack in proptest::collection::vec(entries(), 1..4), at in 0..4_usize) {
        let mut layers: Vec<_> = stack.iter().map(|entries| archive(entries).scan()).collect();
        let before = merge(&layers, None);
        layers.insert(at.min(layers.len()), Archive::new().scan());
        let after = merge(&layers, None);
        let what = |image: &ImageInventory| image.components.iter().map(|component| (component.purl.to_string(), component.layer.clone())).collect::<Vec<_>>();
        prop_assert_eq!(what(&before), what(&after));
        prop_assert_eq!(before.problems, after.problems);
    }

    #[test]
    fn an_image_holds_what_its_unpacked_layers_hold(stack in proptest::collection::vec(entries(), 1..5)) {
        prop_assume!(!stack.iter().any(|layer| is_file_and_folder(layer)));
        let layers: Vec<_> = stack.iter().map(|entries| archive(entries).scan()).collect();
        let mut expect = unpacked::image(&stack);
        let image = merge(&layers, None);
        let language = image.components.iter().filter(|component| component.package.kind == PackageKind::PyPi);
        let mut found: Vec<_> = language.map(|component| (component.package.path.clone(), component.package.version.clone())).collect();
        expect.sort();
        found.sort();
        prop_assert_eq!(found, expect);
    }
}

mod unpacked;
