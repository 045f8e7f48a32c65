//! A file system as a map, with the layers unpacked one upon another: the plain meaning of the specification,
//! against which `merge` is held.

use std::collections::BTreeMap;

#[derive(Clone, PartialEq)]
enum Node {
    Folder,
    File(Option<String>),
}

type Tree = BTreeMap<String, Node>;

pub(super) fn image(stack: &[Vec<(u8, String, u8)>]) -> Vec<(String, String)> {
    let mut tree = Tree::new();
    for layer in stack {
        let own = layer_tree(layer);
        for (kind, path, _) in layer {
            match kind {
                2 => remove(&mut tree, path, true),
                3 => remove(&mut tree, path, false),
                _ => {}
            }
        }
        for (path, node) in own {
            put(&mut tree, &path, node);
        }
    }
    tree.into_iter()
        .filter_map(|(path, node)| {
            if let Node::File(Some(version)) = node {
                Some((path, version))
            } else {
                None
            }
        })
        .collect()
}

fn layer_tree(layer: &[(u8, String, u8)]) -> Tree {
    let mut tree = Tree::new();
    for (kind, path, version) in layer {
        match kind {
            0 | 1 => put(
                &mut tree,
                &format!("{path}/p.egg-info"),
                Node::File(Some(version.to_string())),
            ),
            4 => put(&mut tree, path, Node::File(None)),
            5 => put(&mut tree, path, Node::Folder),
            _ => {}
        }
    }
    tree
}

fn put(tree: &mut Tree, path: &str, node: Node) {
    for (slash, _) in path.match_indices('/') {
        if tree.get(&path[..slash]) != Some(&Node::Folder) {
            tree.insert(path[..slash].to_owned(), Node::Folder);
        }
    }
    if node != Node::Folder || matches!(tree.get(path), Some(Node::File(_))) {
        remove(tree, path, true);
    }
    tree.insert(path.to_owned(), node);
}

fn remove(tree: &mut Tree, path: &str, itself: bool) {
    let prefix = format!("{path}/");
    tree.retain(|name, _| !(name.starts_with(&prefix) || itself && name == path));
}
