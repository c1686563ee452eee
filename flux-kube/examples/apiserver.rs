//! Serves an empty embedded API server: `cargo run -p flux-kube --features serve --example apiserver -- 127.0.0.1:8001`.

use flux_kube::apiserver::{ApiServer, Config, Token};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let tokens = vec![Token { token: "t".into(), user: "admin".into(), groups: vec!["system:masters".into()] }];
    let config = Config {
        tokens: if std::env::args().any(|a| a == "--token") { tokens } else { Vec::new() },
        ..Config::default()
    };
    let serving = ApiServer::new(config).serve(address.parse()?).await?;
    #[allow(clippy::print_stdout)] // the program's only output
    {
        println!("{}", serving.kubeconfig());
    }
    std::future::pending::<()>().await;
    Ok(())
}
