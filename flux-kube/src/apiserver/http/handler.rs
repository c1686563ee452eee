//! From an HTTP request to an answer.

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{HeaderMap, Method, Response, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::ServiceError;
use super::body::Body;
use super::negotiate::{self, Accepted, Encoding, Shape, accept};
use super::options::{self, Query};
use super::route::{ResourcePath, Route, parse};
use crate::apiserver::auth::{Attributes, User};
use crate::apiserver::calls::Verb;
use crate::apiserver::faults::Call;
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::{Resource, discovery};
use crate::apiserver::status::Status;
use crate::apiserver::verbs::{Deleted, Listed, Target, WriteOptions, Written, meta_str};
use crate::apiserver::watch::Change;
use crate::apiserver::{ApiServer, input, openapi, table};

/// Answers a request; an error is no answer at all.
pub(super) async fn handle(
    server: &ApiServer,
    parts: &Parts,
    body: Result<Bytes, Status>,
) -> Result<Response<Body>, ServiceError> {
    let query = Query::parse(parts.uri.query());
    let route = parse(parts.uri.path());
    let user = match server.authenticate(parts) {
        Ok(user) => user,
        Err(status) => return refuse(&status, Encoding::Json),
    };
    let verb = verb(parts, &route, &query);
    let allowed = server.authorize_attributes(&user, &attributes(parts, &route, verb));
    let answer = match &route {
        Route::Resource(path) => {
            let created = body.as_ref().ok().filter(|_| verb == Some(Verb::Create));
            let new = created.and_then(|body| name_in(body)).unwrap_or_default();
            let work = |call: Option<&mut Call>| {
                allowed?;
                resource(server, parts, &query, path, &user, call, body)
            };
            let known = server.lock().registry.resource(&path.group, &path.version, &path.plural).cloned();
            match (known, verb) {
                (Some(resource), Some(verb)) => {
                    let target = path.target(resource);
                    let call = Call::new(&user, verb, &target, query.get("dryRun").is_some());
                    let call = call.named(&new);
                    server.carry_out(call, |call| work(Some(call))).await
                }
                // What is not served cannot be asked for.
                _ => work(None),
            }
        }
        // Discovery does not look at the method.
        Route::Core | Route::Groups | Route::Group(_) | Route::Version(..) => {
            let call = Call::discovery(&user, None);
            server.carry_out(call, |_| allowed.and_then(|()| discover(server, parts, &route))).await
        }
        Route::Other(words) => allowed.map(|()| match parts.method {
            Method::GET | Method::HEAD => other(server, words, &query, &parts.headers),
            _ => not_found_page(),
        }),
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(status) => {
            let mut refused = refuse(&status, encoding_of_refusals(parts, &route))?;
            if let Some(deprecated) = deprecation(server, &route) {
                warn(&mut refused, &deprecated);
            }
            Ok(refused)
        }
    }
}

/// What is said to whoever uses the version of a custom resource that a request is about.
fn deprecation(server: &ApiServer, route: &Route) -> Option<String> {
    let Route::Resource(path) = route else { return None };
    let state = server.lock();
    let resource = state.registry.resource(&path.group, &path.version, &path.plural)?;
    resource.custom.as_ref()?.deprecation.clone()
}

/// The name of an object to be created.
fn name_in(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        metadata: Name,
    }
    #[derive(serde::Deserialize)]
    struct Name {
        name: Option<String>,
    }
    serde_json::from_slice::<Named>(body).ok()?.metadata.name
}

/// Refusals about resources come in the encoding that was asked for.
fn encoding_of_refusals(parts: &Parts, route: &Route) -> Encoding {
    match route {
        Route::Resource(_) => accept(&parts.headers, false).map_or(Encoding::Json, |accepted| accepted.encoding),
        _ => Encoding::Json,
    }
}

