//! Reads `types.txt`. The table is part of the program, so a line that does not parse is skipped; a test reads it all.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Field, List, ListKind, Map, PatchStrategy, Scalar, Schema, Type, TypeId};

const TABLE: &str = include_str!("types.txt");

pub(super) fn built_in() -> Schema {
    Loader::default().load(TABLE)
}

#[derive(Default)]
struct Loader {
    schema: Option<Schema>,
    codes: HashMap<String, TypeId>,
    atomic: Vec<(TypeId, TypeId)>,
}

impl Loader {
    fn load(mut self, table: &str) -> Schema {
        let mut schema = Schema { types: Vec::with_capacity(2048), names: HashMap::with_capacity(512) };
        for line in table.lines().filter(|l| !l.starts_with(' ')) {
            let name = line.trim_end_matches(" <");
            let id = schema.add(Type::Any);
            schema.name(name, id);
        }
        self.schema = Some(schema);
        let mut current: Option<(TypeId, Map)> = None;
        for line in table.lines() {
            if let Some(field) = line.strip_prefix(' ') {
                if let (Some((_, map)), Some(field)) = (&mut current, self.field(field)) {
                    map.fields.push(field);
                }
            } else {
                self.finish(current.take());
                let (name, atomic) = match line.strip_suffix(" <") {
                    Some(name) => (name, true),
                    None => (line, false),
                };
                let id = self.schema.as_ref().and_then(|s| s.named(name));
                current = id.map(|id| (id, Map { name: name.into(), atomic, ..Map::default() }));
            }
        }
        self.finish(current);
        let Some(mut schema) = self.schema else { return Schema { types: Vec::new(), names: HashMap::new() } };
        for (id, of) in self.atomic {
            if let Type::Map(map) = schema.get(of) {
                let map = Map { atomic: true, ..map.clone() };
                schema.set(id, Type::Map(map));
            }
        }
        schema
    }

    fn finish(&mut self, done: Option<(TypeId, Map)>) {
        if let (Some((id, mut map)), Some(schema)) = (done, &mut self.schema) {
            let fields = std::mem::take(&mut map.fields);
            let ty = if fields.is_empty() { Type::Deduced } else { Type::Map(map.with_fields(fields)) };
            schema.set(id, ty);
        }
    }

    fn field(&mut self, line: &str) -> Option<Field> {
        let mut words = line.split(' ');
        let flagged = words.next()?;
        let name = flagged.trim_end_matches(['*', '!', '+']);
        let flags = flagged.get(name.len()..).unwrap_or("");
        let ty = self.ty(words.next()?)?;
        let mut field = Field {
            name: Arc::from(name),
            ty,
            pointer: flags.contains('*'),
            always: flags.contains('!'),
            required: flags.contains('+'),
            default: None,
            proto: Box::default(),
            patch: PatchStrategy::default(),
        };
        for word in words {
            if let Some(default) = word.strip_prefix('=') {
                field.default = serde_json::from_str(default).ok();
            } else if let Some(path) = word.strip_prefix('#') {
                field.proto = path.split('.').filter_map(|n| n.parse().ok()).collect();
            } else if let Some(key) = word.strip_prefix(['~', '^']) {
                field.patch.retain_keys = word.starts_with('^');
                field.patch.merge = key != "-";
                field.patch.key = Some(key).filter(|k| !k.is_empty() && *k != "-").map(Into::into);
            }
        }
        Some(field)
    }

    fn ty(&mut self, code: &str) -> Option<TypeId> {
        if let Some(id) = self.codes.get(code) {
            return Some(*id);
        }
        let id = if let Some(name) = code.strip_prefix("@!") {
            let of = self.schema.as_ref()?.named(name)?;
            let id = self.schema.as_mut()?.add(Type::Any);
            self.atomic.push((id, of));
            id
        } else if let Some(name) = code.strip_prefix('@') {
            self.schema.as_ref()?.named(name)?
        } else {
            let ty = match code.as_bytes().first()? {
                b'{' | b'<' => {
                    let element = Some(self.ty(code.get(1..)?)?);
                    Type::Map(Map { atomic: code.starts_with('<'), element, ..Map::default() })
                }
                b'[' => Type::List(List { element: self.ty(code.get(1..)?)?, kind: ListKind::Atomic }),
                b'=' => Type::List(List { element: self.ty(code.get(1..)?)?, kind: ListKind::Set }),
                b'(' => {
                    let (keys, element) = code.get(1..)?.split_once(')')?;
                    let kind = ListKind::Map(keys.split(',').map(Arc::from).collect());
                    Type::List(List { element: self.ty(element)?, kind })
                }
                _ => match code {
                    "s" => Type::Scalar(Scalar::String),
                    "i" => Type::Scalar(Scalar::Int32),
                    "l" => Type::Scalar(Scalar::Int64),
                    "n" => Type::Scalar(Scalar::Number),
                    "b" => Type::Scalar(Scalar::Boolean),
                    "q" => Type::Scalar(Scalar::Quantity),
                    "x" => Type::Scalar(Scalar::IntOrString),
                    "t" => Type::Scalar(Scalar::Time),
                    "m" => Type::Scalar(Scalar::MicroTime),
                    "y" => Type::Scalar(Scalar::Bytes),
                    "d" => Type::Deduced,
                    "a" => Type::Any,
                    _ => return None,
                },
            };
            self.schema.as_mut()?.add(ty)
        };
        self.codes.insert(code.to_owned(), id);
        Some(id)
    }
}
