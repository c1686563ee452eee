#!/usr/bin/env python3
"""Writes types.txt, the compact table of Kubernetes' built-in types, from registry data.

  generate.py JSON_SCHEMA_DIR GO_SOURCES > types.txt
  generate.py JSON_SCHEMA_DIR GO_SOURCES --descriptions > descriptions.txt

descriptions.txt has the same types and fields with what `kubectl explain` prints of them: the name, `|A,B|` where the
field is one of an enumeration's values, then the text with `\n` for line breaks.

JSON_SCHEMA_DIR is the `kubernetes-json-schema/v1.36.0-local` folder of the PyPI package
`kubernetes-validate` (types, list extensions). GO_SOURCES is a folder that holds the Go modules
`k8s.io/api`, `k8s.io/apimachinery`, `k8s.io/apiextensions-apiserver` and `k8s.io/kube-aggregator`
under those paths less `k8s.io/` (json tags: which fields are pointers, which are always written).

One type a line, then its fields, each indented by one space:

  core.v1.ServicePort
   name s
   nodePort i
   port! i
   protocol s =TCP
   targetPort! x

Flags after a field name: `*` a Go pointer (zero values are kept), `!` always written, `+` required.
Types: s string, i int32, l int64, n number, b boolean, q quantity, x int-or-string, t time,
m micro time, y bytes, a any (atomic), d any (granular), `@T` a type, `@!T` the same as an atomic map,
`{T` map, `<T` atomic map, `[T` atomic list, `=T` set, `(k1,k2)T` list map.
Then ` =V` a default, ` #N` the number in protocol buffers (`#M.N` in an inlined message) and ` ~key` patch strategy merge, ` ^key` merge,retainKeys.
"""
import json, os, re, sys

SERVED = """core.v1 Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume
 PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount
apps.v1 ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet
batch.v1 CronJob Job
autoscaling.v1 HorizontalPodAutoscaler Scale
autoscaling.v2 HorizontalPodAutoscaler
networking.v1 IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR
rbac.v1 ClusterRole ClusterRoleBinding Role RoleBinding
policy.v1 PodDisruptionBudget Eviction
storage.v1 CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass
scheduling.v1 PriorityClass
coordination.v1 Lease
discovery.v1 EndpointSlice
events.v1 Event
node.v1 RuntimeClass
certificates.v1 CertificateSigningRequest
flowcontrol.v1 FlowSchema PriorityLevelConfiguration
resource.v1 DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice
admissionregistration.v1 MutatingWebhookConfiguration ValidatingWebhookConfiguration ValidatingAdmissionPolicy
 ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
authentication.v1 SelfSubjectReview TokenRequest TokenReview
authorization.v1 LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview
apiextensions.v1 CustomResourceDefinition
apiregistration.v1 APIService
meta.v1 DeleteOptions"""

SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "x",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "t",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "m",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "d",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "a",
}


def short(name):
    for prefix in ("io.k8s.apimachinery.pkg.apis.", "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis.", "io.k8s.api."):
        if name.startswith(prefix):
            return name[len(prefix):]
    return name