/// Answers a request for a resource.
fn resource(
    server: &ApiServer,
    parts: &Parts,
    query: &Query,
    path: &ResourcePath,
    user: &User,
    call: Option<&mut Call>,
    body: Result<Bytes, Status>,
) -> Result<Response<Body>, Status> {
    if !server.lock().registry.has_group(&path.group) {
        return Ok(not_found_page());
    }
    let accepted = accept(&parts.headers, false)?;
    Request { server, parts, query, path, accepted: &accepted, user }.run(body?, call)
}

/// The verb of a request for a resource.
fn verb(parts: &Parts, route: &Route, query: &Query) -> Option<Verb> {
    let Route::Resource(path) = route else { return None };
    let item = !path.name.is_empty();
    let media = || parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("");
    Some(match parts.method {
        Method::GET | Method::HEAD if path.watch || (!item && query.flag("watch")) => Verb::Watch,
        Method::GET | Method::HEAD if item => Verb::Get,
        Method::GET | Method::HEAD => Verb::List,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH if media().starts_with("application/apply-patch") => Verb::Apply,
        Method::PATCH => Verb::Patch,
        Method::DELETE if item => Verb::Delete,
        Method::DELETE => Verb::DeleteCollection,
        _ => return None,
    })
}

/// What a request wants to do, as authorization sees it.
fn attributes(parts: &Parts, route: &Route, verb: Option<Verb>) -> Attributes {
    let Route::Resource(path) = route else {
        return Attributes {
            verb: parts.method.as_str().to_lowercase(),
            path: Some(parts.uri.path().to_owned()),
            ..Attributes::default()
        };
    };
    let resource =
        if path.subresource.is_empty() { path.plural.clone() } else { format!("{}/{}", path.plural, path.subresource) };
    // A namespace is in itself.
    let namespace = if path.plural == "namespaces" && path.group.is_empty() { &path.name } else { &path.namespace };
    Attributes {
        verb: verb.map_or("", Verb::of_roles).to_owned(),
        group: path.group.clone(),
        resource,
        namespace: namespace.clone(),
        name: path.name.clone(),
        path: None,
    }
}

fn text(code: u16, text: &str) -> Response<Body> {
    respond(code, "text/plain; charset=utf-8", Bytes::copy_from_slice(text.as_bytes()), &[])
}

fn not_found_page() -> Response<Body> {
    text(404, "404 page not found\n")
}

fn respond(code: u16, media: &str, bytes: Bytes, warnings: &[String]) -> Response<Body> {
    let mut response = Response::new(Body::whole(bytes));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(media) = media.parse() {
        headers.insert("content-type", media);
    }
    headers.insert("cache-control", ::http::HeaderValue::from_static("no-cache, private"));
    for warning in warnings {
        warn(&mut response, warning);
    }
    response
}

fn warn(response: &mut Response<Body>, warning: &str) {
    let escaped = warning.replace('\\', "\\\\").replace('"', "\\\"");
    if let Ok(value) = format!("299 - \"{escaped}\"").parse() {
        response.headers_mut().append("warning", value);
    }
}

/// A value in the encoding the client wants.
fn encoded(code: u16, value: &Value, encoding: Encoding, warnings: &[String]) -> Response<Body> {
    match encoding {
        Encoding::Json => {
            let mut bytes = serde_json::to_vec(value).unwrap_or_default();
            bytes.push(b'\n');
            respond(code, "application/json", bytes.into(), warnings)
        }
        Encoding::Yaml => respond(code, "application/yaml", input::to_yaml(value).into(), warnings),
    }
}

fn refuse(status: &Status, encoding: Encoding) -> Result<Response<Body>, ServiceError> {
    if status.is_unreachable() {
        return Err(ServiceError);
    }
    let mut response = encoded(status.code, &status.to_value(), encoding, &[]);
    let retry = status.details.as_ref().and_then(|d| d.get("retryAfterSeconds")).and_then(Value::as_u64);
    if let Some(retry) = retry {
        response.headers_mut().insert("retry-after", retry.into());
    }
    Ok(response)
}

