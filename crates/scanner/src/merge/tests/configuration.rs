//! What the image configuration adds and forbids.

use super::*;

fn config(layers: &[LayerInventory], steps: &[&str]) -> ImageConfig {
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|layer| layer.diff_id.to_string())
        .collect();
    let history: Vec<_> = steps
        .iter()
        .map(|step| match step.strip_prefix('!') {
            Some(step) => serde_json::json!({"created_by": step, "empty_layer": true}),
            None => serde_json::json!({"created_by": step}),
        })
        .collect();
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
    });
    ImageConfig::parse(&serde_json::to_vec(&config).unwrap()).unwrap()
}

fn two_layers() -> Vec<LayerInventory> {
    layers([base(), python("a-1.egg-info", "a", "1")])
}

#[test]
fn components_name_their_instruction() {
    let layers = two_layers();
    let image = merge(
        &layers,
        Some(&config(
            &layers,
            &["ADD file:1 in /", "!CMD [\"bash\"]", "RUN pip install a"],
        )),
    );
    assert!(image.is_complete(), "{:?}", image.problems);
    let by: Vec<_> = image
        .components
        .iter()
        .map(|component| component.instruction.as_deref().unwrap())
        .collect();
    assert_eq!(
        by,
        ["ADD file:1 in /", "ADD file:1 in /", "RUN pip install a"]
    );
    assert_eq!(image.components[2].layer, layers[1].digest);
    let unaligned = merge(&layers, Some(&config(&layers, &["RUN one"])));
    assert!(
        unaligned
            .components
            .iter()
            .all(|component| component.instruction.is_none())
    );
}

#[test]
fn layers_are_those_that_the_configuration_lists() {
    let layers = two_layers();
    let listed = config(&layers, &[]);
    let swapped: Vec<_> = layers.iter().rev().cloned().collect();
    assert_eq!(
        kinds(&merge(&swapped, Some(&listed))),
        [ProblemKind::DiffIdMismatch; 2]
    );
    assert_eq!(
        kinds(&merge(&layers[..1], Some(&listed))),
        [ProblemKind::DiffIdMismatch]
    );
    let image = merge(&[], Some(&listed));
    assert_eq!(
        image.problems[0].detail,
        "the configuration lists 2 layers, and the image has 0"
    );
}

#[test]
fn another_image_s_wrong_configuration_does_not_spoil_the_layer() {
    let blob = base().finish();
    let digest = oci::Digest::sha256(&blob);
    let lie = oci::Digest::sha256(b"lie");
    let layer = crate::scan_layer(
        blob.as_slice(),
        &digest,
        Some(&lie),
        "",
        &crate::Limits::default(),
    );
    assert_eq!(
        kinds(&merge(std::slice::from_ref(&layer), None)),
        [ProblemKind::DiffIdMismatch]
    );
    let honest = config(std::slice::from_ref(&layer), &[]);
    assert_eq!(kinds(&merge(&[layer], Some(&honest))), []);
}

#[test]
fn a_layer_that_was_cut_has_one_problem_only() {
    let blob = base().unfinished();
    let layer = crate::testing::scan(&blob[..700]);
    let listed = config(&two_layers()[..1], &[]);
    assert_eq!(
        kinds(&merge(&[layer], Some(&listed))),
        [ProblemKind::BrokenLayer, ProblemKind::MissingDatabase]
    );
}