class Go:
    """What the struct tags of the Go sources say about each field of each type."""

    FIELD = re.compile(r'^\t(?:(\w+)\s+)?([^\s`]+(?: [^\s`]+)*)\s+`json:"([^"]*)"(?:\s+.*?protobuf:"\w+,(\d+))?')

    def __init__(self, root):
        self.root, self.packages = root, {}

    def package(self, definition):
        parts = definition.split(".")
        group, version = parts[-3], parts[-2]
        if definition.startswith("io.k8s.api."):
            path = f"api/{group}/{version}"
        elif definition.startswith("io.k8s.apimachinery.pkg.apis"):
            path = f"apimachinery/pkg/apis/{group}/{version}"
        elif definition.startswith("io.k8s.apiextensions"):
            path = f"apiextensions-apiserver/pkg/apis/{group}/{version}"
        elif definition.startswith("io.k8s.kube-aggregator"):
            path = f"kube-aggregator/pkg/apis/{group}/{version}"
        else:
            return None
        if path not in self.packages:
            self.packages[path] = self.parse(path)
        return self.packages[path]

    def parse(self, path):
        structs, names, enums = {}, {}, {}
        comments, marked = [], False
        for file in sorted(os.listdir(os.path.join(self.root, path))):
            if not file.startswith("types"):
                continue
            current, default = None, None
            for line in open(os.path.join(self.root, path, file), encoding="utf-8"):
                m = re.match(r"^type (\w+) struct \{", line)
                if m:
                    current = structs.setdefault(m.group(1), [])
                    continue
                m = re.match(r"^type (\w+) ([\w.\[\]*]+)", line)
                if m:
                    names[m.group(1)] = m.group(2)
                    if marked:
                        enums.setdefault(m.group(1), {})
                m = re.match(r'^\t\w+\s+(\w+)\s+=\s+"([^"]*)"', line)
                if m and m.group(1) in names:
                    enums.setdefault("?" + m.group(1), {})[m.group(2)] = " ".join(comments)
                m = re.match(r"^\s*// ?(.*)", line)
                if m and m.group(1).startswith("+"):
                    marked = marked or m.group(1).startswith("+enum")
                elif m:
                    comments.append(m.group(1).strip())
                else:
                    comments, marked = [], False
                if line.startswith("}"):
                    current = None
                if current is None:
                    continue
                m = re.match(r"^\t// \+default=(.*)", line)
                if m:
                    default = m.group(1).strip()
                m = self.FIELD.match(line)
                if m:
                    tag = m.group(3).split(",")
                    current.append({"go": m.group(2), "name": tag[0], "opts": tag[1:], "default": default, "embedded": m.group(1) is None, "number": m.group(4)})
                    default = None
        enums = {k: enums.get("?" + k, {}) for k in enums if not k.startswith("?")}
        return {"structs": structs, "names": names, "enums": enums}

    def fields(self, definition):
        package = self.package(definition)
        if package is None:
            return {}
        out = {}

        def add(struct, within):
            for f in package["structs"].get(struct, []):
                number = within + ([f["number"]] if f["number"] else [])
                if "inline" in f["opts"]:
                    add(f["go"].lstrip("*").split(".")[-1], number)
                    if f["go"].startswith("v1.") or f["go"].startswith("core"):
                        for k, v in self.fields("io.k8s.api.core.v1." + f["go"].split(".")[-1]).items():
                            out[k] = dict(v, number=number + v["number"])
                elif f["name"] and f["name"] != "-":
                    out[f["name"]] = dict(f, resolved=self.resolve(package, f["go"]), number=number)

        add(definition.split(".")[-1], [])
        return out

    def enum(self, definition, go):
        """the values of an enumeration and what they mean"""
        package = self.package(definition)
        name = go.lstrip("*[]").split(".")[-1]
        if package and "." not in go:
            return package["enums"].get(name, {})
        if go.lstrip("*[]").startswith(("v1.", "core")):
            return (self.package("io.k8s.api.core.v1.X") or {}).get("enums", {}).get(name, {})
        return {}

    def resolve(self, package, go):
        seen = 0
        while go in package["names"] and seen < 5:
            go, seen = package["names"][go], seen + 1
        return go


