//! The values of variables, and where they come from.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::cluster::{Cluster, ClusterError};
use flux_core::digest::Digest;
use flux_core::{Context, Object, ObjectId};
use serde_json::Value;
use zeroize::Zeroizing;

/// Variables by name. Values may be secret: `Debug` shows the names alone, and memory is wiped when they go.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, Zeroizing<Vec<u8>>>);

/// A ConfigMap or Secret whose entries are variables (`spec.postBuild.substituteFrom[]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubstituteFrom {
    /// Which of the two.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// The kinds that variables can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A core `v1` ConfigMap: its `data`.
    ConfigMap,
    /// A core `v1` Secret: its `data`.
    Secret,
}

impl SourceKind {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// A name that no variable can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of a variable; it must match ^[_[:alpha:]][_[:alpha:][:digit:]]*$")]
pub struct InvalidName(pub String);

/// Why variables could not be had. Says which object and key, never a value.
#[derive(Debug, thiserror::Error)]
pub enum VariablesError {
    /// A ConfigMap or Secret could not be read.
    #[error("substitute from {kind}/{namespace}/{name}: {error}", kind = .kind.name())]
    Read {
        /// Which kind.
        kind: SourceKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the server said.
        #[source]
        error: ClusterError,
    },
    /// A ConfigMap or Secret is not there.
    #[error("substitute from {kind}/{namespace}/{name}: not found; create it, or mark the reference as optional", kind = .kind.name())]
    NotFound {
        /// Which kind.
        kind: SourceKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An entry of a ConfigMap or Secret cannot be a variable.
    #[error("substitute from {kind}/{namespace}/{name}: {problem}", kind = .kind.name())]
    Entry {
        /// Which kind.
        kind: SourceKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong, with the key.
        problem: String,
    },
}

impl Variables {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable. Line breaks are left out of the value, as Flux does: a value stays on its line.
    ///
    /// # Errors
    /// The name is not one that a variable can have.
    pub fn set(&mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Result<(), InvalidName> {
        let name = name.into();
        let letter = |c: u8| c == b'_' || c.is_ascii_alphabetic();
        let valid = name.bytes().next().is_some_and(letter) && name.bytes().all(|c| letter(c) || c.is_ascii_digit());
        if !valid {
            return Err(InvalidName(name));
        }
        self.set_unchecked(name, value.as_ref());
        Ok(())
    }

    pub(super) fn set_unchecked(&mut self, name: impl Into<String>, value: &[u8]) {
        // Room for all of it at once: what grows leaves copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(value.len()));
        line.extend(value.iter().copied().filter(|byte| *byte != b'\n'));
        self.0.insert(name.into(), line);
    }

    /// Sets all of `others` on top of what is there.
    pub fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|value| value.as_slice())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A digest over names and values: equal variables have equal digests.
    pub fn digest(&self) -> Digest {
        let mut text = Zeroizing::new(Vec::new());
        for (name, value) in &self.0 {
            text.extend_from_slice(format!("{}:{name}{}:", name.len(), value.len()).as_bytes());
            text.extend_from_slice(value);
        }
        Digest::sha256(&text)
    }

    /// Reads the entries of ConfigMaps and Secrets of one namespace, the later over the earlier, and sets them on top of
    /// what is there.
    ///
    /// # Errors
    /// One that is not optional is missing or cannot be read, or an entry cannot be a variable.
    pub async fn read(
        &mut self,
        cx: &Context,
        cluster: &dyn Cluster,
        namespace: &str,
        from: &[SubstituteFrom],
    ) -> Result<(), VariablesError> {
        for SubstituteFrom { kind, name, optional } in from {
            let (kind, namespace, name) = (*kind, namespace.to_owned(), name.clone());
            let object = ObjectId::new("", kind.name(), &*namespace, &*name).at("v1");
            match cluster.get(cx, &object).await {
                Ok(Some(object)) => {
                    self.set_all(&object).map_err(|problem| VariablesError::Entry { kind, namespace, name, problem })?
                }
                Ok(None) if *optional => {}
                Ok(None) => return Err(VariablesError::NotFound { kind, namespace, name }),
                Err(error) => return Err(VariablesError::Read { kind, namespace, name, error }),
            }
        }
        Ok(())
    }

    fn set_all(&mut self, object: &Object) -> Result<(), String> {
        let data = object.as_map().get("data").and_then(Value::as_object);
        for (key, value) in data.into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            let set = if object.is_secret() {
                let value = STANDARD.decode(text).map(Zeroizing::new);
                let value = value.map_err(|_| format!("data.{key} is not base64"))?;
                self.set(key, &*value)
            } else {
                self.set(key, text)
            };
            set.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
