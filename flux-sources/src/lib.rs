//! Where desired state comes from: Git, OCI registries, Helm repositories and buckets.
