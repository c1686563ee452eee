//! The server as a [`Cluster`]: objects are shared, nothing becomes text.

use std::sync::Arc;

use async_trait::async_trait;
use flux_core::cluster::{
    ApplyOptions, Cluster, ClusterError, DeleteOptions, Identity, ListOptions, ObjectList, Patch, Propagation,
    Resource, Status as ApiStatus, StatusCause, WatchEvent, WatchOptions, WatchStream, WriteOptions,
};
use flux_core::{Context, Gvk, Object, ObjectRef};
use futures::StreamExt;
use serde_json::Value;

use super::calls::Verb;
use super::faults::Call;
use super::fields::Fields;
use super::selector::{FieldSelector, LabelSelector};
use super::status::Status;
use super::verbs::{self, Target, Validation};
use super::watch::{self, Change};
use super::{ApiServer, User};

/// The server as one user sees it.
#[derive(Debug, Clone)]
struct As {
    server: ApiServer,
    user: User,
}

fn refused(status: Status) -> ClusterError {
    if status.code == 410 {
        return ClusterError::Expired;
    }
    if status.is_unreachable() {
        return ClusterError::Unreachable(Box::new(status));
    }
    let causes = status.details.as_ref().and_then(|d| d.get("causes")).and_then(Value::as_array);
    let text = |c: &Value, key: &str| c.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let causes = causes.into_iter().flatten().map(|c| StatusCause {
        reason: text(c, "reason"),
        message: text(c, "message"),
        field: text(c, "field"),
    });
    let retry = status.details.as_ref().and_then(|d| d.get("retryAfterSeconds")).and_then(Value::as_u64);
    ClusterError::Api(ApiStatus {
        code: status.code,
        reason: status.reason.into_owned(),
        causes: causes.collect(),
        message: status.message,
        retry_after_seconds: retry.and_then(|r| u32::try_from(r).ok()),
    })
}

fn object(fields: Arc<Fields>) -> Result<Object, ClusterError> {
    Object::from_shared(fields).map_err(|e| ClusterError::Invalid(e.to_string()))
}

impl As {
    fn resource_of(&self, gvk: &Gvk) -> Result<Arc<super::registry::Resource>, ClusterError> {
        let state = self.server.lock();
        let found = state.registry.kind(&gvk.group, &gvk.version, &gvk.kind).cloned();
        found.ok_or_else(|| ClusterError::UnknownKind(gvk.clone()))
    }

    fn target(&self, gvk: &Gvk, namespace: &str, name: &str) -> Result<Target, ClusterError> {
        let resource = self.resource_of(gvk)?;
        let namespace = if resource.namespaced { namespace.to_owned() } else { String::new() };
        Ok(Target { resource, namespace, name: name.to_owned(), subresource: String::new() })
    }

    /// The target of one object, which needs a namespace where its kind has them.
    fn one(&self, gvk: &Gvk, namespace: &str, name: &str) -> Result<Target, ClusterError> {
        let target = self.target(gvk, namespace, name)?;
        if target.resource.namespaced && namespace.is_empty() {
            return Err(ClusterError::Invalid(format!("{} {name:?} needs a namespace", gvk.kind)));
        }
        if name.is_empty() {
            return Err(ClusterError::Invalid(format!("{} without a name", gvk.kind)));
        }
        Ok(target)
    }

    fn of(&self, o: &Object) -> Result<Target, ClusterError> {
        self.one(&o.gvk(), o.namespace().unwrap_or_default(), o.name())
    }

    fn write(&self, manager: &str, dry_run: bool) -> verbs::WriteOptions {
        verbs::WriteOptions {
            dry_run,
            manager: manager.to_owned(),
            validation: Validation::Warn,
            now: self.server.inner.clock.stamp(),
            duplicates: Vec::new(),
        }
    }

    /// Carries out one request, if the user may make it: within the deadline of the context, should it take any time.
    async fn call<T>(
        &self,
        cx: &Context,
        verb: Verb,
        target: &Target,
        dry_run: bool,
        work: impl FnOnce(&mut Call) -> Result<T, Status>,
    ) -> Result<T, ClusterError> {
        self.carry_out(cx, Call::new(&self.user, verb, target, dry_run), verb, target, work).await
    }

    async fn carry_out<T>(
        &self,
        cx: &Context,
        call: Call,
        verb: Verb,
        target: &Target,
        work: impl FnOnce(&mut Call) -> Result<T, Status>,
    ) -> Result<T, ClusterError> {
        cx.check()?;
        let done = self.server.carry_out(call, |call| {
            self.server.authorize(&self.user, target, verb.of_roles())?;
            work(call)
        });
        self.within(cx, done).await
    }

