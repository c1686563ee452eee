//! Dependency cycles.

use std::collections::HashSet;

use super::Key;

/// The cycle that leads from a key back to itself, if there is one: `[a, b, a]`. `dependencies` gives what a key waits
/// for; a key it does not know waits for nothing.
pub(super) fn cycle_through<'a, K: Key>(start: &'a K, dependencies: impl Fn(&K) -> &'a [K]) -> Option<Vec<K>> {
    let mut visited: HashSet<&K> = HashSet::new();
    // The path walked so far, each step with the dependencies still to be tried.
    let mut path: Vec<(&K, std::slice::Iter<'a, K>)> = vec![(start, dependencies(start).iter())];
    while let Some((_, untried)) = path.last_mut() {
        match untried.next() {
            None => {
                path.pop();
            }
            Some(next) if next == start => {
                return Some(path.into_iter().map(|(key, _)| key.clone()).chain([start.clone()]).collect());
            }
            Some(next) => {
                if visited.insert(next) {
                    path.push((next, dependencies(next).iter()));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(edges: &[(&'static str, Vec<&'static str>)], start: &'static str) -> Option<Vec<&'static str>> {
        cycle_through(&start, |key| edges.iter().find(|(from, _)| from == key).map_or(&[][..], |(_, to)| to.as_slice()))
    }

    #[test]
    fn cycles_are_found_and_diamonds_are_not() {
        let diamond = [("a", vec!["b", "c"]), ("b", vec!["d"]), ("c", vec!["d"])];
        assert_eq!(cycle(&diamond, "a"), None);
        let ring = [("a", vec!["x", "b"]), ("b", vec!["c"]), ("c", vec!["a"]), ("d", vec!["a"])];
        assert_eq!(cycle(&ring, "a"), Some(vec!["a", "b", "c", "a"]));
        assert_eq!(cycle(&ring, "d"), None, "behind a cycle is not in it");
        assert_eq!(cycle(&[("a", vec!["a"])], "a"), Some(vec!["a", "a"]));
    }
}
