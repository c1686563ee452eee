//! Server-side apply against every face of a cluster: the embedded server in process, the same through kube-rs, and a
//! real cluster where `FLUX_TEST_KUBECONFIG` names one.

mod faults;
mod objects;
mod observed;
mod owners;
mod prune;
mod secrets;
mod stages;
mod support;
mod weather;
