//! Server-side apply against every face of a cluster: the embedded server in process and the same through kube-rs; what
//! every applier promises also over HTTP and HTTPS, and on a real cluster where `FLUX_TEST_KUBECONFIG` names one.

mod contract;
mod faults;
mod objects;
mod observed;
mod owners;
mod prune;
mod secrets;
mod stages;
mod support;
mod weather;
