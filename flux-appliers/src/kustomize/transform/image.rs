//! Container images: other names, tags and digests.

use flux_core::re2::Pattern;
use flux_core::yaml::{Content, Node};

use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::fieldspec::{FieldSpec, Missing, each_field_of};
use crate::kustomize::kustomization::Image;
use crate::kustomize::node::{self, text};
use crate::kustomize::resmap::ResMap;
use crate::kustomize::schema::Schema;

/// Changes one image wherever objects name it. A tag suffix is added once for the containers that every kind may have
/// and once more for the fields that are configured, as kustomize does.
pub(in crate::kustomize) fn set_image(
    list: &mut ResMap,
    image: &Image,
    specs: &[FieldSpec],
    schema: &Schema,
) -> Result<(), BuildError> {
    let updater = Updater::new(image);
    for resource in list.iter_mut().filter(|resource| resource.kind() != "CustomResourceDefinition") {
        let node = &mut resource.node;
        if let Err(cause) = containers(node, &updater) {
            return Err(resource.error(cause, schema));
        }
    }
    for resource in list.iter_mut().filter(|resource| resource.kind() != "CustomResourceDefinition") {
        let mut set = |field: &mut Node| updater.update(field);
        if let Err(cause) = each_field_of(&mut resource.node, specs, &Missing::Leave, &mut set) {
            return Err(resource.error(cause, schema));
        }
    }
    Ok(())
}

/// Looks for lists of containers at any depth.
fn containers(found: &mut Node, updater: &Updater<'_>) -> Result<(), Cause> {
    match &mut found.content {
        Content::Scalar(_) => Ok(()),
        Content::Sequence(items) => items.iter_mut().try_for_each(|item| containers(item, updater)),
        Content::Mapping(entries) => entries.iter_mut().try_for_each(|(key, value)| {
            containers(value, updater)?;
            if !matches!(text(key), "containers" | "initContainers") {
                return Ok(());
            }
            let Content::Sequence(items) = &mut value.content else { return Ok(()) };
            items.iter_mut().try_for_each(|item| {
                node::expect_mapping(item)?;
                node::field_mut(item, "image").map_or(Ok(()), |image| updater.update(image))
            })
        }),
    }
}

struct Updater<'i> {
    image: &'i Image,
    /// The name is part of a regular expression; a malformed one matches nothing.
    pattern: Option<Pattern>,
}

impl<'i> Updater<'i> {
    fn new(image: &'i Image) -> Self {
        const TAG: &str = "(:[a-zA-Z0-9_.{}-]*)?";
        const DIGEST: &str = "(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?";
        Self { image, pattern: Pattern::compile(format!("^{}{TAG}{DIGEST}$", image.name)).ok() }
    }

    fn update(&self, field: &mut Node) -> Result<(), Cause> {
        if node::is_null(field) {
            return Ok(());
        }
        node::expect_scalar(field)?;
        let value = text(field);
        if !self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(value)) {
            return Ok(());
        }
        let (name, tag, digest) = split(value);
        let mut name = if self.image.new_name.is_empty() { name.to_owned() } else { self.image.new_name.clone() };
        let (new_tag, new_digest) = (&self.image.new_tag, &self.image.digest);
        let (tag, digest) = match (new_tag.is_empty(), new_digest.is_empty()) {
            (false, false) => (new_tag.clone(), new_digest.as_str()),
            (false, true) => (new_tag.clone(), ""),
            (true, false) => (String::new(), new_digest.as_str()),
            (true, true) if !self.image.tag_suffix.is_empty() => (format!("{tag}{}", self.image.tag_suffix), ""),
            (true, true) => (tag.to_owned(), digest),
        };
        if !tag.is_empty() {
            name = format!("{name}:{tag}");
        }
        if !digest.is_empty() {
            name = format!("{name}@{digest}");
        }
        node::set_scalar(field, node::untagged(name))
    }
}

/// Splits an image into name, tag and digest. A registry's port is no tag.
fn split(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').unwrap_or(0);
    let at = |what: char| image.get(start..).and_then(|rest| rest.find(what)).map(|i| i + start);
    let cut = |i: usize| (image.get(..i).unwrap_or_default(), image.get(i + 1..).unwrap_or_default());
    match (at(':'), at('@')) {
        (None, None) => (image, "", ""),
        (Some(colon), None) => {
            let (name, tag) = cut(colon);
            (name, tag, "")
        }
        (Some(colon), Some(sign)) if colon < sign => {
            let (name, rest) = cut(colon);
            let (tag, digest) = rest.split_once('@').unwrap_or((rest, ""));
            (name, tag, digest)
        }
        (_, Some(sign)) => {
            let (name, digest) = cut(sign);
            (name, "", digest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn images_split() {
        assert_eq!(split("nginx"), ("nginx", "", ""));
        assert_eq!(split("reg:80/a/b:1@sha256:x"), ("reg:80/a/b", "1", "sha256:x"));
        assert_eq!(split("a@sha256:x"), ("a", "", "sha256:x"));
        assert_eq!(split("reg:80/a"), ("reg:80/a", "", ""));
    }
}
