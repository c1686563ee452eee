//! What a Flux `Kustomization` adds to the kustomization in its source, and the kustomization it makes where there is none.
//!
//! The rules are those of Flux's generator (`fluxcd/pkg/kustomize`): the file is changed in memory before the build.

use std::collections::BTreeMap;

use flux_core::yaml::{self, Dialect, Layout, ReadOptions};
use flux_core::{Object, Origin, Tree};
use serde_json::{Map, Value, json};

use super::build::FILE_NAMES;
use super::error::{BuildError, Cause};
use super::loader::is_remote;

/// What a Flux `Kustomization` adds to the kustomization in its source. Empty, it adds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The namespace of every namespaced object (`spec.targetNamespace`); goes before that of the source.
    pub target_namespace: Option<String>,
    /// Comes before every name (`spec.namePrefix`); goes before that of the source.
    pub name_prefix: Option<String>,
    /// Comes after every name (`spec.nameSuffix`); goes before that of the source.
    pub name_suffix: Option<String>,
    /// Patches, after those of the source.
    pub patches: Vec<Patch>,
    /// Images; each goes before the one of the same name in the source.
    pub images: Vec<Image>,
    /// Components by relative path, after those of the source.
    pub components: Vec<String>,
    /// Leave out components whose directory is not there.
    pub ignore_missing_components: bool,
    /// Labels on every object (`spec.commonMetadata.labels`), set after the build.
    pub labels: BTreeMap<String, String>,
    /// Annotations on every object (`spec.commonMetadata.annotations`), set after the build.
    pub annotations: BTreeMap<String, String>,
}

/// A patch and what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// A strategic merge patch or a JSON patch, as YAML.
    pub patch: String,
    /// The objects it is for; those that a strategic merge patch names itself when none.
    pub target: Option<Selector>,
}

/// Selects objects; every part that is given must match. All but the selectors are regular expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// API group.
    pub group: Option<String>,
    /// API version.
    pub version: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Labels, in the syntax of label selectors.
    pub label_selector: Option<String>,
    /// Annotations, in the syntax of label selectors.
    pub annotation_selector: Option<String>,
}

/// An image to replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The image as the source names it, without tag.
    pub name: String,
    /// Another name.
    pub new_name: Option<String>,
    /// Another tag.
    pub new_tag: Option<String>,
    /// A digest; goes before a tag.
    pub digest: Option<String>,
}

impl Overlay {
    /// The tree in which `dir` holds the kustomization to build: as it is where nothing has to be added.
    pub(super) fn prepare(&self, tree: &Tree, dir: &str) -> Result<Tree, BuildError> {
        let found = FILE_NAMES.iter().map(|name| join(dir, name)).find(|path| tree.is_file(path));
        let (path, original) = match &found {
            Some(path) => (path.clone(), read(tree, path)?),
            None => (join(dir, FILE_NAMES[0]), generate(tree, dir)?),
        };
        let mut changed = original.clone();
        self.change(&mut changed, tree, dir).map_err(|cause| BuildError::from(cause).in_file(&path))?;
        if found.is_some() && changed == original {
            return Ok(tree.clone());
        }
        let text = yaml::write(&Value::Object(changed), Layout::Sigs);
        tree.with_file(&path, text).map_err(|error| Cause::NotFound { path: error.path }.into())
    }

    /// Sets labels and annotations on an object that was built.
    pub(super) fn finish(&self, object: &mut Object) {
        self.labels.iter().for_each(|(key, value)| object.set_label(key, value));
        self.annotations.iter().for_each(|(key, value)| object.set_annotation(key, value));
    }

