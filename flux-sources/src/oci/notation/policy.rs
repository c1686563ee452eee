//! Which artifacts have to be signed by whom, and what happens where they are not: `trustpolicy.json` of the Notary Project.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::identity::Identity;

/// The statements, one for each scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy(Vec<Statement>);

/// What holds for some repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Repositories such as `ghcr.io/org/app`; none stands for all.
    scopes: Option<Vec<String>>,
    pub(super) level: Level,
    /// Whose certificate it has to be; none stands for anybody's, below a trusted one.
    pub(super) identities: Option<Vec<Identity>>,
}

/// How far signatures are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Not at all.
    Skip,
    /// That a signature is whole is always enforced, and the rest as is said.
    Verify(Enforcement),
}

/// What happens where a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Enforcement {
    pub(super) authenticity: Action,
    pub(super) timestamp: Action,
    pub(super) expiry: Action,
    pub(super) revocation: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Enforce,
    Log,
    Skip,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    version: String,
    #[serde(default)]
    trust_policies: Vec<Written>,
}

/// A statement as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    name: String,
    signature_verification: Verification,
    #[serde(default)]
    trust_stores: Option<Vec<String>>,
    #[serde(default)]
    trusted_identities: Option<Vec<String>>,
    #[serde(default)]
    registry_scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Verification {
    level: String,
    #[serde(default, rename = "override")]
    overridden: Option<BTreeMap<String, Action>>,
}