fn discover(server: &ApiServer, parts: &Parts, route: &Route) -> Result<Response<Body>, Status> {
    let aggregated = matches!(route, Route::Core | Route::Groups);
    let accepted = accept(&parts.headers, aggregated)?;
    let state = server.lock();
    let registry = &state.registry;
    if accepted.shape == Shape::Discovery {
        let value = discovery::aggregated(registry, matches!(route, Route::Core));
        let bytes = serde_json::to_vec(&value).unwrap_or_default();
        let media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        return Ok(respond(200, media, bytes.into(), &[]));
    }
    let value = match route {
        Route::Core => Some(discovery::core_versions()),
        Route::Groups => Some(discovery::group_list(registry)),
        Route::Group(group) => match discovery::group(registry, group) {
            Some(value) => Some(value),
            None => return Ok(not_found_page()),
        },
        Route::Version(group, version) => {
            if !registry.has_group(group) {
                return Ok(not_found_page());
            }
            discovery::resource_list(registry, group, version)
        }
        _ => None,
    };
    match value {
        Some(value) => Ok(encoded(200, &value, accepted.encoding, &[])),
        None => Err(Status::no_resource()),
    }
}

/// What is neither discovery nor a resource.
fn other(server: &ApiServer, words: &[String], query: &Query, headers: &HeaderMap) -> Response<Body> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
            for (group, versions) in server.lock().registry.groups().iter().filter(|(g, _)| !g.is_empty()) {
                paths.push(format!("/apis/{group}"));
                paths.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
            }
            paths
                .extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
            encoded(200, &json!({ "paths": paths }), Encoding::Json, &[])
        }
        ["version"] => encoded(
            200,
            &json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "", "gitTreeState": "clean",
                "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
                "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1", "minCompatibilityMinor": "35"}),
            Encoding::Json,
            &[],
        ),
        [check @ ("healthz" | "livez" | "readyz")] => {
            if query.get("verbose").is_some() {
                text(200, &format!("[+]ping ok\n[+]log ok\n[+]etcd ok\n{check} check passed\n"))
            } else {
                text(200, "ok")
            }
        }
        ["healthz" | "livez" | "readyz", "ping" | "log" | "etcd"] => text(200, "ok"),
        ["openapi", "v2"] => {
            let document = {
                let state = server.lock();
                openapi::v2::document(&state.registry, &state.store)
            };
            if negotiate::wants_protobuf(headers) {
                let bytes = openapi::v2::to_protobuf(&document);
                return respond(200, openapi::v2::PROTOBUF, bytes.into(), &[]);
            }
            encoded(200, &document, Encoding::Json, &[])
        }
        ["openapi", "v3"] => {
            let state = server.lock();
            let index = openapi::index(&state.registry, state.store.revision());
            let mut bytes = serde_json::to_vec(&index).unwrap_or_default();
            bytes.push(b'\n');
            respond(200, "text/plain; charset=utf-8", bytes.into(), &[])
        }
        ["openapi", "v3", "api", version] => open_api(server, "", version),
        ["openapi", "v3", "apis", group, version] => open_api(server, group, version),
        _ => not_found_page(),
    }
}

fn open_api(server: &ApiServer, group: &str, version: &str) -> Response<Body> {
    let state = server.lock();
    match openapi::document(&state.registry, &state.store, group, version) {
        Some(document) => encoded(200, &document, Encoding::Json, &[]),
        None => not_found_page(),
    }
}

/// A request for a resource.
struct Request<'a> {
    server: &'a ApiServer,
    parts: &'a Parts,
    query: &'a Query,
    path: &'a ResourcePath,
    accepted: &'a Accepted,
    user: &'a User,
}

const ACCEPTED_BODIES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