    fn change(&self, kustomization: &mut Map<String, Value>, tree: &Tree, dir: &str) -> Result<(), Cause> {
        // Without resources of its own kustomize would call some kustomizations empty; Flux asks for this instead.
        if kustomization.get("resources").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            kustomization.insert("buildMetadata".into(), json!(["originAnnotations"]));
        }
        for (field, value) in [
            ("namespace", &self.target_namespace),
            ("namePrefix", &self.name_prefix),
            ("nameSuffix", &self.name_suffix),
        ] {
            if let Some(value) = value {
                kustomization.insert(field.into(), json!(value));
            }
        }
        if !self.patches.is_empty() {
            list(kustomization, "patches")?.extend(self.patches.iter().map(Patch::to_value));
        }
        for component in &self.components {
            check_component(component)?;
            if !self.ignore_missing_components || tree.is_dir(&join(dir, component)) {
                list(kustomization, "components")?.push(json!(component));
            }
        }
        for image in &self.images {
            image.merge_into(list(kustomization, "images")?);
        }
        Ok(())
    }
}

impl Patch {
    fn to_value(&self) -> Value {
        match &self.target {
            Some(target) => json!({"patch": self.patch, "target": target.to_value()}),
            None => json!({"patch": self.patch}),
        }
    }
}

impl Selector {
    fn to_value(&self) -> Value {
        let fields = [
            ("group", &self.group),
            ("version", &self.version),
            ("kind", &self.kind),
            ("name", &self.name),
            ("namespace", &self.namespace),
            ("labelSelector", &self.label_selector),
            ("annotationSelector", &self.annotation_selector),
        ];
        let given = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))));
        Value::Object(given.collect())
    }
}

impl Image {
    /// Into the entry of the same name, or as a new one. Tag and digest belong together: one of them replaces both.
    fn merge_into(&self, images: &mut Vec<Value>) {
        let known = images.iter().position(|image| image.get("name").and_then(Value::as_str) == Some(&self.name));
        let index = known.unwrap_or_else(|| {
            images.push(json!({"name": self.name}));
            images.len() - 1
        });
        let Some(Value::Object(image)) = images.get_mut(index) else { return };
        if let Some(name) = &self.new_name {
            image.insert("newName".into(), json!(name));
        }
        if self.new_tag.is_some() || self.digest.is_some() {
            image.shift_remove("newTag");
            image.shift_remove("digest");
            for (key, value) in [("newTag", &self.new_tag), ("digest", &self.digest)] {
                if let Some(value) = value {
                    image.insert(key.into(), json!(value));
                }
            }
        }
    }
}

/// The list in a field, made where there is none.
fn list<'a>(kustomization: &'a mut Map<String, Value>, field: &str) -> Result<&'a mut Vec<Value>, Cause> {
    let slot = kustomization.entry(field).or_insert_with(|| json!([]));
    if slot.is_null() {
        *slot = json!([]);
    }
    slot.as_array_mut()
        .ok_or_else(|| Cause::Kustomization { field: field.to_owned(), message: "must be a list".to_owned() })
}

fn check_component(component: &str) -> Result<(), Cause> {
    if component.is_empty() || component.starts_with('/') || is_remote(component) {
        let message = format!("`{component}` must be a relative path inside the source");
        return Err(Cause::Kustomization { field: "components".to_owned(), message });
    }
    Ok(())
}

fn join(dir: &str, path: &str) -> String {
    flux_core::tree::join(dir, path).unwrap_or_else(|_| path.to_owned())
}

fn read(tree: &Tree, path: &str) -> Result<Map<String, Value>, BuildError> {
    let bytes = tree.read(path).map_err(|_| Cause::NotFound { path: path.to_owned() })?;
    let options = ReadOptions { dialect: Dialect::Lax, ..ReadOptions::default() };
    let value = yaml::read(&bytes, &options).map_err(|error| BuildError::from(Cause::from(error)).in_file(path))?;
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => {
            let cause = Cause::Kustomization { field: String::new(), message: "must be a map".to_owned() };
            Err(BuildError::from(cause).in_file(path))
        }
    }
}

/// The kustomization of a directory without one: every YAML file below it, and every directory below it that has a
/// kustomization of its own, which is not looked into any further.
fn generate(tree: &Tree, dir: &str) -> Result<Map<String, Value>, BuildError> {
    let mut resources = Vec::new();
    collect(tree, dir, ".", &mut resources);
    let mut kustomization = Map::new();
    kustomization.insert("apiVersion".into(), json!("kustomize.config.k8s.io/v1beta1"));
    kustomization.insert("kind".into(), json!("Kustomization"));
    if resources.is_empty() {
        // Something must be said, or the kustomization is empty and an error.
        kustomization.insert("namespace".into(), json!("_placeholder"));
    }
    kustomization.insert("resources".into(), Value::Array(resources));
    Ok(kustomization)
}