    /// What comes of a request before the deadline of the context; without faults no request takes any time.
    async fn within<T>(&self, cx: &Context, done: impl Future<Output = Result<T, Status>>) -> Result<T, ClusterError> {
        if self.server.inner.faults.any() { cx.run(done).await? } else { done.await }.map_err(refused)
    }
}

fn selectors(target: &Target, labels: Option<&str>, fields: Option<&str>) -> Result<verbs::ListOptions, ClusterError> {
    let resource = &target.resource;
    let labels = LabelSelector::parse(labels.unwrap_or("")).map_err(|e| refused(Status::bad_request(e)))?;
    let also = resource.custom.as_ref().map(|c| c.selectable.as_slice());
    let fields = FieldSelector::parse(fields.unwrap_or(""), &resource.kind, &resource.group, also).map_err(refused)?;
    Ok(verbs::ListOptions { labels, fields, ..verbs::ListOptions::default() })
}

#[async_trait]
impl Cluster for As {
    async fn resource(&self, cx: &Context, gvk: &Gvk) -> Result<Resource, ClusterError> {
        cx.check()?;
        let found = self.resource_of(gvk);
        let call = Call::discovery(&self.user, found.as_ref().ok().cloned());
        self.within(cx, self.server.carry_out(call, |_| Ok(()))).await?;
        let resource = found?;
        Ok(Resource { gvk: gvk.clone(), plural: resource.plural.clone(), namespaced: resource.namespaced })
    }

    async fn get(&self, cx: &Context, o: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        let target = self.one(&o.gvk(), &o.id.namespace, &o.id.name)?;
        let found = self.call(cx, Verb::Get, &target, false, |_| match self.server.read(&target) {
            Ok(found) => Ok(Some(found)),
            Err(status) if status.code == 404 => Ok(None),
            Err(status) => Err(status),
        });
        found.await?.map(object).transpose()
    }

    async fn list(&self, cx: &Context, gvk: &Gvk, options: &ListOptions) -> Result<ObjectList, ClusterError> {
        let target = self.target(gvk, options.namespace.as_deref().unwrap_or(""), "")?;
        let mut list = selectors(&target, options.label_selector.as_deref(), options.field_selector.as_deref())?;
        list.limit = options.limit.unwrap_or(0) as usize;
        list.continue_token.clone_from(&options.continue_token);
        let listed = self.call(cx, Verb::List, &target, false, |call| self.server.list(&target, list, call)).await?;
        Ok(ObjectList {
            items: listed.items.into_iter().map(object).collect::<Result<_, _>>()?,
            resource_version: listed.resource_version.to_string(),
            continue_token: listed.continue_token,
        })
    }

    async fn watch(&self, cx: &Context, gvk: &Gvk, options: &WatchOptions) -> Result<WatchStream, ClusterError> {
        let target = self.target(gvk, options.namespace.as_deref().unwrap_or(""), "")?;
        let list = selectors(&target, options.label_selector.as_deref(), options.field_selector.as_deref())?;
        let from = match options.resource_version.as_deref() {
            None | Some("") => None,
            Some(v) => {
                Some(v.parse().map_err(|_| ClusterError::Invalid(format!("resource version {v:?} is no number")))?)
            }
        };
        let options = watch::WatchOptions { list, from, ..watch::WatchOptions::default() };
        let begin = |call: &mut Call| self.server.watch(target.clone(), options, call);
        let watcher = self.call(cx, Verb::Watch, &target, false, begin).await?;
        let stream = futures::stream::unfold(watcher, |mut watcher| async move {
            let event = match watcher.next().await? {
                Change::Added(o) => object(o).map(WatchEvent::Added),
                Change::Modified(o) => object(o).map(WatchEvent::Modified),
                Change::Deleted(o) => object(o).map(WatchEvent::Deleted),
                Change::Bookmark(revision, _) => Ok(WatchEvent::Bookmark(revision.to_string())),
                Change::Error(status) => Err(refused(status)),
            };
            Some((event, watcher))
        });
        Ok(stream.boxed())
    }

