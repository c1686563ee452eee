//! What Flux puts on top of kustomize: a kustomization for directories that have none, and the fields of its own
//! Kustomization (`kustomize.toolkit.fluxcd.io/v1`).

use flux_core::Tree;
use flux_core::yaml::{self, Limits, ReadOptions};
use serde::{Deserialize, Serialize};

use super::error::{BuildError, Cause};
use super::kustomization::{self, Kustomization};
use super::loader::join;
use super::remote::{RemoteBase, is_file_address};

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The fields of a Flux Kustomization that change what is built.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FluxKustomization {
    /// The namespace of all objects (`spec.targetNamespace`); empty for none.
    pub target_namespace: String,
    /// A prefix for all names (`spec.namePrefix`).
    pub name_prefix: String,
    /// A suffix for all names (`spec.nameSuffix`).
    pub name_suffix: String,
    /// Patches that are applied after those of the kustomization (`spec.patches`).
    pub patches: Vec<FluxPatch>,
    /// Images that are renamed or retagged (`spec.images`).
    pub images: Vec<FluxImage>,
    /// Components that are added, as paths relative to the directory (`spec.components`).
    pub components: Vec<String>,
    /// Whether components that are not there are passed over (`spec.ignoreMissingComponents`).
    pub ignore_missing_components: bool,
    /// What the objects say of their making, in place of what the kustomization asks for (`spec.buildMetadata`):
    /// `originAnnotations`, `transformerAnnotations`.
    pub build_metadata: Vec<String>,
    /// Labels and annotations for all objects (`spec.commonMetadata`).
    pub common_metadata: CommonMetadata,
}

/// One patch of a [`FluxKustomization`]: a strategic merge or a JSON patch, and what it is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FluxPatch {
    /// The patch itself, YAML or JSON.
    pub patch: String,
    /// The objects it is for; without one, the patch's own identity says.
    pub target: Option<FluxSelector>,
}

/// Which objects a [`FluxPatch`] is for. Group, version, kind, name and namespace are regular expressions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FluxSelector {
    /// The API group.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// A selector by annotations, in the text form of label selectors.
    pub annotation_selector: String,
    /// A label selector.
    pub label_selector: String,
}

/// One image of a [`FluxKustomization`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FluxImage {
    /// The image's name as the manifests have it.
    pub name: String,
    /// The name to put in its place.
    pub new_name: String,
    /// The tag to put in its place.
    pub new_tag: String,
    /// The digest to put in the tag's place.
    pub digest: String,
}

/// Labels and annotations for all objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommonMetadata {
    /// Labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Annotations.
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// The kustomization that Flux would write into a directory.
pub(super) fn generate(
    tree: &Tree,
    path: &str,
    settings: &FluxKustomization,
    limits: Limits,
) -> Result<Kustomization, BuildError> {
    let root = join("", path).ok_or_else(|| Cause::NotFound { path: path.to_owned() })?;
    let mut kustomization = match file_in(tree, &root) {
        Some(file) => existing(tree, &file, limits)?,
        None => scanned(tree, &root, limits)?,
    };
    settings.apply(tree, &root, &mut kustomization)?;
    Ok(kustomization)
}

fn file_in(tree: &Tree, dir: &str) -> Option<String> {
    FILE_NAMES.iter().map(|name| below(dir, name)).find(|path| tree.is_file(path))
}

