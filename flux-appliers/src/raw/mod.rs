//! A directory of plain manifests.

mod read;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use flux_core::tree::ReadError;
use flux_core::{Artifact, Context, Interrupted, Manifests, Origin, RenderError, Renderer, Tree};

/// Renders a directory of manifests as they stand: every `*.yaml`, `*.yml` and `*.json` file below a path, in the order
/// of the paths, with lists (`kind: List` and the like) taken apart. What `kubectl apply --recursive -f` would apply.
///
/// Documents without content are passed over. Everything else must be a Kubernetes object with a name: a file that is
/// not is an error, so that a typing mistake never reads as "no longer desired".
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use flux_appliers::raw::RawRenderer;
/// use flux_core::{Artifact, Context, Renderer, Revision, Tree};
///
/// let tree = Tree::from_files([("deploy/a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n")])?;
/// let artifact = Artifact::new(Revision::new("v1"), tree);
/// let manifests = RawRenderer::new("./deploy").render(&Context::background(), &artifact).await?;
/// assert_eq!(manifests.iter().next().map(|m| m.origin.to_string()).as_deref(), Some("deploy/a.yaml:1"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RawRenderer {
    path: String,
}

impl RawRenderer {
    /// Renders what is below `path`, or the one file there. As in Flux's `spec.path`, `./deploy`, `deploy` and `/deploy`
    /// are the same and the empty path is the root.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    fn read(&self, artifact: &Artifact, stop: &AtomicBool) -> Result<Manifests, RenderError> {
        let tree = &artifact.tree;
        let path = tree.resolve(self.path.trim_start_matches('/')).map_err(|error| self.bad_path(&error))?;
        let mut manifests = Vec::new();
        if tree.is_file(&path) {
            let data = tree.read(&path).map_err(|error| self.bad_path(&error))?;
            read::file(&path, &data, &mut manifests)?;
        } else if tree.is_dir(&path) {
            for (file, data) in tree.walk(&path).filter(|(file, _)| read::is_manifest(file)) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Interrupted::Cancelled.into());
                }
                read::file(file, data, &mut manifests)?;
            }
        } else {
            return Err(RenderError::PathNotFound {
                path: self.path.clone(),
                revision: artifact.revision.to_string(),
                known: known(tree),
            });
        }
        let manifests = Manifests::new(manifests);
        manifests.check_unique()?;
        Ok(manifests)
    }

    fn bad_path(&self, error: &ReadError) -> RenderError {
        RenderError::Input {
            origin: Origin::new(self.path.as_str(), 0),
            field: "path".into(),
            message: error.to_string(),
        }
    }
}

#[async_trait]
impl Renderer for RawRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let (renderer, artifact) = (self.clone(), artifact.clone());
        cx.run_blocking(move |stop| renderer.read(&artifact, stop)).await?
    }
}

/// What the root of a tree holds, for people who look for a path.
fn known(tree: &Tree) -> String {
    const SHOWN: usize = 12;
    let names = tree.list("");
    match names.len() {
        0 => "no files".to_owned(),
        count if count > SHOWN => format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flux_core::Revision;

    async fn render(path: &str, files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let tree = Tree::from_files(files.iter().map(|(path, data)| (*path, data.to_string()))).unwrap();
        let artifact = Artifact::new(Revision::new("main@sha1:abc"), tree);
        let manifests = RawRenderer::new(path).render(&Context::background(), &artifact).await;
        manifests
            .map(|manifests| manifests.iter().map(|m| format!("{} {}", m.object, m.origin)).collect())
            .map_err(|error| error.to_string())
    }

    const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: web\n";

    #[tokio::test]
    async fn files_are_read_in_order_and_lists_are_taken_apart() {
        let list = "# a comment\n---\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  \
                    metadata: {name: s}\n- {apiVersion: v1, kind: Service, metadata: {name: t}}\n";
        let json = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}"#;
        let files = [("d/z.yaml", list), ("d/b/a.yml", CONFIG), ("d/c.json", json), ("d/notes.txt", "{"), ("e", "{")];
        for path in ["d", "./d", "/d/"] {
            assert_eq!(
                render(path, &files).await.unwrap(),
                [
                    "ConfigMap/web/a d/b/a.yml:1",
                    "Namespace/n d/c.json:1",
                    "Secret/s d/z.yaml:7",
                    "Service/t d/z.yaml:10"
                ]
            );
        }
        assert_eq!(render("d/c.json", &files).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_missing_path_says_what_there_is() {
        let error = render("deploy", &[("apps/a.yaml", CONFIG), ("README.md", "")]).await.unwrap_err();
        assert_eq!(error, "path `deploy` not found in revision main@sha1:abc; the artifact has README.md, apps");
    }

    #[tokio::test]
    async fn h15_a_path_outside_the_artifact_is_refused() {
        let error = render("../..", &[("a.yaml", CONFIG)]).await.unwrap_err();
        assert!(error.contains("leads outside the tree"), "{error}");
    }

    #[tokio::test]
    async fn errors_name_file_line_and_field() {
        for (text, expected) in [
            ("a: [\n", "d/x.yaml:2: "),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels:\n    x: 1\n",
                "d/x.yaml:5: metadata.labels: ",
            ),
            ("\n\nkind: ConfigMap\n", "d/x.yaml:3: apiVersion: is missing"),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: a-\n",
                "d/x.yaml:3: metadata.name: is missing",
            ),
            ("- a\n", "d/x.yaml:1: must be a Kubernetes object"),
            ("apiVersion: v1\nkind: List\nitems:\n- 1\n", "d/x.yaml:4: items[0]: must be a Kubernetes object"),
            (
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
                "d/x.yaml:2: kind: is a kustomization",
            ),
            ("apiVersion: v1\nkind: A\nkind: B\n", "d/x.yaml:3: "),
        ] {
            let error = render("d", &[("d/x.yaml", text)]).await.unwrap_err();
            assert!(error.starts_with(expected), "{error} does not start with {expected}");
        }
        let error = render("d", &[("d/x.json", "{\n\"apiVersion\": x\n}")]).await.unwrap_err();
        assert!(error.starts_with("d/x.json:2: "), "{error}");
    }

    #[tokio::test]
    async fn the_same_object_twice_names_both_places() {
        let error = render("", &[("a.yaml", CONFIG), ("b.yaml", &format!("---\n{CONFIG}"))]).await.unwrap_err();
        assert!(error.starts_with("b.yaml:2: ConfigMap/web/a is already defined at a.yaml:1"), "{error}");
    }
}
