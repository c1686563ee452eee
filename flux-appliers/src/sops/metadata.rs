//! What SOPS keeps about a file: keys, rules, and the code that authenticates the whole.

use flux_core::re2::Pattern;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cipher::is_sealed;
use super::error::SopsError;
use super::keys::MasterKey;

/// Values whose names end like this are left alone unless the file has rules of its own.
const UNENCRYPTED_SUFFIX: &str = "_unencrypted";
/// Groups of keys, and keys in a group.
const MAX_KEYS: usize = 256;

/// What is kept about a file.
#[derive(Debug)]
pub(super) struct Metadata {
    /// Of every group at least one key is needed.
    pub(super) groups: Vec<Vec<MasterKey>>,
    /// Of how many groups; of all where it is zero.
    pub(super) threshold: usize,
    pub(super) last_modified: String,
    pub(super) mac: String,
    pub(super) mac_only_encrypted: bool,
    rules: Rules,
}

/// Which values are encrypted.
#[derive(Debug)]
enum Rules {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Pattern),
    EncryptedRegex(Pattern),
    /// Comments say it, which are not kept: what looks encrypted is.
    Comments,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    #[serde(flatten)]
    keys: RawGroup,
    key_groups: Vec<RawGroup>,
    shamir_threshold: usize,
    lastmodified: String,
    mac: String,
    mac_only_encrypted: bool,
    unencrypted_suffix: String,
    encrypted_suffix: String,
    unencrypted_regex: String,
    encrypted_regex: String,
    unencrypted_comment_regex: String,
    encrypted_comment_regex: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawGroup {
    age: Option<Vec<RawKey>>,
    pgp: Option<Vec<RawKey>>,
    kms: Option<Vec<RawKey>>,
    gcp_kms: Option<Vec<RawKey>>,
    azure_kv: Option<Vec<RawKey>>,
    hc_vault: Option<Vec<RawKey>>,
}

/// The fields of keys of all kinds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawKey {
    enc: String,
    recipient: String,
    fp: String,
    arn: String,
    role: Option<String>,
    context: Option<Map<String, Value>>,
    resource_id: String,
    vault_url: String,
    name: String,
    version: String,
    vault_address: String,
    engine_path: String,
    key_name: String,
}

impl Metadata {
    /// Reads what stands under `sops`.
    pub(super) fn read(value: &Value) -> Result<Self, SopsError> {
        // What serde says could quote a value; there is nothing secret in here, and much that is long.
        let raw = Raw::deserialize(value).map_err(|_| SopsError::metadata("*", "is not what SOPS writes"))?;
        if raw.mac.is_empty() {
            return Err(SopsError::metadata("mac", "is missing"));
        }
        let rules = raw.rules()?;
        let mut groups: Vec<Vec<MasterKey>> = raw.key_groups.into_iter().map(RawGroup::keys).collect();
        if groups.is_empty() {
            groups.push(raw.keys.keys());
        }
        if groups.len() > MAX_KEYS || groups.iter().any(|group| group.len() > MAX_KEYS) {
            return Err(SopsError::metadata("key_groups", format!("more than {MAX_KEYS} keys")));
        }
        Ok(Self {
            groups,
            threshold: raw.shamir_threshold,
            last_modified: raw.lastmodified,
            mac: raw.mac,
            mac_only_encrypted: raw.mac_only_encrypted,
            rules,
        })
    }

    /// Whether the value at a path is encrypted.
    pub(super) fn is_encrypted(&self, path: &[String], value: Option<&str>) -> bool {
        let any = |test: &dyn Fn(&str) -> bool| path.iter().any(|part| test(part));
        match &self.rules {
            Rules::UnencryptedSuffix(suffix) => !any(&|part| part.ends_with(suffix)),
            Rules::EncryptedSuffix(suffix) => any(&|part| part.ends_with(suffix)),
            Rules::UnencryptedRegex(regex) => !any(&|part| regex.is_match(part)),
            Rules::EncryptedRegex(regex) => any(&|part| regex.is_match(part)),
            Rules::Comments => value.is_some_and(is_sealed),
        }
    }
}