fn below(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// The kustomization that is there. One without resources is not empty to Flux.
fn existing(tree: &Tree, file: &str, limits: Limits) -> Result<Kustomization, BuildError> {
    let in_file = |cause: Cause| BuildError::from(cause).in_file(file);
    let text = tree.read(file).map_err(|_| Cause::NotFound { path: file.to_owned() })?;
    let options = ReadOptions { limits, ..ReadOptions::default() };
    let value = yaml::read(&text, &options).map_err(|error| in_file(error.into()))?;
    let resources = value.get("resources").and_then(|list| list.as_array()).is_some_and(|list| !list.is_empty());
    if resources {
        return Kustomization::read(&text, limits).map(|(read, _)| read).map_err(|error| error.in_file(file));
    }
    let value = if value.is_null() { serde_json::json!({}) } else { value };
    let mut kustomization: Kustomization = kustomization::decode(value).map_err(in_file)?;
    kustomization.build_metadata = Some(vec!["originAnnotations".into()]);
    kustomization.settle().map_err(in_file)?;
    Ok(kustomization)
}

/// A kustomization of all manifests below a directory; directories with one of their own are taken in as such.
fn scanned(tree: &Tree, root: &str, limits: Limits) -> Result<Kustomization, BuildError> {
    let mut resources = Vec::new();
    // What is still to be looked at, in reverse: a directory's entries come in its own place.
    let entries = |dir: &str| -> Vec<String> {
        tree.list(&below_both(root, dir)).iter().rev().map(|name| below(dir, name)).collect()
    };
    let mut todo = entries("");
    while let Some(relative) = todo.pop() {
        let path = below_both(root, &relative);
        if tree.is_dir(&path) {
            match file_in(tree, &path) {
                Some(_) => resources.push(format!("./{relative}")),
                None => todo.extend(entries(&relative)),
            }
        } else if relative.ends_with(".yaml") || relative.ends_with(".yml") {
            check(tree, &path, limits)?;
            resources.push(format!("./{relative}"));
        }
    }
    let mut kustomization = Kustomization::default();
    if resources.is_empty() {
        // Something must be there; this changes nothing.
        kustomization.namespace = "_placeholder".into();
    }
    kustomization.resources = Some(resources);
    kustomization.settle()?;
    Ok(kustomization)
}

fn below_both(root: &str, path: &str) -> String {
    if path.is_empty() { root.to_owned() } else { below(root, path) }
}

/// Every file that is scanned must hold objects.
fn check(tree: &Tree, path: &str, limits: Limits) -> Result<(), BuildError> {
    let text = tree.read(path).map_err(|_| Cause::NotFound { path: path.to_owned() })?;
    let decoded = super::load::resources(&text, limits);
    decoded.map(|_| ()).map_err(|cause| BuildError::from(cause).in_file(path))
}

impl FluxKustomization {
    /// Puts the settings into a kustomization, after or over what it says itself.
    fn apply(&self, tree: &Tree, root: &str, target: &mut Kustomization) -> Result<(), BuildError> {
        let set = |field: &mut String, value: &String| {
            if !value.is_empty() {
                field.clone_from(value);
            }
        };
        set(&mut target.namespace, &self.target_namespace);
        set(&mut target.name_prefix, &self.name_prefix);
        set(&mut target.name_suffix, &self.name_suffix);
        for patch in &self.patches {
            target.patches.get_or_insert_default().push(patch.as_kustomize());
        }
        for path in &self.components {
            check_component(path)?;
            if self.ignore_missing_components {
                let there = join(root, path).is_some_and(|path| tree.is_dir(&path));
                if !there {
                    continue;
                }
            }
            target.components.get_or_insert_default().push(path.clone());
        }
        if !self.build_metadata.is_empty() {
            target.build_metadata = Some(self.build_metadata.clone());
        }
        for image in &self.images {
            image.merge_into(target.images.get_or_insert_default());
        }
        Ok(())
    }
}

/// A component must lie in the source.
fn check_component(path: &str) -> Result<(), Cause> {
    if path.is_empty() || path.starts_with('/') || is_file_address(path) || RemoteBase::parse(path).is_some() {
        let message = format!("`{path}` must be a relative path inside the source");
        return Err(Cause::Kustomization { field: "components".to_owned(), message });
    }
    Ok(())
}

impl FluxImage {
    /// Into the entry of the same name, or as a new one. Tag and digest belong together: one of them replaces both.
    fn merge_into(&self, images: &mut Vec<kustomization::Image>) {
        let known = images.iter().position(|image| image.name == self.name).unwrap_or_else(|| {
            images.push(kustomization::Image { name: self.name.clone(), ..kustomization::Image::default() });
            images.len() - 1
        });
        let Some(image) = images.get_mut(known) else { return };
        if !self.new_name.is_empty() {
            image.new_name.clone_from(&self.new_name);
        }
        if !self.new_tag.is_empty() || !self.digest.is_empty() {
            image.new_tag.clone_from(&self.new_tag);
            image.digest.clone_from(&self.digest);
        }
    }
}

impl FluxPatch {
    fn as_kustomize(&self) -> kustomization::Patch {
        let target = self.target.as_ref().map(|target| kustomization::Selector {
            group: target.group.clone(),
            version: target.version.clone(),
            kind: target.kind.clone(),
            name: target.name.clone(),
            namespace: target.namespace.clone(),
            annotation_selector: target.annotation_selector.clone(),
            label_selector: target.label_selector.clone(),
        });
        kustomization::Patch { patch: self.patch.clone(), target, ..kustomization::Patch::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(settings: &FluxKustomization, files: &[(&str, &str)]) -> Result<Kustomization, BuildError> {
        let tree = Tree::from_files(files.iter().map(|(path, text)| (*path, text.to_string()))).unwrap();
        generate(&tree, "app", settings, Limits::default())
    }

    #[test]
    fn a_directory_without_a_kustomization_gets_one() {
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        let files = [
            ("app/b.yaml", object),
            ("app/a/x.yml", object),
            ("app/a/notes.txt", "not one"),
            ("app/own/kustomization.yml", "resources: [inner.yaml]"),
            ("app/own/inner.yaml", object),
            ("other.yaml", object),
        ];
        let made = generated(&FluxKustomization::default(), &files).unwrap();
        assert_eq!(made.resources.unwrap(), ["./a/x.yml", "./b.yaml", "./own"]);
        let empty = generated(&FluxKustomization::default(), &[("app/notes.txt", "")]).unwrap();
        assert_eq!(empty.namespace, "_placeholder");
    }

    #[test]
    fn images_merge_by_name_and_tag_and_digest_go_together() {
        let image = |name: &str, tag: &str, digest: &str| FluxImage {
            name: name.into(),
            new_tag: tag.into(),
            digest: digest.into(),
            ..FluxImage::default()
        };
        let images = vec![image("a", "2", ""), image("b", "", ""), image("c", "", "sha256:1")];
        let settings = FluxKustomization { images, ..FluxKustomization::default() };
        let source = "resources: [a.yaml]\nimages: [{name: a, newName: x, digest: d}, {name: b, newTag: '1'}]\n";
        let made = generated(&settings, &[("app/kustomization.yaml", source)]).unwrap().images.unwrap();
        let shown: Vec<[&str; 4]> = made.iter().map(|i| [&*i.name, &*i.new_name, &*i.new_tag, &*i.digest]).collect();
        assert_eq!(shown, [["a", "x", "2", ""], ["b", "", "1", ""], ["c", "", "", "sha256:1"]]);
    }

    #[test]
    fn missing_components_are_left_out_only_on_request_and_remote_ones_refused() {
        let settings = |component: &str, ignore| FluxKustomization {
            components: vec![component.into()],
            ignore_missing_components: ignore,
            ..FluxKustomization::default()
        };
        let files = [("app/kustomization.yaml", "resources: [a.yaml]\n"), ("there/kustomization.yaml", "")];
        let components = |settings: &FluxKustomization| generated(settings, &files).map(|made| made.components);
        assert_eq!(components(&settings("../there", true)).unwrap().unwrap(), ["../there"]);
        assert_eq!(components(&settings("../gone", true)).unwrap(), None);
        assert_eq!(components(&settings("../gone", false)).unwrap().unwrap(), ["../gone"]);
        assert!(components(&settings("https://example.com/x", true)).is_err());
    }
}