impl Request<'_> {
    fn run(&self, body: Bytes, call: Option<&mut Call>) -> Result<Response<Body>, Status> {
        let path = self.path;
        let (resource, page) = {
            let state = self.server.lock();
            let registry = &state.registry;
            let custom = registry.custom().flat_map(|(_, versions)| versions).any(|r| r.group == path.group);
            let served = registry.has_version(&path.group, &path.version);
            (registry.resource(&path.group, &path.version, &path.plural).cloned(), custom && !served)
        };
        if page {
            return Ok(not_found_page());
        }
        let resource = resource.ok_or_else(Status::no_resource)?;
        if !path.namespace.is_empty() && !resource.namespaced {
            if resource.custom.is_some() {
                return Ok(not_found_page());
            }
            return Err(Status::no_resource());
        }
        let target = path.target(resource);
        if !path.subresource.is_empty() && target.resource.subresource(&path.subresource).is_none() {
            let resource = &target.resource;
            return Err(match resource.custom {
                Some(_) => Status::not_found(&resource.group, &resource.plural, &target.name),
                None => Status::no_resource(),
            });
        }
        let method = &self.parts.method;
        let item = !path.name.is_empty();
        if item && target.resource.namespaced && path.namespace.is_empty() {
            return Err(Status::no_resource());
        }
        let verb = match (method, item) {
            (&Method::GET | &Method::HEAD, true) => "get",
            (&Method::GET | &Method::HEAD, false) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, true) => "update",
            (&Method::PATCH, true) => "patch",
            (&Method::DELETE, true) => "delete",
            (&Method::DELETE, false) => "deletecollection",
            _ => return Err(Status::method_not_allowed()),
        };
        let allowed = match target.resource.subresource(&path.subresource) {
            Some(sub) => sub.verbs.contains(&verb),
            None => target.resource.has(verb) && (verb != "create" || !item),
        };
        let across = verb == "deletecollection" && target.resource.namespaced && path.namespace.is_empty();
        if !allowed || across || (verb == "create" && target.resource.namespaced && path.namespace.is_empty()) {
            return Err(Status::method_not_allowed());
        }
        let watching = path.watch || self.query.flag("watch");
        if let Shape::Table(version) = &self.accepted.shape {
            self.table(version).check()?;
        }
        if let (Shape::Metadata(_), "list" | "get") = (&self.accepted.shape, verb) {
            self.check_metadata_shape(&target, verb == "list", watching)?;
        }
        let Some(call) = call else { return Err(Status::no_resource()) };
        if matches!(path.subresource.as_str(), "attach" | "exec" | "log" | "portforward" | "proxy") {
            let whole = Target { subresource: String::new(), ..target };
            self.server.read(&whole)?;
            return Err(Status::bad_request("the embedded server runs no containers"));
        }
        match verb {
            "get" if path.watch => self.watch(target, call),
            "list" if watching => self.watch(target, call),
            "get" => self.get(&target),
            "list" => self.list(&target, call),
            "create" => self.create(&target, &body),
            "update" => self.update(&target, &body),
            "patch" => self.patch(&target, &body),
            "delete" => self.delete(&target, &body),
            _ => self.delete_collection(&target, &body),
        }
    }

    /// The metadata of a list has its own name, and that of an object too.
    fn check_metadata_shape(&self, target: &Target, list: bool, watching: bool) -> Result<(), Status> {
        let header = self.parts.headers.get("accept").and_then(|v| v.to_str().ok()).unwrap_or("");
        let for_list = header.contains("PartialObjectMetadataList");
        if watching || for_list == list {
            return Ok(());
        }
        let resource = &target.resource;
        let internal = match resource.group.as_str() {
            "" => "core",
            group => group.split('.').next().unwrap_or(""),
        };
        let message = if list {
            format!(
                "you requested PartialObjectMetadata, but the requested object is a list (*{internal}.{})",
                resource.list_kind
            )
        } else {
            format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list (*{internal}.{})",
                resource.kind
            )
        };
        Err(Status::new(406, "NotAcceptable", message))
    }

    fn agent(&self) -> &str {
        self.parts.headers.get("user-agent").and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    fn media_type(&self) -> String {
        let header = self.parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("");
        header.split(';').next().unwrap_or("").trim().to_owned()
    }

    /// One object in the shape the client wants.
    fn object(&self, code: u16, target: &Target, object: &Fields, warnings: &[String]) -> Response<Body> {
        let mut warnings = warnings.to_vec();
        if let Some(warning) = target.resource.custom.as_ref().and_then(|c| c.deprecation.clone()) {
            warnings.push(warning);
        }
        let value = match &self.accepted.shape {
            Shape::Table(version) => table::of_object(&target.resource, object, &self.table(version)),
            Shape::Metadata(version) => table::metadata(object, version),
            _ => Value::Object(object.clone()),
        };
        encoded(code, &value, self.accepted.encoding, &warnings)
    }

    fn table(&self, version: &str) -> table::Options {
        table::Options {
            version: version.to_owned(),
            include: self.query.get("includeObject").unwrap_or("Metadata").to_owned(),
            now: self.server.inner.clock.now(),
        }
    }

    fn get(&self, target: &Target) -> Result<Response<Body>, Status> {
        let object = self.server.read(target)?;
        Ok(self.object(200, target, &object, &[]))
    }

    fn list(&self, target: &Target, call: &Call) -> Result<Response<Body>, Status> {
        let options = options::list(self.query, &target.resource, &target.name)?;
        let listed = self.server.list(target, options, call)?;
        Ok(self.listed(target, &listed))
    }

    fn listed(&self, target: &Target, listed: &Listed) -> Response<Body> {
        let mut meta = Fields::new();
        meta.insert("resourceVersion".into(), json!(listed.resource_version.to_string()));
        if let Some(token) = &listed.continue_token {
            meta.insert("continue".into(), json!(token));
        }
        if let Some(remaining) = listed.remaining {
            meta.insert("remainingItemCount".into(), json!(remaining));
        }
        let resource = &target.resource;
        let mut warnings = Vec::new();
        if let Some(warning) = resource.custom.as_ref().and_then(|c| c.deprecation.clone()) {
            warnings.push(warning);
        }
        let value = match &self.accepted.shape {
            Shape::Table(version) => table::of_list(resource, &listed.items, Value::Object(meta), &self.table(version)),
            Shape::Metadata(version) => {
                let items: Vec<Value> = listed.items.iter().map(|o| table::metadata(o, version)).collect();
                json!({"kind": "PartialObjectMetadataList", "apiVersion": format!("meta.k8s.io/{version}"),
                    "metadata": meta, "items": items})
            }
            _ => {
                let items: Vec<Value> = listed.items.iter().map(|o| list_item(resource, o)).collect();
                json!({"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta, "items": items})
            }
        };
        encoded(200, &value, self.accepted.encoding, &warnings)
    }

    fn watch(&self, target: Target, call: &mut Call) -> Result<Response<Body>, Status> {
        let list = options::list(self.query, &target.resource, &target.name)?;
        let options = options::watch(self.query, list);
        let target = Target { name: String::new(), ..target };
        let resource = target.resource.clone();
        let watcher = self.server.watch(target, options, call)?;
        let shape = self.accepted.shape.clone();
        let options = self.table("v1");
        let clock = self.server.inner.clock.clone();
        let first = true;
        let stream = futures::stream::unfold((watcher, first), move |(mut watcher, first)| {
            let (resource, shape, options, clock) = (resource.clone(), shape.clone(), options.clone(), clock.clone());
            async move {
                let change = watcher.next().await?;
                let options = table::Options { now: clock.now(), ..options };
                let mut bytes =
                    serde_json::to_vec(&event(&resource, &change, &shape, options, first)).unwrap_or_default();
                bytes.push(b'\n');
                Some((Bytes::from(bytes), (watcher, false)))
            }
        });
        let mut response = Response::new(Body::stream(stream));
        let headers = response.headers_mut();
        headers.insert("content-type", ::http::HeaderValue::from_static("application/json"));
        headers.insert("cache-control", ::http::HeaderValue::from_static("no-cache, private"));
        Ok(response)
    }

    fn body_encoding(&self) -> Result<input::Encoding, Status> {
        match self.media_type().as_str() {
            "" | "application/json" => Ok(input::Encoding::Json),
            "application/yaml" => Ok(input::Encoding::Yaml),
            "application/vnd.kubernetes.protobuf" => Ok(input::Encoding::Protobuf),
            _ => Err(Status::unsupported_media_type(Some(ACCEPTED_BODIES))),
        }
    }

    /// Reads a body as an object of the resource.
    fn read_object(&self, target: &Target, body: &Bytes) -> Result<(Fields, Vec<String>), Status> {
        let encoding = self.body_encoding()?;
        match target.resource.subresource(&target.subresource).map(|s| s.kind.as_str()) {
            Some(kind) if kind != target.resource.kind => input::any_object(body, encoding),
            _ => input::object(&target.resource, body, encoding),
        }
    }

    fn write_options(&self, kind: &str, duplicates: Vec<String>) -> Result<WriteOptions, Status> {
        let write = options::write(self.query, kind, false, self.agent())?;
        Ok(WriteOptions {
            dry_run: write.dry_run,
            manager: write.manager,
            validation: write.validation,
            now: self.server.inner.clock.stamp(),
            duplicates,
        })
    }

    fn written(&self, target: &Target, written: &Written) -> Response<Body> {
        let code = if written.created { 201 } else { 200 };
        self.object(code, target, &written.object, &written.warnings)
    }

    fn create(&self, target: &Target, body: &Bytes) -> Result<Response<Body>, Status> {
        let options = self.write_options("CreateOptions", Vec::new());
        let (object, duplicates) = self.read_object(target, body)?;
        let options = WriteOptions { duplicates, ..options? };
        let written = self.server.create_object(self.user, target, object, &options)?;
        Ok(self.written(target, &written))
    }

    fn update(&self, target: &Target, body: &Bytes) -> Result<Response<Body>, Status> {
        let options = self.write_options("UpdateOptions", Vec::new());
        let (object, duplicates) = self.read_object(target, body)?;
        let options = WriteOptions { duplicates, ..options? };
        let written = self.server.update_object(self.user, target, object, &options)?;
        Ok(self.written(target, &written))
    }

    fn patch(&self, target: &Target, body: &Bytes) -> Result<Response<Body>, Status> {
        let media = self.media_type();
        let apply = matches!(media.as_str(), "application/apply-patch+yaml" | "application/apply-patch+cbor");
        if !apply
            && !matches!(
                media.as_str(),
                "application/json-patch+json"
                    | "application/merge-patch+json"
                    | "application/strategic-merge-patch+json"
            )
        {
            return Err(Status::unsupported_media_type(None));
        }
        let write = options::write(self.query, "PatchOptions", apply, self.agent())?;
        let (patch, duplicates) = match input::patch(&media, body, write.force) {
            Ok(read) => read,
            // Such a patch is not read before there is something to patch.
            Err(_) if !apply && self.server.lock().find(target).is_err() => {
                return Err(Status::not_found(&target.resource.group, &target.resource.plural, &target.name));
            }
            Err(status) => return Err(status),
        };
        let options = WriteOptions {
            dry_run: write.dry_run,
            manager: write.manager,
            validation: write.validation,
            now: self.server.inner.clock.stamp(),
            duplicates,
        };
        let written = self.server.patch_object(self.user, target, &patch, &options)?;
        Ok(self.written(target, &written))
    }

    fn delete_body(&self, body: &Bytes) -> Result<Option<Value>, Status> {
        if body.is_empty() {
            return Ok(None);
        }
        let value = input::delete_options(body, self.body_encoding()?)?;
        Ok(Some(value))
    }

    fn delete(&self, target: &Target, body: &Bytes) -> Result<Response<Body>, Status> {
        let mut options = options::delete(self.query, self.delete_body(body)?.as_ref())?;
        options.now = Some(self.server.inner.clock.now());
        let deleted = self.server.delete_object(target, &options)?;
        let resource = &target.resource;
        let mut warnings = Vec::new();
        if resource.group == "batch" && resource.kind == "Job" && options.propagation.is_none() {
            warnings.push("child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning".to_owned());
        }
        match deleted {
            Deleted::Waiting(object) => Ok(self.object(200, target, &object, &warnings)),
            Deleted::Gone(object) if returns_object(resource) => Ok(self.object(200, target, &object, &warnings)),
            Deleted::Gone(object) => {
                let mut details = Fields::new();
                details.insert("name".into(), json!(target.name));
                if !resource.group.is_empty() {
                    details.insert("group".into(), json!(resource.group));
                }
                details.insert("kind".into(), json!(resource.plural));
                details.insert("uid".into(), json!(meta_str(&object, "uid")));
                let value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
                Ok(encoded(200, &value, self.accepted.encoding, &warnings))
            }
        }
    }

    fn delete_collection(&self, target: &Target, body: &Bytes) -> Result<Response<Body>, Status> {
        let list = options::list(self.query, &target.resource, "")?;
        let mut options = options::delete(self.query, self.delete_body(body)?.as_ref())?;
        options.now = Some(self.server.inner.clock.now());
        let listed = self.server.delete_objects(target, &list, &options)?;
        Ok(self.listed(target, &listed))
    }
}

/// Items of built-in lists leave their kind to the list.
fn list_item(resource: &Resource, object: &Fields) -> Value {
    if resource.custom.is_some() {
        return Value::Object(object.clone());
    }
    let rest = object.iter().filter(|(k, _)| *k != "apiVersion" && *k != "kind");
    Value::Object(rest.map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// Kinds whose delete answers with the object.
fn returns_object(resource: &Resource) -> bool {
    match resource.group.as_str() {
        "" => matches!(
            resource.kind.as_str(),
            "ResourceQuota"
                | "PersistentVolume"
                | "ServiceAccount"
                | "PersistentVolumeClaim"
                | "Namespace"
                | "Pod"
                | "Service"
                | "PodTemplate"
        ),
        "storage.k8s.io" => !matches!(resource.kind.as_str(), "CSIStorageCapacity"),
        "resource.k8s.io" => true,
        _ => false,
    }
}

/// A watch event as the client wants it.
fn event(resource: &Resource, change: &Change, shape: &Shape, options: table::Options, first: bool) -> Value {
    let shaped = |object: &Arc<Fields>| match shape {
        Shape::Table(version) => {
            let options = table::Options { version: version.clone(), ..options.clone() };
            let mut t = table::of_object(resource, object, &options);
            if !first && let Some(t) = t.as_object_mut() {
                // Only the first event carries the columns.
                t.insert("columnDefinitions".into(), Value::Null);
            }
            t
        }
        Shape::Metadata(version) => table::metadata(object, version),
        _ => Value::Object((**object).clone()),
    };
    match change {
        Change::Added(object) => json!({"type": "ADDED", "object": shaped(object)}),
        Change::Modified(object) => json!({"type": "MODIFIED", "object": shaped(object)}),
        Change::Deleted(object) => json!({"type": "DELETED", "object": shaped(object)}),
        Change::Bookmark(revision, initial) => {
            let mut meta = json!({"resourceVersion": revision.to_string()});
            if *initial && let Some(meta) = meta.as_object_mut() {
                meta.insert("annotations".into(), json!({"k8s.io/initial-events-end": "true"}));
            }
            let object = Fields::from_iter([
                ("kind".to_owned(), json!(resource.kind)),
                ("apiVersion".to_owned(), json!(resource.api_version)),
                ("metadata".to_owned(), meta),
            ]);
            json!({"type": "BOOKMARK", "object": object})
        }
        Change::Error(status) => json!({"type": "ERROR", "object": status.to_value()}),
    }
}
