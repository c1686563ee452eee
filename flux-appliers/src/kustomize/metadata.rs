//! Labels and annotations on all objects (`spec.commonMetadata`).

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::digest::Digest;
use flux_core::{Artifact, Context, Manifests, RenderError, Renderer};
use serde_json::{Map, Value};

use super::CommonMetadata;

/// Renders with another renderer and puts labels and annotations on what comes out.
///
/// Flux puts them on last of all, after variables are replaced: what they say is never substituted.
#[derive(Debug, Clone)]
pub struct CommonMetadataRenderer {
    inner: Arc<dyn Renderer>,
    metadata: CommonMetadata,
}

impl CommonMetadataRenderer {
    /// Puts `metadata` on what `inner` renders.
    pub fn new(inner: impl Renderer + 'static, metadata: CommonMetadata) -> Self {
        Self { inner: Arc::new(inner), metadata }
    }
}

#[async_trait]
impl Renderer for CommonMetadataRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let manifests = self.inner.render(cx, artifact).await?;
        Ok(manifests.map(|object| {
            for (key, value) in &self.metadata.labels {
                object.set_label(key, value);
            }
            for (key, value) in &self.metadata.annotations {
                object.set_annotation(key, value);
            }
        }))
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Option<Digest>, RenderError> {
        self.inner.inputs(cx, artifact).await
    }
}

impl CommonMetadata {
    /// Whether there is neither a label nor an annotation.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }

    pub(super) fn put_on(&self, object: &mut Value) {
        set_metadata(object, "labels", &self.labels);
        set_metadata(object, "annotations", &self.annotations);
    }
}

/// Sets labels or annotations of an object.
pub(crate) fn set_metadata(object: &mut Value, field: &str, entries: &BTreeMap<String, String>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if entries.is_empty() {
        return;
    }
    let map = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if map.is_null() {
        *map = Value::Object(Map::new());
    }
    if let Some(map) = map.as_object_mut() {
        for (key, value) in entries {
            map.insert(key.clone(), value.as_str().into());
        }
    }
}
