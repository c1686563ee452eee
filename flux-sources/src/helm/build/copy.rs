//! A directory of a tree as a tree of its own, in which nothing points outside.

use flux_core::Tree;
use flux_core::tree::{Entry, TreeBuilder, TreeLimits};

/// How many links a path may go through.
const LINKS: usize = 10;

/// What is below a directory, with what links lead to in their place. Links may lead anywhere in the tree.
///
/// # Errors
/// In words: a link that leads nowhere or outside, or in circles, or a limit.
pub(super) fn copied(tree: &Tree, dir: &str, limits: TreeLimits) -> Result<Tree, String> {
    let mut builder = TreeBuilder::with_limits(limits);
    let dir = tree.resolve(dir).map_err(|error| error.to_string())?;
    copy(tree, &dir, "", LINKS, &mut builder)?;
    Ok(builder.build())
}

fn copy(tree: &Tree, from: &str, to: &str, links: usize, builder: &mut TreeBuilder) -> Result<(), String> {
    let inside = |path: &str| match from.is_empty() {
        true => Some(path.to_owned()),
        false => path.strip_prefix(from).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned),
    };
    for (path, entry) in tree.entries() {
        let Some(rest) = inside(path) else { continue };
        let target = if to.is_empty() { rest } else { format!("{to}/{rest}") };
        match entry {
            Entry::File { .. } => drop(builder.entry(&target, entry.clone()).map_err(|error| error.to_string())?),
            Entry::Directory => {}
            Entry::Link { .. } if tree.is_file(path) => {
                let data = tree.read(path).map_err(|error| error.to_string())?;
                builder.file(&target, data).map_err(|error| error.to_string())?;
            }
            Entry::Link { .. } => {
                let real = tree.resolve(path).map_err(|error| format!("`{path}`: {error}"))?;
                if !tree.is_dir(&real) {
                    return Err(format!("`{path}` is a link that leads nowhere"));
                }
                let links = links.checked_sub(1).ok_or_else(|| format!("`{path}`: too many links on the way"))?;
                copy(tree, &real, &target, links, builder)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(links: &[(&str, &str)]) -> Tree {
        let mut builder = Tree::builder();
        builder.file("app/Chart.yaml", "1").unwrap().file("shared/x/y.yaml", "2").unwrap();
        builder.file("application/z", "3").unwrap();
        for (path, target) in links {
            builder.link(path, *target).unwrap();
        }
        builder.build()
    }

    fn names(tree: &Tree) -> Vec<&str> {
        tree.walk("").map(|(path, _)| path).collect()
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let tree = tree(&[("app/values.yaml", "../shared/x/y.yaml"), ("app/templates", "../shared")]);
        let copy = copied(&tree, "app", TreeLimits::default()).unwrap();
        assert_eq!(names(&copy), ["Chart.yaml", "templates/x/y.yaml", "values.yaml"]);
        assert_eq!(copy.read("values.yaml").unwrap().as_ref(), b"2");
        assert_eq!(names(&copied(&tree, "", TreeLimits::default()).unwrap()).len(), 5);
    }

    #[test]
    fn h02_links_lead_neither_outside_nor_in_circles() {
        for (target, problem) in [
            ("../../etc", "leads outside"),
            ("/etc", "leads outside"),
            ("none", "leads nowhere"),
            (".", "too many links"),
            ("..", "too many links"),
        ] {
            let error = copied(&tree(&[("app/link", target)]), "app", TreeLimits::default()).unwrap_err();
            assert!(error.contains(problem), "{target}: {error}");
        }
    }

    #[test]
    fn links_do_not_multiply_without_limit() {
        let links: Vec<(String, String)> =
            (0..9).flat_map(|i| ["a", "b"].map(|n| (format!("d{i}/{n}"), format!("../d{}", i + 1)))).collect();
        let links: Vec<(&str, &str)> = links.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let mut builder = Tree::builder();
        for (path, target) in &links {
            builder.link(path, *target).unwrap();
        }
        builder.file("d9/x", "1").unwrap();
        let limits = TreeLimits { entries: 100, ..TreeLimits::default() };
        let error = copied(&builder.build(), "d0", limits).unwrap_err();
        assert!(error.contains("more than 100 entries"), "{error}");
    }
}
