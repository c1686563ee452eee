//! Every way to fail with a secret at hand: nothing shows it. That is checked wherever a command is run; here commands
//! are run with what is broken.

use crate::stage::{APP, CANARY, Stage};

const COMMANDS: [&str; 5] = ["plan", "apply", "diff", "tree", "explain"];

#[test]
fn h39_h40_no_command_shows_a_secret() {
    let stage = Stage::new();
    let journal = stage.path("journal").display().to_string();
    for command in COMMANDS {
        for output in ["text", "json"] {
            let ended = stage.run(command, &["-o", output]);
            // What was applied by then differs no more.
            let seen = command == "diff" || command == "explain" || ended.out.contains("password");
            assert!(seen, "the Secret itself is shown: {ended:?}");
        }
    }
    // Changed, which is told and kept.
    stage.recolour(&format!("{CANARY}-1"), &format!("{CANARY}-4"));
    stage.run("diff", &[]).says(1, &["Secret/default/password", "data.password: ***"]);
    stage.run("apply", &["--journal", &journal]).says(0, &["Secret/default/password"]);
    stage.run("history", &["--journal", &journal]).says(0, &["Secret/default/password"]);
    stage.run("history", &["--journal", &journal, "-o", "json"]).says(0, &[]);
    for field in ["data", "data.password", "metadata.name", "stringData.password"] {
        stage.run("owner", &["Secret/password", field]);
        stage.run("owner", &["Secret/password", field, "-o", "json"]);
    }
    stage.run("rollback", &["app", "--journal", &journal]).says(0, &["Secret/default/password"]);
    stage.run("rollback", &["app", "--release", "-o", "json"]).says(0, &[]);

    for broken in [
        // No YAML.
        format!("apiVersion: v1\nkind: Secret\nstringData: {{p: {CANARY}\n\t: [\n"),
        // A variable that nobody sets, next to a secret.
        APP.replace("${password}", &format!("${{undefined}} {CANARY}")),
        // No base64.
        APP.replace("stringData", "data"),
        // Names that are none.
        APP.replace("name: password", &format!("name: {CANARY}_IS_A_NAME").to_lowercase().replace(CANARY, "no")),
        APP.replace("  password: canary", "  'no key !': canary"),
        // A field that there is not, and a type that is wrong.
        APP.replace("stringData:", &format!("strings: {{a: {CANARY}}}\nstringData:")),
        APP.replace("stringData:", &format!("immutable: {CANARY}\nstringData:")),
    ] {
        stage.repository.write("deploy/app.yaml", &broken).unwrap();
        stage.repository.commit("Break").unwrap();
        for command in COMMANDS {
            stage.run(command, &[]);
            stage.run(command, &["-o", "json"]);
        }
    }
    // What is remembered names the Secret and does not hold it.
    let states = std::fs::read_dir(stage.path("state")).unwrap().map(|entry| entry.unwrap().path());
    let states: Vec<_> = states.filter(|path| path.is_file()).collect();
    assert!(!states.is_empty());
    for state in states {
        stage.silent("state", &std::fs::read_to_string(state).unwrap());
    }
}

#[test]
fn h39_a_secret_in_the_address_or_the_documents_is_not_shown() {
    let stage = Stage::new();
    let text = stage.read("flux.yaml");
    for (from, to) in [
        // A password in a URL, for a host that is not there.
        (stage.repository.url(), format!("https://user:{CANARY}@repository.invalid/app")),
        // Documents that are broken next to a secret.
        ("  prune: true".to_owned(), format!("  prune: {CANARY}")),
        ("substitute: {".to_owned(), format!("substitute: {CANARY} #")),
        ("  prune: true".to_owned(), format!("  prune: true\n  unheardOf: {{a: {CANARY}}}")),
        ("substitute: {".to_owned(), format!("substitute: {{'{{': {CANARY}, ")),
    ] {
        assert!(text.contains(&from), "{from}");
        std::fs::write(stage.path("flux.yaml"), text.replace(&from, &to)).unwrap();
        for command in COMMANDS {
            let ended = stage.run(command, &[]);
            assert!(!ended.out.is_empty() || !ended.err.is_empty());
        }
    }
}
