//! Digests, passwords and ciphers.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::{NoPadding, Pkcs7};
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use hmac::Mac;
use sha1::Sha1;
use sha2_10::{Digest, Sha256, Sha512};

use super::args::{Args, Outcome};
use super::base;
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Abort, Function, Type, Value};

const STR: &[Type] = &[Type::Str];
const STR2: &[Type] = &[Type::Str, Type::Str];

/// What hashing a password costs of a render's steps; a tenth of a second is a lot of work.
const BCRYPT_STEPS: u64 = 100_000;

/// What deriving a password costs: it takes longer still, and 32 MiB.
const SCRYPT_STEPS: u64 = 250_000;

/// The work factor of Go's bcrypt.
const BCRYPT_COST: u32 = 10;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("sha1sum", STR, |_, args| Ok(Value::text(hex(&Sha1::digest(Args(args).bytes(0)))))),
    Function::new("sha256sum", STR, |_, args| Ok(Value::text(hex(&Sha256::digest(Args(args).bytes(0)))))),
    Function::new("sha512sum", STR, |_, args| Ok(Value::text(hex(&Sha512::digest(Args(args).bytes(0)))))),
    Function::new("adler32sum", STR, |_, args| Ok(Value::text(adler32(Args(args).bytes(0)).to_string()))),
    Function::new("bcrypt", STR, |rt, args| Ok(Value::text(bcrypt(rt, Args(args).bytes(0))?))),
    Function::new("htpasswd", STR2, |rt, args| {
        let args = Args(args);
        let user = args.text(0);
        if user.contains(':') {
            return Ok(Value::text(format!("invalid username: {user}")));
        }
        Ok(Value::text(format!("{user}:{}", bcrypt(rt, args.bytes(1))?)))
    }),
    Function::new("derivePassword", &[Type::Uint32, Type::Str, Type::Str, Type::Str, Type::Str], derive_password),
    Function::new("encryptAES", STR2, encrypt),
    Function::new("decryptAES", STR2, |_, args| decrypt(args)),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    b << 16 | a
}

fn bcrypt(rt: &mut Runtime<'_>, password: &[u8]) -> Result<String, Abort> {
    rt.budget.steps(BCRYPT_STEPS)?;
    Ok(hash(rt, password))
}

fn hash(rt: &Runtime<'_>, password: &[u8]) -> String {
    if password.len() > 72 {
        let reason = "bcrypt: password length exceeds 72 bytes";
        return format!("failed to encrypt string with bcrypt: {reason}");
    }
    let mut salt = [0u8; 16];
    rt.host.entropy.fill(&mut salt);
    match bcrypt::hash_with_salt(password, BCRYPT_COST, salt) {
        Ok(parts) => parts.format_for_version(bcrypt::Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: {error}"),
    }
}

/// The templates of the Master Password algorithm, by kind of password.
fn password_templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn password_characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The Master Password algorithm.
fn derive_password(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    const SCOPE: &[u8] = b"com.lyndir.masterpassword";
    let args = Args(args);
    let kind = args.text(1);
    let Some(templates) = password_templates(&kind) else {
        return Ok(Value::text(format!("cannot find password template {kind}")));
    };
    rt.budget.steps(SCRYPT_STEPS)?;
    let (password, user, site) = (args.bytes(2), args.bytes(3), args.bytes(4));
    let salt = [SCOPE, &(user.len() as u32).to_be_bytes(), user].concat();
    let mut key = [0u8; 64];
    let derived = scrypt::Params::new(15, 8, 2, 64)
        .map_err(|error| error.to_string())
        .and_then(|params| scrypt::scrypt(password, &salt, &params, &mut key).map_err(|error| error.to_string()));
    if let Err(error) = derived {
        return Ok(Value::text(format!("failed to derive password: {error}")));
    }
    let counter = (args.int(0) as u32).to_be_bytes();
    let message = [SCOPE, &(site.len() as u32).to_be_bytes(), site, &counter].concat();
    let seed = match hmac::Hmac::<Sha256>::new_from_slice(&key) {
        Ok(mac) => mac.chain_update(&message).finalize().into_bytes(),
        Err(error) => return Ok(Value::text(format!("failed to derive password: {error}"))),
    };
    let mut bytes = seed.iter().map(|byte| usize::from(*byte));
    let template = templates.get(bytes.next().unwrap_or(0) % templates.len()).copied().unwrap_or("");
    let out: Vec<u8> = template
        .bytes()
        .zip(bytes)
        .filter_map(|(class, byte)| {
            let characters = password_characters(class);
            characters.get(byte % characters.len()).copied()
        })
        .collect();
    Ok(Value::text(out))
}

/// Sprig's key: the password cut or padded with zeros to 32 bytes.
fn aes_key(password: &[u8]) -> [u8; 32] {
    let mut key = [0u8; 32];
    key.iter_mut().zip(password).for_each(|(slot, byte)| *slot = *byte);
    key
}

/// AES-256-CBC, the initialisation vector before the text, in base64.
fn encrypt(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    let text = args.bytes(1);
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    let mut iv = [0u8; 16];
    rt.host.entropy.fill(&mut iv);
    let cipher = cbc::Encryptor::<Aes256>::new(&aes_key(args.bytes(0)).into(), &iv.into());
    let encrypted = cipher.encrypt_padded_vec_mut::<Pkcs7>(text);
    Ok(Value::text(STANDARD.encode([&iv[..], &encrypted].concat())))
}

fn decrypt(args: &[Value]) -> Outcome {
    let args = Args(args);
    let text = args.bytes(1);
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    let data = base::decode64(text)?;
    let Some((iv, data)) = data.split_first_chunk::<16>() else {
        let capacity = text.len() / 4 * 3;
        return Err(format!("runtime error: slice bounds out of range [:16] with capacity {capacity}").into());
    };
    if !data.len().is_multiple_of(16) {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let cipher = cbc::Decryptor::<Aes256>::new(&aes_key(args.bytes(0)).into(), iv.into());
    let plain = cipher.decrypt_padded_vec_mut::<NoPadding>(data).map_err(|error| error.to_string())?;
    // The last byte says how many to drop; nobody checks what they are.
    let Some(padding) = plain.last() else {
        return Err("runtime error: index out of range [-1]".into());
    };
    match plain.len().checked_sub(usize::from(*padding)) {
        Some(length) => Ok(Value::text(plain.get(..length).unwrap_or_default())),
        None => {
            let end = plain.len() as i64 - i64::from(*padding);
            Err(format!("runtime error: slice bounds out of range [:{end}]").into())
        }
    }
}