impl Policy {
    /// Reads a document of version 1.0.
    ///
    /// # Errors
    /// In words: a document that the Notary Project refuses, or one that asks for what is not done here.
    pub(super) fn read(document: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
        if document.version != "1.0" {
            return Err(format!("is of version `{}` and not `1.0`", document.version.escape_debug()));
        }
        let (mut names, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        let mut statements = Vec::new();
        for written in document.trust_policies {
            let name = written.name.clone();
            let refused = |problem: String| format!("the statement `{}` {problem}", name.escape_debug());
            if name.is_empty() || !names.insert(name.clone()) {
                return Err(refused("has the name of another, or none".into()));
            }
            let listed = written.registry_scopes.clone().unwrap_or_default();
            if let Some(scope) = listed.iter().find(|scope| !scopes.insert((*scope).clone())) {
                return Err(refused(format!("has the scope `{}`, which is there already", scope.escape_debug())));
            }
            statements.push(Statement::read(written).map_err(refused)?);
        }
        if statements.is_empty() { Err("holds no statement".into()) } else { Ok(Self(statements)) }
    }

    /// What holds for a repository; the statement for all gives way to one that names it.
    pub(super) fn of(&self, repository: &str) -> Option<&Statement> {
        let named = |statement: &&Statement| {
            statement.scopes.as_ref().is_some_and(|scopes| scopes.iter().any(|scope| scope == repository))
        };
        self.0.iter().find(named).or_else(|| self.0.iter().find(|statement| statement.scopes.is_none()))
    }

    /// Whether any signature has to lead to a trusted certificate.
    pub(super) fn needs_certificates(&self) -> bool {
        self.0.iter().any(|statement| statement.level != Level::Skip)
    }
}

impl Statement {
    fn read(written: Written) -> Result<Self, String> {
        let level = Level::read(&written.signature_verification)?;
        let scopes = match written.registry_scopes.unwrap_or_default() {
            none if none.is_empty() => return Err("has no scope".into()),
            one if one == ["*"] => None,
            some => match some.iter().find(|scope| scope.contains('*') || !scope.contains('/')) {
                Some(scope) => return Err(format!("has the scope `{}`, which is no repository", scope.escape_debug())),
                None => Some(some),
            },
        };
        // Flux takes no notice of what a statement trusts that verifies nothing.
        if level == Level::Skip {
            return Ok(Self { scopes, level, identities: None });
        }
        check_stores(&written.trust_stores.unwrap_or_default())?;
        let identities = match written.trusted_identities.unwrap_or_default() {
            none if none.is_empty() => return Err("trusts no identity".into()),
            one if one == ["*"] => None,
            some => Some(some.iter().map(|text| Identity::read(text)).collect::<Result<_, _>>()?),
        };
        Ok(Self { scopes, level, identities })
    }
}

/// Whether the stores are of certificates that sign; as in Flux, each of them is all certificates of the Secret.
fn check_stores(stores: &[String]) -> Result<(), String> {
    for store in stores {
        match store.split_once(':') {
            Some(("ca" | "signingAuthority", name)) if !name.is_empty() => {}
            Some(("tsa", _)) => return Err("trusts time-stamping authorities, whose stamps are not read".into()),
            _ => return Err(format!("has the trust store `{}`, which is none", store.escape_debug())),
        }
    }
    if stores.iter().any(|store| store.starts_with("ca:")) {
        Ok(())
    } else {
        Err("has no trust store of the type `ca`".into())
    }
}

impl Level {
    fn read(written: &Verification) -> Result<Self, String> {
        use Action::{Enforce, Log};
        let of =
            |authenticity, others| Enforcement { authenticity, timestamp: others, expiry: others, revocation: others };
        let mut enforcement = match written.level.as_str() {
            "strict" => of(Enforce, Enforce),
            "permissive" => of(Enforce, Log),
            "audit" => of(Log, Log),
            "skip" if written.overridden.as_ref().is_none_or(BTreeMap::is_empty) => return Ok(Self::Skip),
            "skip" => return Err("overrides the level `skip`".into()),
            other => return Err(format!("has the level `{}`, which is none", other.escape_debug())),
        };
        for (check, action) in written.overridden.iter().flatten() {
            let place = match check.as_str() {
                "authenticity" => &mut enforcement.authenticity,
                "authenticTimestamp" => &mut enforcement.timestamp,
                "expiry" => &mut enforcement.expiry,
                "revocation" => &mut enforcement.revocation,
                other => return Err(format!("overrides `{}`, which cannot be", other.escape_debug())),
            };
            if *action == Action::Skip && check != "revocation" {
                return Err(format!("skips `{check}`, which cannot be"));
            }
            *place = *action;
        }
        Ok(Self::Verify(enforcement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn statement(change: impl FnOnce(&mut Value)) -> Value {
        let mut statement = json!({
            "name": "a",
            "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:store"],
            "trustedIdentities": ["*"],
        });
        change(&mut statement);
        statement
    }

    fn read(statements: &[Value]) -> Result<Policy, String> {
        Policy::read(&serde_json::to_vec(&json!({"version": "1.0", "trustPolicies": statements})).unwrap())
    }

    #[test]
    fn the_statement_that_names_a_repository_holds_for_it() {
        let named = statement(|s| {
            s["name"] = "b".into();
            s["registryScopes"] = json!(["ghcr.io/org/app", "localhost:5000/app"]);
            s["signatureVerification"] = json!({"level": "skip"});
        });
        let policy = read(&[statement(|_| {}), named.clone()]).unwrap();
        for (repository, skipped) in [
            ("ghcr.io/org/app", true),
            ("localhost:5000/app", true),
            ("ghcr.io/org/app2", false),
            ("ghcr.io/org", false),
            ("ghcr.io/org/app/more", false),
        ] {
            assert_eq!(policy.of(repository).unwrap().level == Level::Skip, skipped, "{repository}");
        }
        let policy = read(&[named]).unwrap();
        assert_eq!(policy.of("ghcr.io/other"), None);
        assert!(!policy.needs_certificates());
    }

    #[test]
    fn levels_say_what_is_enforced() {
        use Action::{Enforce, Log, Skip};
        let level = |verification: Value| {
            let policy = read(&[statement(|s| s["signatureVerification"] = verification)]).unwrap();
            match policy.of("a/b").unwrap().level {
                Level::Verify(e) => [e.authenticity, e.timestamp, e.expiry, e.revocation],
                Level::Skip => [Skip; 4],
            }
        };
        assert_eq!(level(json!({"level": "strict"})), [Enforce; 4]);
        assert_eq!(level(json!({"level": "permissive"})), [Enforce, Log, Log, Log]);
        assert_eq!(level(json!({"level": "audit"})), [Log; 4]);
        assert_eq!(level(json!({"level": "skip"})), [Skip; 4]);
        let overridden = json!({"revocation": "skip", "expiry": "log", "authenticTimestamp": "log"});
        assert_eq!(level(json!({"level": "strict", "override": overridden})), [Enforce, Log, Log, Skip]);
        let overridden = json!({"authenticity": "enforce"});
        assert_eq!(level(json!({"level": "audit", "override": overridden})), [Enforce, Log, Log, Log]);
    }

    #[test]
    fn h33_policies_that_leave_open_what_is_trusted_are_refused() {
        type Change = fn(&mut Value);
        for (change, problem) in [
            ((|s| s["registryScopes"] = json!([])) as Change, "has no scope"),
            (|s| s["registryScopes"] = json!(["*", "a/b"]), "the scope `*`, which is no repository"),
            (|s| s["registryScopes"] = json!(["ghcr.io/*"]), "which is no repository"),
            (|s| s["registryScopes"] = json!(["app"]), "which is no repository"),
            (|s| s["registryScopes"] = json!(["a/b", "a/b"]), "which is there already"),
            (|s| s["name"] = "".into(), "or none"),
            (|s| s["trustStores"] = json!([]), "no trust store of the type `ca`"),
            (|s| s["trustStores"] = json!(["signingAuthority:a"]), "no trust store of the type `ca`"),
            (|s| s["trustStores"] = json!(["ca:"]), "which is none"),
            (|s| s["trustStores"] = json!(["store"]), "which is none"),
            (|s| s["trustStores"] = json!(["ca:a", "tsa:b"]), "whose stamps are not read"),
            (|s| s["trustedIdentities"] = json!([]), "trusts no identity"),
            (|s| s["trustedIdentities"] = json!(["*", "x509.subject: C=US,ST=WA,O=o"]), "`*`"),
            (|s| s["trustedIdentities"] = json!(["CN=a"]), "CN=a"),
            (|s| s["signatureVerification"] = json!({"level": "none"}), "the level `none`"),
            (|s| s["signatureVerification"] = json!({"level": ""}), "the level ``"),
            (
                |s| s["signatureVerification"] = json!({"level": "strict", "override": {"integrity": "log"}}),
                "overrides `integrity`",
            ),
            (
                |s| s["signatureVerification"] = json!({"level": "strict", "override": {"authenticity": "skip"}}),
                "skips `authenticity`",
            ),
            (
                |s| s["signatureVerification"] = json!({"level": "skip", "override": {"revocation": "log"}}),
                "overrides the level `skip`",
            ),
        ] {
            let error = read(&[statement(change)]).unwrap_err();
            assert!(error.contains(problem), "{problem}: {error}");
        }
        let twice = [statement(|_| {}), statement(|s| s["name"] = "b".into())];
        assert!(read(&twice).unwrap_err().contains("which is there already"));
        assert!(read(&[statement(|_| {}), statement(|_| {})]).unwrap_err().contains("the name of another"));
        assert!(read(&[]).unwrap_err().contains("no statement"));
        assert!(Policy::read(br#"{"version": "2.0"}"#).unwrap_err().contains("version `2.0`"));
        assert!(Policy::read(b"[]").is_err() && Policy::read(b"").is_err());
    }
}
