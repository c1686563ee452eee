//! `fluxrs push artifact`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flux_core::{Context, Source as _, Tree};
use flux_sources::dir::DirSource;
use flux_sources::oci::OciPush;
use serde_json::json;

use crate::Failure;
use crate::source::registry::Registry;
use crate::source::show::Output;

/// What is no part of an artifact unless it is asked for, as in `flux push artifact`.
const IGNORED: &str = ".git/,.gitignore,.gitmodules,.gitattributes,*.jpg,*.jpeg,*.gif,*.png,*.wmv,*.flv,*.tar.gz,*.zip";
const CREATED: &str = "org.opencontainers.image.created";

#[derive(Args)]
pub(crate) struct Artifact {
    /// oci://host/path:tag
    url: String,
    /// The directory or the file to push
    #[arg(short = 'f', long, value_name = "DIR")]
    path: PathBuf,
    /// The address of the source, such as a Git URL
    #[arg(long, value_name = "URL")]
    source: String,
    /// The revision of the source, such as main@sha1:<commit>
    #[arg(long)]
    revision: String,
    /// Leave out what these patterns match, in the syntax of .gitignore
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', default_value = IGNORED)]
    ignore_paths: Vec<String>,
    /// An annotation of the artifact
    #[arg(short, long, value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Say that it was made at the beginning of 1970, so that equal content has an equal digest
    #[arg(long)]
    reproducible: bool,
    /// How long it may take, in seconds
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
    /// How to show what was pushed
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    registry: Registry,
}

impl Artifact {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let cx = Context::background().with_timeout(Duration::from_secs(self.timeout));
        let mut builder = OciPush::builder(&self.url)
            .credentials(self.registry.credentials(&self.url)?)
            .tls(self.registry.tls()?)
            .insecure(self.registry.insecure);
        if let Some(proxy) = self.registry.proxy()? {
            builder = builder.proxy(proxy);
        }
        if self.reproducible {
            builder = builder.annotation(CREATED, "1970-01-01T00:00:00Z");
        }
        for annotation in &self.annotations {
            let (key, value) =
                annotation.split_once('=').ok_or_else(|| format!("--annotations {annotation}: should be KEY=VALUE"))?;
            builder = builder.annotation(key, value);
        }
        let push = builder.origin(&self.source, &self.revision).build()?;
        let tree = self.tree(&cx).await?;
        if tree.file_count() == 0 {
            return Err(format!("--path {}: holds no files", self.path.display()).into());
        }
        let pushed = push.push(&cx, &tree).await?;
        let url = format!("oci://{}@{}", pushed.repository, pushed.digest);
        match self.output {
            Output::Text => println!("pushed {url}"),
            Output::Json => {
                let shown = json!({
                    "url": url,
                    "repository": pushed.repository,
                    "tag": pushed.tag,
                    "digest": pushed.digest,
                });
                println!("{}", serde_json::to_string_pretty(&shown)?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn tree(&self, cx: &Context) -> Result<Tree, Failure> {
        if self.path.is_dir() {
            let source = DirSource::new(&self.path).with_ignore(self.ignore_paths.join("\n"));
            let revision = source.resolve(cx).await?;
            return Ok(source.fetch(cx, &revision).await?.tree);
        }
        let unreadable = |error| format!("--path {}: {error}", self.path.display());
        let data = std::fs::read(&self.path).map_err(unreadable)?;
        let name = self.path.file_name().map(Path::new).and_then(Path::to_str);
        let name = name.ok_or_else(|| format!("--path {}: has no name in UTF-8", self.path.display()))?;
        Ok(Tree::from_files([(name, data)])?)
    }
}
