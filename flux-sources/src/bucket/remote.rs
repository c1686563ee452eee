//! The server of a bucket, as far as a source needs it.

use std::error::Error as _;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use flux_core::Context;
use flux_core::source::SourceError;
use futures::StreamExt as _;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore};

use super::connect::Answered;
use super::listed::Odd;

/// A page of a listing.
pub(super) struct Page {
    pub(super) objects: Vec<ObjectMeta>,
    /// How to ask for the next one.
    pub(super) next: Option<String>,
    pub(super) odd: Odd,
}

/// What of an object is wanted.
pub(super) enum Wanted<'a> {
    /// This content and no other.
    Exactly(&'a str),
    /// Any content but this.
    Other(&'a str),
    /// Any.
    Any,
}

/// What the server had.
pub(super) enum Content {
    /// The content and what the server calls it.
    Read { data: Bytes, etag: Option<String> },
    /// Not there, or not the content that was asked for.
    Gone,
    /// The content that is known already.
    Same,
}

/// A bucket on a server.
#[async_trait]
pub(super) trait Remote: fmt::Debug + Send + Sync {
    /// A page of the objects whose keys start with a prefix.
    async fn page(&self, prefix: &str, token: Option<String>) -> object_store::Result<Page>;

    /// Starts to read an object.
    async fn get(&self, key: &Path, options: GetOptions) -> object_store::Result<GetResult>;
}

/// A store of the client library.
#[derive(Debug)]
pub(super) struct Cloud<T>(pub(super) T);

#[async_trait]
impl<T: ObjectStore + PaginatedListStore> Remote for Cloud<T> {
    async fn page(&self, prefix: &str, token: Option<String>) -> object_store::Result<Page> {
        let options = PaginatedListOptions { page_token: token, ..PaginatedListOptions::default() };
        let page = self.0.list_paginated(Some(prefix).filter(|prefix| !prefix.is_empty()), options).await?;
        let odd = page.result.extensions.get::<Odd>().cloned().unwrap_or_default();
        Ok(Page { objects: page.result.objects, next: page.page_token, odd })
    }

    async fn get(&self, key: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.0.get_opts(key, options).await
    }
}

/// A remote with what errors about it need.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) remote: Box<dyn Remote>,
    /// The bucket in errors.
    pub(super) shown: String,
    /// What must not be shown.
    pub(super) secrets: Vec<String>,
}

impl Server {
    /// A page of a listing.
    pub(super) async fn page(&self, cx: &Context, prefix: &str, token: Option<String>) -> Result<Page, SourceError> {
        cx.run(self.remote.page(prefix, token)).await?.map_err(|error| self.failed(error, "bucket"))
    }

    /// Reads an object whole if it is no larger than `limit` bytes.
    pub(super) async fn read(
        &self,
        cx: &Context,
        key: &str,
        wanted: Wanted<'_>,
        limit: u64,
    ) -> Result<Content, SourceError> {
        let path = Path::parse(key).map_err(|error| self.failed(error.into(), key))?;
        let mut options = GetOptions::default();
        match wanted {
            Wanted::Exactly(etag) => options.if_match = Some(quoted(etag)),
            Wanted::Other(etag) => options.if_none_match = Some(quoted(etag)),
            Wanted::Any => {}
        }
        let found = match cx.run(self.remote.get(&path, options)).await? {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. }) => {
                return Ok(Content::Gone);
            }
            Err(object_store::Error::NotModified { .. }) => return Ok(Content::Same),
            Err(error) => return Err(self.failed(error, key)),
        };
        let etag = found.meta.e_tag.as_deref().map(|etag| bare(etag).to_owned());
        if let (Wanted::Exactly(wanted), Some(found)) = (&wanted, &etag)
            && wanted != found
        {
            return Ok(Content::Gone);
        }
        let mut stream = found.into_stream();
        let mut data = Vec::new();
        while let Some(chunk) = cx.run(stream.next()).await? {
            let chunk = chunk.map_err(|error| self.failed(error, key))?;
            if data.len() as u64 + chunk.len() as u64 > limit {
                return Err(self.rejected(format!("`{key}`: the server sent more than {limit} bytes")));
            }
            data.extend_from_slice(&chunk);
        }
        Ok(Content::Read { data: data.into(), etag })
    }

    pub(super) fn rejected(&self, problem: String) -> SourceError {
        SourceError::Rejected { url: self.shown.clone(), problem }
    }

    /// What a failure of the client library means for a source that asked for `what`.
    fn failed(&self, error: object_store::Error, what: &str) -> SourceError {
        let url = self.shown.clone();
        if let object_store::Error::InvalidPath { source } = &error {
            return self.rejected(format!("a key is refused: {}", self.clean(&source.to_string())));
        }
        let mut status = match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Some(403),
            _ => None,
        };
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            // The innermost cause says it without repeating the others.
            text = error.to_string();
            if let Some(answered) = error.downcast_ref::<Answered>() {
                status = Some(answered.status.as_u16());
            }
            if let Some(path) = error.downcast_ref::<object_store::path::Error>() {
                return self.rejected(format!("a key is refused: {}", self.clean(&path.to_string())));
            }
            cause = error.source();
        }
        let text = self.clean(&text);
        match status {
            Some(401 | 403 | 407) => SourceError::Denied { url, reason: text },
            Some(404) => SourceError::NotFound { url, what: what.to_owned() },
            _ => SourceError::Unreachable { url, source: text.into() },
        }
    }

    /// A message without secrets, on one line and not too long.
    fn clean(&self, text: &str) -> String {
        let mut text = text.replace(|c: char| c.is_control(), " ");
        for secret in self.secrets.iter().filter(|secret| secret.len() > 3) {
            text = text.replace(secret.as_str(), "***");
        }
        text.chars().take(500).collect()
    }
}

/// An ETag without its quotes: as listings of one server have it and those of another do not.
pub(super) fn bare(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}

/// An ETag as a header has it.
fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
