//! Security contexts and operating systems.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::path::Path;
use super::super::{Errors, list, text};
use crate::apiserver::status::FieldError;

fn id(path: Path<'_>, v: Option<&Value>, errors: &mut Errors) {
    if let Some(n) = v.and_then(Value::as_i64) {
        super::super::within(path, n, 0, super::MAX_INT32, errors);
    }
}

fn set<'a>(v: &'a Value, key: &str) -> Option<&'a str> {
    v.get(key).and_then(Value::as_str)
}

/// A profile for what a container may do: seccomp's or AppArmor's.
fn profile(path: Path<'_>, v: Option<&Value>, name: &str, field: &str, errors: &mut Errors) {
    let Some(v) = v else { return };
    let local = v.get("localhostProfile").and_then(Value::as_str);
    match text(v, "type") {
        "Localhost" if local.is_none_or(str::is_empty) => {
            let why = format!("must be set when {name} type is Localhost");
            errors.push(FieldError::required(path.child("localhostProfile"), &why));
        }
        "Localhost" => {
            let local = local.unwrap_or("");
            if name == "seccomp" {
                super::volume::local_path(path.child("localhostProfile"), local, errors);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if let Some(local) = local {
                let why = format!("can only be set when {name} type is Localhost");
                errors.push(FieldError::invalid(path.child("localhostProfile"), &local.into(), &why));
            }
        }
        "" => errors.push(FieldError::required(path.child("type"), &format!("type is required when {field} is set"))),
        other => errors.push(FieldError::not_supported(
            path.child("type"),
            &other.into(),
            &["Localhost", "RuntimeDefault", "Unconfined"],
        )),
    }
}

/// A container's security context.
pub(super) fn container(path: Path<'_>, context: &Value, errors: &mut Errors) {
    id(path.child("runAsUser"), context.get("runAsUser"), errors);
    id(path.child("runAsGroup"), context.get("runAsGroup"), errors);
    if let Some(mount) = set(context, "procMount")
        && !matches!(mount, "Default" | "Unmasked")
    {
        errors.push(FieldError::not_supported(path.child("procMount"), &mount.into(), &["Default", "Unmasked"]));
    }
    profile(path.child("seccompProfile"), context.get("seccompProfile"), "seccomp", "seccompProfile", errors);
    profile(path.child("appArmorProfile"), context.get("appArmorProfile"), "AppArmor", "appArmorProfile", errors);
    if context.get("allowPrivilegeEscalation") == Some(&Value::Bool(false)) {
        let shown = || super::super::internal::show("core.SecurityContext", context);
        if context.get("privileged") == Some(&Value::Bool(true)) {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid_shown(path, &shown(), why));
        }
        let added = context.get("capabilities").unwrap_or(&Value::Null);
        if list(added, "add").any(|c| c == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid_shown(path, &shown(), why));
        }
    }
}

/// A pod's security context, and what goes with its operating system.
pub(super) fn pod(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    const NOTHING: &Value = &Value::Null;
    let context = spec.get("securityContext").unwrap_or(NOTHING);
    let at = path.child("securityContext");
    for key in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(at.child(key), context.get(key), errors);
    }
    for (i, group) in list(context, "supplementalGroups").enumerate() {
        id(at.child("supplementalGroups").index(i), Some(group), errors);
    }
    let on = |key: &str| spec.get(key) == Some(&Value::Bool(true));
    if on("shareProcessNamespace") && on("hostPID") {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(at.child("shareProcessNamespace"), &json!(true), why));
    }
    sysctls(at.child("sysctls"), context, errors);
    if let Some(policy) = set(context, "fsGroupChangePolicy")
        && !matches!(policy, "Always" | "OnRootMismatch")
    {
        let known = ["Always", "OnRootMismatch"];
        errors.push(FieldError::not_supported(at.child("fsGroupChangePolicy"), &policy.into(), &known));
    }
    profile(at.child("seccompProfile"), context.get("seccompProfile"), "seccomp", "seccompProfile", errors);
    profile(at.child("appArmorProfile"), context.get("appArmorProfile"), "AppArmor", "appArmorProfile", errors);
    system(path, spec, context, errors);
}

fn sysctls(path: Path<'_>, context: &Value, errors: &mut Errors) {
    let mut seen: HashSet<&str> = HashSet::new();
    let part = |p: &str| {
        let b = p.as_bytes();
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        b.first().is_some_and(plain)
            && b.last().is_some_and(plain)
            && b.iter().all(|b| plain(b) || matches!(b, b'-' | b'_'))
    };
    for (i, s) in list(context, "sysctls").enumerate() {
        let name = text(s, "name");
        let path = path.index(i);
        if name.is_empty() {
            errors.push(FieldError::required(path.child("name"), ""));
        } else if name.len() > 253 || !name.split(['.', '/']).all(part) {
            let why = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.push(FieldError::invalid(path.child("name"), &name.into(), why));
        } else if !seen.insert(name) {
            errors.push(FieldError::duplicate(path.child("name"), &name.into()));
        }
    }
}

/// Fields that only pods on Linux have.
const LINUX_OF_POD: [&str; 4] = ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"];
const LINUX_OF_CONTEXT: [&str; 11] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];
const LINUX_OF_CONTAINER: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

fn system(path: Path<'_>, spec: &Value, context: &Value, errors: &mut Errors) {
    let Some(os) = spec.get("os").map(|os| text(os, "name")) else { return };
    let mut forbid = |path: Path<'_>, v: &Value, keys: &[&str], what: &str| {
        for key in keys.iter().filter(|k| v.get(**k).is_some_and(|v| *v != Value::Bool(false))) {
            errors.push(FieldError::forbidden(path.child(key), what));
        }
    };
    match os {
        "windows" => {
            let why = "cannot be set for a windows pod";
            forbid(path, spec, &LINUX_OF_POD, why);
            forbid(path.child("securityContext"), context, &LINUX_OF_CONTEXT, why);
            for kind in ["containers", "initContainers"] {
                for (i, c) in list(spec, kind).enumerate() {
                    if let Some(context) = c.get("securityContext") {
                        let path = path.child(kind);
                        forbid(path.index(i).child("securityContext"), context, &LINUX_OF_CONTAINER, why);
                    }
                }
            }
        }
        "linux" => {
            let why = "windows options cannot be set for a linux pod";
            forbid(path.child("securityContext"), context, &["windowsOptions"], why);
        }
        "" => errors.push(FieldError::required(path.child("os.name"), "cannot be empty")),
        other => errors.push(FieldError::not_supported(path.child("os"), &other.into(), &["linux", "windows"])),
    }
}
