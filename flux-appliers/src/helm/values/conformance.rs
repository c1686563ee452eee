//! The recorded behaviour of `--set` and of coalescing.
