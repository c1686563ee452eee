//! Which requests are meant.

use super::{Request, Verb};

/// Some of the requests to a server: those that a [`Fault`](crate::apiserver::Fault) is for, or that are counted.
///
/// ```
/// use flux_kube::apiserver::{Calls, Verb};
/// let applies = Calls::of(Verb::Apply).kind("Deployment").namespace("apps").name("web-*");
/// let refused_writes = Calls::writes().user("system:serviceaccount:apps:flux").refused();
/// # let _ = (applies, refused_writes);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Calls {
    verbs: Option<Vec<Verb>>,
    group: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
    user: Option<String>,
    dry_run: Option<bool>,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, Default)]
enum Answer {
    #[default]
    Any,
    Code(u16),
    Refused,
}

impl Calls {
    /// Every request.
    pub fn all() -> Self {
        Calls::default()
    }

    /// Requests with this verb.
    pub fn of(verb: Verb) -> Self {
        Calls { verbs: Some(vec![verb]), ..Calls::default() }
    }

    /// Requests with one of these verbs.
    pub fn any_of(verbs: impl IntoIterator<Item = Verb>) -> Self {
        Calls { verbs: Some(verbs.into_iter().collect()), ..Calls::default() }
    }

    /// Requests that change objects; dry runs do not.
    pub fn writes() -> Self {
        let verbs =
            [Verb::Create, Verb::Update, Verb::Patch, Verb::Apply, Verb::Delete, Verb::DeleteCollection].to_vec();
        Calls { verbs: Some(verbs), dry_run: Some(false), ..Calls::default() }
    }

    /// Requests that read: get, list and watch.
    pub fn reads() -> Self {
        Calls::any_of([Verb::Get, Verb::List, Verb::Watch])
    }

    /// Of these, those about this kind.
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self
    }

    /// Of these, those about kinds of this API group; the core group is the empty one.
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Of these, those in this namespace.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Of these, those about the object of this name; `web-*` is any name that starts with `web-`.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Of these, those about this part of an object, such as `status`; the empty one is the object itself.
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// Of these, those by this user, or by whoever acts as this user.
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Of these, the dry runs, or all others.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = Some(dry_run);
        self
    }

    /// Of these, those answered with this HTTP status code; 200 is every success. A fault, which comes before the
    /// answer, does not look at this.
    pub fn code(mut self, code: u16) -> Self {
        self.answer = Answer::Code(code);
        self
    }

    /// Of these, those that failed. A fault, which comes before the answer, does not look at this.
    pub fn refused(mut self) -> Self {
        self.answer = Answer::Refused;
        self
    }

    /// Whether a request that has no answer yet is meant.
    pub(crate) fn means(&self, request: &Request) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        self.verbs.as_ref().is_none_or(|v| v.contains(&request.verb))
            && is(&self.kind, request.kind())
            && is(&self.group, request.group())
            && is(&self.namespace, &request.namespace)
            && is(&self.subresource, &request.subresource)
            && is(&self.user, &request.user)
            && self.dry_run.is_none_or(|d| d == request.dry_run)
            && self.name.as_deref().is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(start) => request.name.starts_with(start),
                None => request.name == wanted,
            })
    }

    /// Whether a request that was answered is meant.
    pub(crate) fn include(&self, request: &Request) -> bool {
        self.means(request)
            && match self.answer {
                Answer::Any => true,
                Answer::Code(code) => request.code == code,
                Answer::Refused => request.code != 200,
            }
    }
}
