#!/usr/bin/env python3
"""Writes columns.txt, the columns of Kubernetes' built-in tables, from registry data.

  generate.py JSON_SCHEMA_DIR PRINTERS_GO > columns.txt

JSON_SCHEMA_DIR is the folder of the PyPI package `kubernetes-validate` that ../schema/generate.py reads too (the
descriptions of fields); PRINTERS_GO is `pkg/printers/internalversion/printers.go` of the Go module `k8s.io/kubernetes`.
One kind a line, then its columns, each indented by one space: name, type, format, priority and description, separated
by tabs; line breaks in a description are written as \\n.
"""
import json, os, re, sys

GROUPS = {"metav1": "meta.v1", "apiv1": "core.v1", "batchv1": "batch.v1", "batchv1beta1": "batch.v1", "policyv1beta1": "policy.v1",
          "autoscalingv2beta1": "autoscaling.v2", "autoscalingv2": "autoscaling.v2", "networkingv1": "networking.v1", "networkingv1beta1": "networking.v1",
          "extensionsv1beta1": "apps.v1", "appsv1beta1": "apps.v1", "appsv1": "apps.v1", "rbacv1beta1": "rbac.v1", "rbacv1": "rbac.v1",
          "certificatesv1": "certificates.v1", "certificatesv1beta1": "certificates.v1", "coordinationv1": "coordination.v1",
          "storagev1": "storage.v1", "schedulingv1": "scheduling.v1", "nodev1": "node.v1", "nodev1beta1": "node.v1",
          "discoveryv1": "discovery.v1", "discoveryv1beta1": "discovery.v1", "flowcontrolv1": "flowcontrol.v1",
          "flowcontrolv1beta3": "flowcontrol.v1", "resourcev1": "resource.v1", "resourcealpha1": "resource.v1"}
defs = json.load(open(os.path.join(sys.argv[1], "_definitions.json"), encoding="utf-8"))["$defs"]
text = open(sys.argv[2], encoding="utf-8").read()
missing = []
KINDS = """Pod PodTemplate PodDisruptionBudget ReplicationController ReplicaSet DaemonSet Job CronJob Service Ingress IngressClass
StatefulSet Endpoints Node Event Namespace Secret ServiceAccount PersistentVolume PersistentVolumeClaim Deployment
HorizontalPodAutoscaler ConfigMap NetworkPolicy RoleBinding ClusterRoleBinding Lease StorageClass ControllerRevision ResourceQuota
PriorityClass RuntimeClass EndpointSlice MutatingWebhook ValidatingWebhook""".split()


def doc(package, kind, field):
    for name, d in defs.items():
        if name.endswith("." + GROUPS.get(package, package) + "." + kind):
            field_doc = d.get("properties", {}).get(field, {}).get("description")
            if field_doc is not None:
                return field_doc
            if field == "":
                return d.get("description", "")
    missing.append(f"{package}.{kind}.{field}")
    return ""


def columns(body):
    for entry in re.findall(r"\{(Name:.*)\}", body):
        get = lambda key: (re.search(key + r': "((?:[^"\\]|\\.)*)"', entry) or [None, ""])[1]
        priority = (re.search(r"Priority: (\d+)", entry) or [None, "0"])[1]
        description = ""
        m = re.search(r'Description: (\w+)\.(\w+)\{\}\.SwaggerDoc\(\)\["(\w*)"\]', entry)
        if m:
            description = doc(*m.groups())
        else:
            description = get("Description")
        yield [get("Name"), get("Type"), get("Format"), priority, description.replace("\n", "\\n").replace("\t", " ")]


tables = {name: list(columns(body)) for name, body in re.findall(r"(\w+) :?= \[\]metav1\.TableColumnDefinition\{\n(.*?)\n\t\}\n", text, re.S)}
seen = set()
for name, kind in re.findall(r"h\.TableHandler\((\w+), print(\w+)\)", text):
    if kind not in KINDS or kind in seen or name not in tables:
        continue
    seen.add(kind)
    print({"MutatingWebhook": "MutatingWebhookConfiguration", "ValidatingWebhook": "ValidatingWebhookConfiguration"}.get(kind, kind))
    for c in tables[name]:
        print(" " + "\t".join(c))
print("\n".join("no description: " + m for m in missing), file=sys.stderr)