def kind_of(s, defs):
    """the type code of one JSON schema"""
    if "$ref" in s:
        name = s["$ref"].split("/")[-1]
        if name in SCALARS:
            return SCALARS[name]
        d = defs[name]
        if not d.get("properties"):
            t = d.get("type")
            if t is None:
                return "a" if not d.get("oneOf") else "x"
            return kind_of(d, defs)
        atomic = "!" if s.get("x-kubernetes-map-type") == "atomic" and d.get("x-kubernetes-map-type") != "atomic" else ""
        return "@" + atomic + short(name)
    t = s.get("type")
    t = [x for x in t if x != "null"][0] if isinstance(t, list) else t
    if t is None:
        return "a"
    if t == "string":
        return {"byte": "y", "date-time": "t", "int-or-string": "x"}.get(s.get("format"), "s")
    if t == "integer":
        return "i" if s.get("format") == "int32" else "l"
    if t == "number":
        return "n"
    if t == "boolean":
        return "b"
    if t == "array":
        item = kind_of(s["items"], defs)
        kind = s.get("x-kubernetes-list-type")
        strategy, key = s.get("x-kubernetes-patch-strategy", ""), s.get("x-kubernetes-patch-merge-key")
        if kind == "map":
            return "(" + ",".join(s["x-kubernetes-list-map-keys"]) + ")" + item
        if kind == "set":
            return "=" + item
        if kind is None and strategy in ("merge", "merge,retainKeys"):
            return "(" + key + ")" + item if key else "=" + item
        return "[" + item
    if t == "object":
        extra = s.get("additionalProperties")
        if isinstance(extra, dict):
            return ("<" if s.get("x-kubernetes-map-type") == "atomic" else "{") + kind_of(extra, defs)
        return "d"
    raise SystemExit(f"unknown type {t}")


def described(name, d, tags, go):
    """the lines of descriptions.txt for one type"""
    escape = lambda text: text.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"{short(name)} {escape(d.get('description', ''))}".rstrip()
    for field, s in sorted(d.get("properties", {}).items()):
        text, enum = s.get("description", ""), go.enum(name, tags[field]["go"]) if field in tags else {}
        values = ""
        if enum:
            values = "|" + ",".join(sorted(enum)) + "|"
            text += "\n\nPossible enum values:" + "".join(f'\n - `"{v}"` {enum[v]}'.rstrip() for v in sorted(enum))
        yield f" {field} {values}{escape(text)}".rstrip()


def main():
    defs = json.load(open(os.path.join(sys.argv[1], "_definitions.json"), encoding="utf-8"))["$defs"]
    go = Go(sys.argv[2])
    by_short = {short(k): k for k in defs}
    want, group = [], None
    for word in SERVED.split():
        if re.fullmatch(r"\w+\.v\d+", word):
            group = word
        else:
            want.append(by_short[f"{group}.{word}"])
    seen, missing = {}, []
    while want:
        name = want.pop()
        if name in seen:
            continue
        d = defs[name]
        lines, tags = [], go.fields(name)
        for field, s in sorted(d.get("properties", {}).items()):
            code = kind_of(s, defs)
            for ref in re.findall(r"@!?([\w.-]+)", code):
                want.append(by_short[ref])
            g = tags.get(field)
            flags = ""
            if g is None:
                missing.append(f"{short(name)}.{field}")
            else:
                omits = "omitempty" in g["opts"]
                plain = g["resolved"]
                struct = code[0] == "@" or code in ("q", "x", "t", "m")
                if plain.startswith("*"):
                    flags = "*"
                elif "omitzero" in g["opts"]:
                    flags = ""
                elif not omits or (struct and code not in ("s", "a")):
                    flags = "!"
            if field in d.get("required", []):
                flags += "+"
            line = f" {field}{flags} {code}"
            if g and g["default"] and not g["default"].startswith("ref("):
                line += " =" + json.dumps(json.loads(g["default"]), separators=(",", ":"))
            if g and g["number"]:
                line += " #" + ".".join(g["number"])
            strategy, key = s.get("x-kubernetes-patch-strategy"), s.get("x-kubernetes-patch-merge-key")
            if strategy:
                line += " " + ("^" if "retainKeys" in strategy else "~") + (key or "") + ("-" if strategy == "retainKeys" else "")
            lines.append(line)
        head = short(name) + (" <" if d.get("x-kubernetes-map-type") == "atomic" else "")
        seen[name] = list(described(name, d, tags, go)) if "--descriptions" in sys.argv else [head] + lines
    for name in sorted(seen, key=short):
        print("\n".join(seen[name]))
    missing = [m for m in missing if m.split(".")[-1] not in ("apiVersion", "kind")]
    print("\n".join("no Go field: " + m for m in missing), file=sys.stderr)


main()
