//! Who asks, and whether they may: tokens, impersonation and RBAC.

mod escalation;
mod rbac;
pub(crate) mod reviews;
mod roles;

use ::http::request::Parts;

pub(crate) use roles::bootstrap;

use super::ApiServer;
use super::status::Status;
use super::verbs::{State, Target};

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    /// The user of requests that say nothing else; may do everything.
    pub(crate) fn admin() -> Self {
        User { name: "admin".to_owned(), groups: vec![MASTERS.to_owned(), "system:authenticated".to_owned()] }
    }

    /// A user with the groups that everyone of their sort has.
    pub(crate) fn new(name: &str, groups: &[String]) -> Self {
        let mut groups = groups.to_vec();
        if let Some(account) = name.strip_prefix("system:serviceaccount:")
            && let Some((namespace, _)) = account.split_once(':')
            && groups.is_empty()
        {
            groups.push("system:serviceaccounts".to_owned());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
        let everyone = if name == ANONYMOUS { "system:unauthenticated" } else { "system:authenticated" };
        if !groups.iter().any(|g| g == everyone) {
            groups.push(everyone.to_owned());
        }
        User { name: name.to_owned(), groups }
    }

    pub(crate) fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Members of this group may do everything, whatever the roles say.
    pub(crate) fn is_master(&self) -> bool {
        self.in_group(MASTERS)
    }
}

/// A user who is known by a token.
#[derive(Debug, Clone)]
pub(crate) struct KnownToken {
    pub(crate) user: User,
    /// When it ends; never, for the tokens that a server starts with.
    pub(crate) until: Option<jiff::Timestamp>,
}

const MASTERS: &str = "system:masters";
const ANONYMOUS: &str = "system:anonymous";

/// What a request wants to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With its subresource: `deployments/scale`.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The path of a request that is for no resource; the other fields are empty then.
    pub(crate) path: Option<String>,
}

impl Attributes {
    pub(crate) fn of(target: &Target, verb: &str) -> Self {
        let resource = &target.resource;
        let name = if target.subresource.is_empty() {
            resource.plural.clone()
        } else {
            format!("{}/{}", resource.plural, target.subresource)
        };
        Attributes {
            verb: verb.to_owned(),
            group: resource.group.clone(),
            resource: name,
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            path: None,
        }
    }

    /// The refusal of this by `user`.
    pub(crate) fn forbidden(&self, user: &User, reason: &str) -> Status {
        let name = &user.name;
        if let Some(path) = &self.path {
            return Status::forbidden_path(&format!("User {name:?} cannot {} path {path:?}", self.verb));
        }
        let scope = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", self.namespace)
        };
        let mut why = format!(
            "User {name:?} cannot {} resource {:?} in API group {:?} {scope}",
            self.verb, self.resource, self.group
        );
        if !reason.is_empty() {
            why.push_str(": ");
            why.push_str(reason);
        }
        let plain = self.resource.split('/').next().unwrap_or("");
        Status::forbidden(&self.group, plain, &self.name, &why)
    }
}

impl ApiServer {
    /// Who sends a request: by its token, or by the certificate of its connection, or anybody.
    ///
    /// # Errors
    /// A token nobody has, or an impersonation that is not allowed.
    pub(crate) fn authenticate(&self, request: &Parts) -> Result<User, Status> {
        let headers = &request.headers;
        let text = |key: &str| headers.get(key).and_then(|v| v.to_str().ok());
        let token = text("authorization").and_then(|v| v.strip_prefix("Bearer ")).map(str::trim);
        let certified = request.extensions.get::<User>();
        let user = match token {
            Some(token) => match self.user_of_token(token) {
                Some(user) => user,
                None if self.inner.open => User::admin(),
                None => return Err(Status::new(401, "Unauthorized", "Unauthorized")),
            },
            None => match certified {
                Some(user) => user.clone(),
                None if self.inner.open => User::admin(),
                None => User::new(ANONYMOUS, &[]),
            },
        };
        let groups: Vec<String> =
            headers.get_all("impersonate-group").iter().filter_map(|v| v.to_str().ok().map(str::to_owned)).collect();
        let Some(name) = text("impersonate-user").filter(|n| !n.is_empty()) else {
            if groups.is_empty() {
                return Ok(user);
            }
            let shown: Vec<String> = groups.iter().map(|g| format!("{g:?}")).collect();
            return Err(Status::bad_request(format!(
                "requested &user.DefaultInfo{{Name:\"\", UID:\"\", Groups:[]string{{{}}}, Extra:map[string][]string(nil)}} without impersonating a user name",
                shown.join(", ")
            )));
        };
        let state = self.lock();
        let may = |resource: &str, namespace: &str, name: &str| {
            let attributes = Attributes {
                verb: "impersonate".to_owned(),
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..Attributes::default()
            };
            state.check(&user, &attributes)
        };
        match name.strip_prefix("system:serviceaccount:").and_then(|a| a.split_once(':')) {
            Some((namespace, account)) => may("serviceaccounts", namespace, account)?,
            None => may("users", "", name)?,
        }
        for group in &groups {
            may("groups", "", group)?;
        }
        Ok(User::new(name, &groups))
    }

    /// Who is known by a token that has not ended.
    pub(crate) fn user_of_token(&self, token: &str) -> Option<User> {
        let now = self.inner.clock.now();
        let state = self.lock();
        let known = state.tokens.get(token)?;
        known.until.is_none_or(|until| until > now).then(|| known.user.clone())
    }

    /// Whether `user` may do `verb` to `target`.
    pub(crate) fn authorize(&self, user: &User, target: &Target, verb: &str) -> Result<(), Status> {
        if user.is_master() {
            return Ok(());
        }
        self.lock().check(user, &Attributes::of(target, verb))
    }

    pub(crate) fn authorize_attributes(&self, user: &User, attributes: &Attributes) -> Result<(), Status> {
        if user.is_master() {
            return Ok(());
        }
        self.lock().check(user, attributes)
    }
}

impl State {
    /// Refuses what `user` may not do.
    pub(crate) fn check(&self, user: &User, attributes: &Attributes) -> Result<(), Status> {
        match self.allows(user, attributes) {
            (true, _) => Ok(()),
            (false, reason) => Err(attributes.forbidden(user, &reason)),
        }
    }
}