impl Raw {
    fn rules(&self) -> Result<Rules, SopsError> {
        let regex = |field: &'static str, text: &str| {
            Pattern::compile(text).map_err(|_| SopsError::metadata(field, "is not a regular expression"))
        };
        let given = [
            &self.unencrypted_suffix,
            &self.encrypted_suffix,
            &self.unencrypted_regex,
            &self.encrypted_regex,
            &self.unencrypted_comment_regex,
            &self.encrypted_comment_regex,
        ];
        if given.iter().filter(|rule| !rule.is_empty()).count() > 1 {
            return Err(SopsError::metadata("*", "has more than one rule that says what is encrypted"));
        }
        Ok(match given.iter().position(|rule| !rule.is_empty()) {
            None => Rules::UnencryptedSuffix(UNENCRYPTED_SUFFIX.into()),
            Some(0) => Rules::UnencryptedSuffix(self.unencrypted_suffix.clone()),
            Some(1) => Rules::EncryptedSuffix(self.encrypted_suffix.clone()),
            Some(2) => Rules::UnencryptedRegex(regex("unencrypted_regex", &self.unencrypted_regex)?),
            Some(3) => Rules::EncryptedRegex(regex("encrypted_regex", &self.encrypted_regex)?),
            Some(_) => Rules::Comments,
        })
    }
}

impl RawGroup {
    fn keys(self) -> Vec<MasterKey> {
        let mut keys = Vec::new();
        let of = |list: Option<Vec<RawKey>>| list.unwrap_or_default().into_iter();
        keys.extend(of(self.age).map(|k| MasterKey::Age { recipient: k.recipient, enc: k.enc }));
        keys.extend(of(self.pgp).map(|k| MasterKey::Pgp { fingerprint: k.fp, enc: k.enc }));
        keys.extend(of(self.kms).map(|k| MasterKey::AwsKms {
            arn: k.arn,
            role: k.role.filter(|role| !role.is_empty()),
            context: k.context.into_iter().flatten().map(|(k, v)| (k, text(v))).collect(),
            enc: k.enc,
        }));
        keys.extend(of(self.gcp_kms).map(|k| MasterKey::GcpKms { resource_id: k.resource_id, enc: k.enc }));
        keys.extend(of(self.azure_kv).map(|k| MasterKey::AzureKeyVault {
            vault_url: k.vault_url,
            name: k.name,
            version: k.version,
            enc: k.enc,
        }));
        keys.extend(of(self.hc_vault).map(|k| MasterKey::Vault {
            address: k.vault_address,
            engine_path: k.engine_path,
            key_name: k.key_name,
            enc: k.enc,
        }));
        keys
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Metadata as dotenv and ini files have it, one name for every value: `age__list_0__map_enc`.
pub(super) fn unflatten(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    let mut root = Value::Object(Map::new());
    for (name, text) in pairs {
        // Values of types other than text are told by their names.
        let value = match &*name {
            "mac_only_encrypted" => Value::Bool(text == "true"),
            "shamir_threshold" => text.parse::<u64>().map_or(Value::Null, Value::from),
            _ => Value::String(text.replace("\\n", "\n")),
        };
        let mut slot = &mut root;
        for part in name.split("__") {
            let next = match part.strip_prefix("list_").map(str::parse::<usize>) {
                Some(Ok(index)) if index < MAX_KEYS => list_item(slot, index),
                _ => map_entry(slot, part.strip_prefix("map_").unwrap_or(part)),
            };
            slot = next;
        }
        *slot = value;
    }
    root
}

fn list_item(slot: &mut Value, index: usize) -> &mut Value {
    if !slot.is_array() {
        *slot = Value::Array(Vec::new());
    }
    match slot {
        Value::Array(items) => {
            if items.len() <= index {
                items.resize(index + 1, Value::Null);
            }
            &mut items[index]
        }
        other => other,
    }
}

fn map_entry<'a>(slot: &'a mut Value, key: &str) -> &'a mut Value {
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(map) => map.entry(key).or_insert(Value::Null),
        other => other,
    }
}