fn collect(tree: &Tree, dir: &str, shown: &str, resources: &mut Vec<Value>) {
    for name in tree.list(dir) {
        let (path, shown) = (join(dir, &name), format!("{shown}/{name}"));
        // Links are not followed: an artifact of Flux has none.
        if tree.resolve(&path).as_deref() != Ok(path.as_str()) {
            continue;
        }
        if tree.is_dir(&path) {
            if FILE_NAMES.iter().any(|file| tree.is_file(&join(&path, file))) {
                resources.push(json!(shown));
            } else {
                collect(tree, &path, &shown, resources);
            }
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            resources.push(json!(shown));
        }
    }
}

/// What an error of a build is called where only the directory is known.
pub(super) fn origin_of(dir: &str) -> Origin {
    Origin::new(if dir.is_empty() { "." } else { dir }, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(overlay: &Overlay, files: &[(&str, &str)]) -> Map<String, Value> {
        let tree = Tree::from_files(files.iter().map(|(path, text)| (*path, text.to_string()))).unwrap();
        read(&overlay.prepare(&tree, "app").unwrap(), "app/kustomization.yaml").unwrap()
    }

    #[test]
    fn a_directory_without_a_kustomization_gets_one() {
        let made = prepared(
            &Overlay::default(),
            &[
                ("app/b.yaml", ""),
                ("app/a/x.yml", ""),
                ("app/a/notes.txt", ""),
                ("app/own/kustomization.yml", ""),
                ("app/own/inner.yaml", ""),
                ("other.yaml", ""),
            ],
        );
        assert_eq!(made["resources"], json!(["./a/x.yml", "./b.yaml", "./own"]));
        let empty = prepared(&Overlay::default(), &[("app/notes.txt", "")]);
        assert_eq!(empty["namespace"], json!("_placeholder"));
    }

    #[test]
    fn nothing_to_add_leaves_the_tree_alone() {
        let tree = Tree::from_files([("app/kustomization.yaml", "resources: [a.yaml]\n")]).unwrap();
        assert!(Overlay::default().prepare(&tree, "app").unwrap().ptr_eq(&tree));
    }

    #[test]
    fn images_merge_by_name_and_tag_and_digest_go_together() {
        let image = |name: &str, tag: Option<&str>, digest: Option<&str>| Image {
            name: name.into(),
            new_name: None,
            new_tag: tag.map(Into::into),
            digest: digest.map(Into::into),
        };
        let overlay = Overlay {
            images: vec![image("a", Some("2"), None), image("b", None, None), image("c", None, Some("sha256:1"))],
            ..Overlay::default()
        };
        let source = "resources: [a.yaml]\nimages: [{name: a, newName: x, digest: d}, {name: b, newTag: '1'}]\n";
        let made = prepared(&overlay, &[("app/kustomization.yaml", source)]);
        assert_eq!(
            made["images"],
            json!([{"name": "a", "newName": "x", "newTag": "2"}, {"name": "b", "newTag": "1"}, {"name": "c", "digest": "sha256:1"}])
        );
    }

    #[test]
    fn missing_components_are_left_out_only_on_request() {
        let overlay = |ignore| Overlay {
            components: vec!["../there".into(), "../gone".into()],
            ignore_missing_components: ignore,
            ..Overlay::default()
        };
        let files = [("app/kustomization.yaml", "resources: [a.yaml]\n"), ("there/kustomization.yaml", "")];
        assert_eq!(prepared(&overlay(true), &files)["components"], json!(["../there"]));
        assert_eq!(prepared(&overlay(false), &files)["components"], json!(["../there", "../gone"]));
        let remote = Overlay { components: vec!["https://example.com/x".into()], ..Overlay::default() };
        assert!(remote.prepare(&Tree::empty(), "").is_err());
    }
}
