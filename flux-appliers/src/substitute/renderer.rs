//! Substitution on top of any renderer.

use std::sync::Arc;

use async_trait::async_trait;
use flux_core::cluster::Cluster;
use flux_core::digest::Digest;
use flux_core::{Artifact, Class, Context, Manifests, RenderError, Renderer};

use super::{ExpandError, SubstituteCause, SubstituteError, SubstituteFrom, Substitution, Variables, VariablesError};

/// Renders with another renderer and replaces the variables in what comes out (`spec.postBuild`).
///
/// Variables come from ConfigMaps and Secrets, which are read anew for every run, and on top of these from the
/// [`Substitution`] itself.
#[derive(Debug, Clone)]
pub struct SubstitutingRenderer {
    inner: Arc<dyn Renderer>,
    substitution: Substitution,
    from: Option<From>,
}

/// Where variables are read from.
#[derive(Debug, Clone)]
struct From {
    cluster: Arc<dyn Cluster>,
    namespace: String,
    references: Vec<SubstituteFrom>,
}

impl SubstitutingRenderer {
    /// Replaces the variables of `substitution` in what `inner` renders.
    pub fn new(inner: impl Renderer + 'static, substitution: Substitution) -> Self {
        Self { inner: Arc::new(inner), substitution, from: None }
    }

    /// More variables, from ConfigMaps and Secrets of one namespace, the later over the earlier
    /// (`spec.postBuild.substituteFrom`); those of the substitution win over all of them.
    #[must_use]
    pub fn from(
        mut self,
        cluster: Arc<dyn Cluster>,
        namespace: impl Into<String>,
        references: Vec<SubstituteFrom>,
    ) -> Self {
        self.from = Some(From { cluster, namespace: namespace.into(), references });
        self
    }

    async fn variables(&self, cx: &Context) -> Result<Variables, RenderError> {
        let mut variables = Variables::new();
        if let Some(From { cluster, namespace, references }) = &self.from {
            variables.read(cx, &**cluster, namespace, references).await?;
        }
        variables.extend(&self.substitution.variables);
        Ok(variables)
    }
}

#[async_trait]
impl Renderer for SubstitutingRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let manifests = self.inner.render(cx, artifact).await?;
        let substitution = Substitution { variables: self.variables(cx).await?, ..self.substitution.clone() };
        Ok(cx.run_blocking(move |_| substitution.manifests(&manifests)).await??)
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Option<Digest>, RenderError> {
        let inner = self.inner.inputs(cx, artifact).await?;
        let own = match &self.from {
            Some(_) => Some(self.variables(cx).await?.digest()),
            None => None,
        };
        Ok(Digest::of_several(inner.into_iter().chain(own)))
    }
}

impl std::convert::From<SubstituteError> for RenderError {
    fn from(error: SubstituteError) -> Self {
        let SubstituteError { origin, object, field, cause } = error;
        match cause {
            SubstituteCause::Expand(ExpandError::Limit { what, limit }) => {
                Self::Limit { origin, what, limit: u64::try_from(limit).unwrap_or(u64::MAX) }
            }
            cause => Self::Input { origin, field, message: format!("{object}: {cause}") },
        }
    }
}

impl std::convert::From<VariablesError> for RenderError {
    fn from(error: VariablesError) -> Self {
        let class = match &error {
            VariablesError::Read { error, .. } => error.class(),
            // They may come, or be corrected, at any time.
            VariablesError::NotFound { .. } | VariablesError::Entry { .. } => Class::Transient,
        };
        Self::Other { error: error.into(), class }
    }
}
