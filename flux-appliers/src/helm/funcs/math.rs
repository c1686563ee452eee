//! Arithmetic.

use num_bigint::BigInt;

use super::args::{Args, Outcome};
use super::cast::{to_float, to_int, to_text};
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::gofmt::format_float;
use crate::helm::template::{Elements, Function, List, Type, Value};

const ANY: &[Type] = &[Type::Any];
const ANY2: &[Type] = &[Type::Any, Type::Any];
const INT3: &[Type] = &[Type::Int, Type::Int, Type::Int];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("atoi", &[Type::Str], |_, args| Ok(Value::Int(atoi(&Args(args).text(0))))),
    Function::new("int64", ANY, |_, args| Ok(Value::Int64(to_int(&Args(args).any(0))))),
    Function::new("int", ANY, |_, args| Ok(Value::Int(to_int(&Args(args).any(0))))),
    Function::new("float64", ANY, |_, args| Ok(Value::Float(to_float(&Args(args).any(0))))),
    Function::new("toDecimal", ANY, |_, args| {
        let text = String::from_utf8(to_text(&Args(args).any(0))).unwrap_or_default();
        Ok(Value::Int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
    }),
    Function::new("add1", ANY, |_, args| Ok(Value::Int64(to_int(&Args(args).any(0)).wrapping_add(1)))),
    Function::variadic("add", &[], Type::Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int).fold(0, i64::wrapping_add)))
    }),
    Function::new("sub", ANY2, |_, args| {
        Ok(Value::Int64(to_int(&Args(args).any(0)).wrapping_sub(to_int(&Args(args).any(1)))))
    }),
    Function::new("div", ANY2, |_, args| divide(args, i64::wrapping_div)),
    Function::new("mod", ANY2, |_, args| divide(args, i64::wrapping_rem)),
    Function::variadic("mul", ANY, Type::Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int).fold(1, i64::wrapping_mul)))
    }),
    Function::variadic("max", ANY, Type::Any, largest),
    Function::variadic("biggest", ANY, Type::Any, largest),
    Function::variadic("min", ANY, Type::Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int).min().unwrap_or_default()))
    }),
    Function::variadic("maxf", ANY, Type::Any, |_, args| Ok(extreme(args, f64::INFINITY))),
    Function::variadic("minf", ANY, Type::Any, |_, args| Ok(extreme(args, f64::NEG_INFINITY))),
    Function::new("ceil", ANY, |_, args| Ok(Value::Float(to_float(&Args(args).any(0)).ceil()))),
    Function::new("floor", ANY, |_, args| Ok(Value::Float(to_float(&Args(args).any(0)).floor()))),
    Function::variadic("round", &[Type::Any, Type::Int], Type::Float, round),
    Function::new("add1f", ANY, |_, args| decimals(&[Args(args).any(0), Value::Int(1)], Decimal::add)),
    Function::variadic("addf", &[], Type::Any, |_, args| {
        let all: Vec<_> = std::iter::once(Value::Float(0.0)).chain(args.iter().cloned()).collect();
        decimals(&all, Decimal::add)
    }),
    Function::variadic("subf", ANY, Type::Any, |_, args| decimals(args, Decimal::sub)),
    Function::variadic("mulf", ANY, Type::Any, |_, args| decimals(args, Decimal::mul)),
    Function::variadic("divf", ANY, Type::Any, |_, args| {
        if args.iter().skip(1).any(|divisor| to_float(divisor) == 0.0) {
            return Err("decimal division by 0".into());
        }
        decimals(args, Decimal::div)
    }),
    Function::new("until", &[Type::Int], |rt, args| {
        let count = Args(args).int(0);
        ints(rt, 0, count, if count < 0 { -1 } else { 1 })
    }),
    Function::new("untilStep", INT3, |rt, args| {
        let args = Args(args);
        ints(rt, args.int(0), args.int(1), args.int(2))
    }),
    Function::variadic("seq", &[], Type::Int, seq),
];

fn divide(args: &[Value], by: fn(i64, i64) -> i64) -> Outcome {
    match to_int(&Args(args).any(1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::Int64(by(to_int(&Args(args).any(0)), divisor))),
    }
}

fn largest(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    Ok(Value::Int64(args.iter().map(to_int).max().unwrap_or_default()))
}

/// The number nearest to `end`, one of the infinities; where there is one that is none, that one.
fn extreme(args: &[Value], end: f64) -> Value {
    let numbers = args.iter().map(to_float);
    let best = numbers.reduce(|a, b| match (a, b) {
        _ if a == end || b == end => end,
        _ if a.is_nan() || b.is_nan() => f64::NAN,
        // Of two zeros the positive one is larger.
        _ if a.total_cmp(&b).is_gt() == (end > 0.0) => a,
        _ => b,
    });
    Value::Float(best.unwrap_or(0.0))
}