    async fn apply(&self, cx: &Context, o: &Object, options: &ApplyOptions) -> Result<Object, ClusterError> {
        let target = self.of(o)?;
        let patch = verbs::Patch::Apply { config: o.shared(), force: options.force };
        let write = self.write(&options.field_manager, options.dry_run);
        let work = |_: &mut Call| self.server.patch_object(&self.user, &target, &patch, &write);
        object(self.call(cx, Verb::Apply, &target, options.dry_run, work).await?.object)
    }

    async fn create(&self, cx: &Context, o: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        let mut target = self.target(&options.created_on(&o.gvk()), o.namespace().unwrap_or_default(), "")?;
        if let Some(subresource) = &options.subresource {
            target = Target { name: o.name().to_owned(), subresource: subresource.clone(), ..target };
        }
        let write = self.write(&options.field_manager, options.dry_run);
        let work = |_: &mut Call| self.server.create_object(&self.user, &target, (*o.shared()).clone(), &write);
        let call = Call::new(&self.user, Verb::Create, &target, options.dry_run).named(o.name());
        object(self.carry_out(cx, call, Verb::Create, &target, work).await?.object)
    }

    async fn update(&self, cx: &Context, o: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        let mut target = self.of(o)?;
        target.subresource = options.subresource.clone().unwrap_or_default();
        let write = self.write(&options.field_manager, options.dry_run);
        let work = |_: &mut Call| self.server.update_object(&self.user, &target, (*o.shared()).clone(), &write);
        object(self.call(cx, Verb::Update, &target, options.dry_run, work).await?.object)
    }

    async fn patch(
        &self,
        cx: &Context,
        o: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let mut target = self.one(&o.gvk(), &o.id.namespace, &o.id.name)?;
        target.subresource = options.subresource.clone().unwrap_or_default();
        let patch = match patch {
            Patch::Json(p) => verbs::Patch::Json(p.clone()),
            Patch::Merge(p) => verbs::Patch::Merge(p.clone()),
            Patch::Strategic(p) => verbs::Patch::Strategic(p.clone()),
        };
        let write = self.write(&options.field_manager, options.dry_run);
        let work = |_: &mut Call| self.server.patch_object(&self.user, &target, &patch, &write);
        object(self.call(cx, Verb::Patch, &target, options.dry_run, work).await?.object)
    }

    async fn delete(&self, cx: &Context, o: &ObjectRef, options: &DeleteOptions) -> Result<bool, ClusterError> {
        let target = self.one(&o.gvk(), &o.id.namespace, &o.id.name)?;
        let delete = verbs::DeleteOptions {
            dry_run: options.dry_run,
            grace: None,
            propagation: Some(match options.propagation {
                Propagation::Background => verbs::Propagation::Background,
                Propagation::Foreground => verbs::Propagation::Foreground,
                Propagation::Orphan => verbs::Propagation::Orphan,
            }),
            uid: options.preconditions.uid.clone(),
            resource_version: options.preconditions.resource_version.clone(),
            now: Some(self.server.inner.clock.now()),
        };
        let work = |_: &mut Call| match self.server.delete_object(&target, &delete) {
            Ok(_) => Ok(true),
            Err(status) if status.code == 404 => Ok(false),
            Err(status) => Err(status),
        };
        self.call(cx, Verb::Delete, &target, options.dry_run, work).await
    }

    fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
        if identity.user.is_empty() {
            return Err(ClusterError::Invalid("an identity needs a user name".to_owned()));
        }
        let user = User::new(&identity.user, &identity.groups);
        Ok(Arc::new(As { server: self.server.clone(), user }))
    }
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl Cluster for ApiServer {
            $(async fn $name(&self, cx: &Context, $($arg: $ty),*) -> Result<$out, ClusterError> {
                self.as_admin().$name(cx, $($arg),*).await
            })*

            fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
                self.as_admin().impersonate(identity)
            }
        }
    };
}

forward! {
    resource(gvk: &Gvk) -> Resource;
    get(o: &ObjectRef) -> Option<Object>;
    list(gvk: &Gvk, options: &ListOptions) -> ObjectList;
    watch(gvk: &Gvk, options: &WatchOptions) -> WatchStream;
    apply(o: &Object, options: &ApplyOptions) -> Object;
    create(o: &Object, options: &WriteOptions) -> Object;
    update(o: &Object, options: &WriteOptions) -> Object;
    patch(o: &ObjectRef, patch: &Patch, options: &WriteOptions) -> Object;
    delete(o: &ObjectRef, options: &DeleteOptions) -> bool;
}

impl ApiServer {
    fn as_admin(&self) -> As {
        As { server: self.clone(), user: User::admin() }
    }
}
