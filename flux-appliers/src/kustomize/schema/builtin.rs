//! What the built-in kinds of Kubernetes say about merging; the table is generated.

/// How a field leads on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    /// To an object of a definition.
    Object(u16),
    /// To a map whose values have a definition.
    Map(u16),
    /// To a list that patches replace, whose items have a definition.
    List(u16),
    /// To a list that patches merge: the keys that tell items apart (none for scalars) and the items' definition.
    Merged(&'static [&'static str], Option<u16>),
}

/// The fields of a definition.
pub(super) fn fields(definition: u16) -> &'static [(&'static str, Field)] {
    super::table::DEFINITIONS.get(usize::from(definition)).copied().unwrap_or_default()
}

/// The definition of a kind.
pub(super) fn definition(api_version: &str, kind: &str) -> Option<u16> {
    let kinds = super::table::KINDS;
    let found = kinds.binary_search_by(|(v, k, _)| (*v, *k).cmp(&(api_version, kind))).ok()?;
    kinds.get(found).map(|(_, _, definition)| *definition)
}

/// True for a built-in kind without a namespace.
pub(super) fn is_cluster_scoped(api_version: &str, kind: &str) -> bool {
    super::table::CLUSTER_SCOPED.binary_search(&(api_version, kind)).is_ok()
}
