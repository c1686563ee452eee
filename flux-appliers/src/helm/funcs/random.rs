//! Randomness, all of it from the host.

use super::args::{Args, Outcome};
use base64::Engine as _;

use crate::helm::template::exec::Runtime;
use crate::helm::template::{Function, Type, Value};

const INT: &[Type] = &[Type::Int];

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("randAlphaNum", INT, |rt, args| pick(rt, args, &[LOWER, UPPER, DIGITS].concat())),
    Function::new("randAlpha", INT, |rt, args| pick(rt, args, &[LOWER, UPPER].concat())),
    Function::new("randNumeric", INT, |rt, args| pick(rt, args, DIGITS)),
    Function::new("randAscii", INT, |rt, args| {
        let printable: String = (' '..='~').collect();
        pick(rt, args, &printable)
    }),
    Function::new("randBytes", INT, |rt, args| {
        if Args(args).int(0) < 0 {
            return Err("runtime error: makeslice: len out of range".into());
        }
        let count = count(rt, args)?;
        let mut bytes = vec![0; count];
        rt.host.entropy.fill(&mut bytes);
        Ok(Value::text(base64::engine::general_purpose::STANDARD.encode(bytes)))
    }),
    Function::new("randInt", &[Type::Int, Type::Int], |rt, args| {
        let (low, high) = (Args(args).int(0), Args(args).int(1));
        let span = high.checked_sub(low).filter(|span| *span > 0).ok_or("invalid argument to Intn")?;
        Ok(Value::Int(low + below(rt, span as u64) as i64))
    }),
    Function::new("shuffle", &[Type::Str], |rt, args| {
        let mut chars: Vec<char> = Args(args).text(0).chars().collect();
        for i in (1..chars.len()).rev() {
            let j = below(rt, i as u64 + 1) as usize;
            chars.swap(i, j);
        }
        Ok(Value::text(chars.into_iter().collect::<String>()))
    }),
    Function::new("uuidv4", &[], |rt, _| {
        let mut bytes = [0u8; 16];
        rt.host.entropy.fill(&mut bytes);
        // Version 4, variant 1 (RFC 9562).
        let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{number:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("");
        Ok(Value::text(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))))
    }),
];

fn count(rt: &mut Runtime<'_>, args: &[Value]) -> Result<usize, crate::helm::template::CallError> {
    let count = usize::try_from(Args(args).int(0)).unwrap_or(0);
    rt.budget.charge(count)?;
    Ok(count)
}

/// A number below `limit`, without the bias of a plain remainder.
fn below(rt: &Runtime<'_>, limit: u64) -> u64 {
    let zone = u64::MAX - u64::MAX % limit;
    loop {
        let mut bytes = [0u8; 8];
        rt.host.entropy.fill(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        if number < zone {
            return number % limit;
        }
    }
}

fn pick(rt: &mut Runtime<'_>, args: &[Value], alphabet: &str) -> Outcome {
    let count = count(rt, args)?;
    let letters = alphabet.as_bytes();
    let text: Vec<u8> =
        (0..count).filter_map(|_| letters.get(below(rt, letters.len() as u64) as usize).copied()).collect();
    Ok(Value::text(text))
}