/// Go's `strconv.Atoi` without its error: what does not fit is the nearest number that does.
fn atoi(text: &str) -> i64 {
    match text.parse::<i64>() {
        Ok(number) => number,
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow => i64::MAX,
            std::num::IntErrorKind::NegOverflow => i64::MIN,
            _ => 0,
        },
    }
}

/// Rounds half up, or at another point than a half.
fn round(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let value = to_float(&Args(args).any(0));
    let turn = args.get(2).map_or(0.5, to_float);
    let power = 10f64.powf(Args(args).int(1) as f64);
    let digit = power * value;
    let rounded = if digit.fract() >= turn { digit.ceil() } else { digit.floor() };
    Ok(Value::Float(rounded / power))
}

fn range(rt: &mut Runtime<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, CallError> {
    let empty = if stop < start { step >= 0 } else { step <= 0 };
    if empty {
        return Ok(Vec::new());
    }
    let count = (i128::from(stop) - i128::from(start)).unsigned_abs().div_ceil(i128::from(step).unsigned_abs());
    rt.budget.charge(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(size_of::<Value>()))?;
    Ok((0..count as i64).map(|i| start + i * step).collect())
}

fn ints(rt: &mut Runtime<'_>, start: i64, stop: i64, step: i64) -> Outcome {
    let items = range(rt, start, stop, step)?.into_iter().map(Value::Int).collect();
    Ok(Value::List(List::new(Elements::Int, items)))
}

fn seq(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let params: Vec<_> = (0..args.len()).map(|i| Args(args).int(i)).collect();
    let (start, step, end) = match *params.as_slice() {
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] if end < start && step > 0 => return Ok(Value::text("")),
        [start, step, end] => (start, step, end),
        _ => return Ok(Value::text("")),
    };
    // The end is part of the sequence.
    let beyond =
        if params.len() == 3 { end.saturating_add(if end < start { -1 } else { 1 }) } else { end.saturating_add(step) };
    let words: Vec<_> = range(rt, start, beyond, step)?.iter().map(i64::to_string).collect();
    Ok(Value::text(words.join(" ")))
}

/// A number of the form `digits * 10^exponent`, so that `addf 0.1 0.2` is 0.3.
#[derive(Clone)]
struct Decimal {
    digits: BigInt,
    exponent: i32,
}

/// Quotients have this many places.
const DIVISION_PLACES: i32 = 16;

fn decimals(args: &[Value], op: fn(&Decimal, &Decimal) -> Decimal) -> Outcome {
    let mut result: Option<Decimal> = None;
    for number in args.iter().map(to_float) {
        if !number.is_finite() {
            return Err(format!("Cannot create a Decimal from {}", format_float(number, 'g', None)).into());
        }
        let number = Decimal::of(number);
        result = Some(match result {
            Some(result) => op(&result, &number),
            None => number,
        });
    }
    Ok(Value::Float(result.map_or(0.0, |result| result.to_float())))
}

impl Decimal {
    fn of(value: f64) -> Self {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
        let digits = mantissa.replace('.', "").parse().unwrap_or_default();
        Self { digits, exponent: exponent.parse::<i32>().unwrap_or(0) - places }
    }

    /// The digits at a smaller exponent.
    fn at(&self, exponent: i32) -> BigInt {
        &self.digits * BigInt::from(10).pow((self.exponent - exponent).unsigned_abs())
    }

    fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self { digits: self.at(exponent) + other.at(exponent), exponent }
    }

    fn sub(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self { digits: self.at(exponent) - other.at(exponent), exponent }
    }

    fn mul(&self, other: &Self) -> Self {
        Self { digits: &self.digits * &other.digits, exponent: self.exponent + other.exponent }
    }

    fn div(&self, other: &Self) -> Self {
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let (mut over, mut under) = (self.digits.clone(), other.digits.clone());
        let scale = BigInt::from(10).pow(shift.unsigned_abs());
        if shift >= 0 {
            over *= scale;
        } else {
            under *= scale;
        }
        let mut quotient = &over / &under;
        let remainder = &over % &under;
        if (remainder * 2i32).magnitude() >= under.magnitude() {
            quotient += if (over.sign() == num_bigint::Sign::Minus) == (under.sign() == num_bigint::Sign::Minus) {
                1
            } else {
                -1
            };
        }
        Self { digits: quotient, exponent: -DIVISION_PLACES }
    }

    fn to_float(&self) -> f64 {
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or(0.0)
    }
}
