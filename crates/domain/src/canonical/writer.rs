//! The writer: canonical bytes in one pass, without a tree of values between.
//!
//! Members are written as they come and put in order when their object ends.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde::ser::{self, Error as _};
use serde::{Serialize, Serializer};

use super::NotCanonical;

/// The largest whole number that is exact everywhere.
const EXACT: i64 = (1 << 53) - 1;
/// Room for the bytes and the members of most operations.
const ROOM: usize = 1_000;
const MEMBERS: usize = 16;

pub(super) struct Writer {
    out: Vec<u8>,
    /// Of every object that has begun and not ended.
    members: Vec<Member>,
    /// Room to put members in order.
    spare: Vec<u8>,
    /// Room to spell what is shown.
    shown: String,
}

/// Where one member is: `"name":value`, without the comma.
struct Member {
    /// The first bytes of its name, which nearly always tell it from the others: see `head`.
    head: u64,
    begin: usize,
    /// Where its name ends, quotes included.
    name_end: usize,
    end: usize,
}

/// Something that has begun with a bracket or a brace.
pub(super) struct Compound<'a> {
    writer: &'a mut Writer,
    kind: Kind,
    is_empty: bool,
    /// Whether it is the content of `{"Variant":…}`, whose brace ends too.
    is_variant: bool,
}

enum Kind {
    Array,
    /// With the place of its first member.
    Object(usize),
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            out: Vec::with_capacity(ROOM),
            members: Vec::with_capacity(MEMBERS),
            spare: Vec::new(),
            shown: String::new(),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn whole(&mut self, number: Option<i64>, shown: impl ToString) -> Result<(), NotCanonical> {
        match number.filter(|number| (-EXACT..=EXACT).contains(number)) {
            Some(whole) => Ok(serde_json::to_writer(&mut self.out, &whole)?),
            None => Err(NotCanonical::Number(shown.to_string())),
        }
    }

    fn array(&mut self, is_variant: bool) -> Compound<'_> {
        self.out.push(b'[');
        Compound { writer: self, kind: Kind::Array, is_empty: true, is_variant }
    }

    fn object(&mut self, is_variant: bool) -> Compound<'_> {
        self.out.push(b'{');
        let kind = Kind::Object(self.members.len());
        Compound { writer: self, kind, is_empty: true, is_variant }
    }

    fn variant(&mut self, name: &str) -> Result<(), NotCanonical> {
        self.out.push(b'{');
        serde_json::to_writer(&mut self.out, name)?;
        self.out.push(b':');
        Ok(())
    }

    /// RFC 8785 §3.2.3: the members since `first`, by the UTF-16 code units of their names.
    fn put_in_order(&mut self, first: usize) -> Result<(), NotCanonical> {
        let Self { out, members, spare, .. } = self;
        let own = members.get_mut(first..).unwrap_or_default();
        let (Some(begin), Some(end)) =
            (own.first().map(|one| one.begin), own.last().map(|one| one.end))
        else {
            return Ok(());
        };
        let name = |member: &Member| out.get(member.begin..member.name_end).unwrap_or_default();
        let order = |left: &Member, right: &Member| match (left.head, right.head) {
            (one, other) if one != other && one != FOREIGN && other != FOREIGN => one.cmp(&other),
            _ => compare(name(left), name(right)),
        };
        let is_sorted = own.is_sorted_by(|left, right| order(left, right).is_lt());
        if !is_sorted {
            own.sort_by(order);
            let mut pairs = own.iter().zip(own.iter().skip(1));
            if let Some((twice, _)) = pairs.find(|(left, right)| name(left) == name(right)) {
                let told =
                    format!("the name {} stands twice", String::from_utf8_lossy(name(twice)));
                return Err(NotCanonical::custom(told));
            }
            spare.clear();
            spare.reserve(end - begin);
            for (place, member) in own.iter().enumerate() {
                if place > 0 {
                    spare.push(b',');
                }
                spare.extend_from_slice(out.get(member.begin..member.end).unwrap_or_default());
            }
            out.truncate(begin);
            out.extend_from_slice(spare);
            debug_assert_eq!(out.len(), end, "members were moved, not changed");
        }
        members.truncate(first);
        Ok(())
    }
}

/// The head of a name that is not plain ASCII; no plain one has it.
const FOREIGN: u64 = u64::MAX;

/// The first eight bytes of a name as a number that sorts as they do; a shorter name is filled up
/// with zeros, which no plain name contains. The name comes as it is written, quotes included.
fn head(name: &[u8]) -> u64 {
    if !is_plain(name) {
        return FOREIGN;
    }
    let bare = name.get(1..name.len().saturating_sub(1)).unwrap_or_default();
    let mut head = [0; 8];
    head.iter_mut().zip(bare).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(head)
}

fn is_plain(name: &[u8]) -> bool {
    name.is_ascii() && !name.contains(&b'\\')
}

/// Two names as they are written, quotes included.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    if is_plain(left) && is_plain(right) {
        // Without its quote no name is the beginning of another that sorts before it.
        let bare = |name: &[u8]| name.len().saturating_sub(1);
        return left.get(..bare(left)).cmp(&right.get(..bare(right)));
    }
    let units = |name: &[u8]| -> Vec<u16> {
        serde_json::from_slice::<String>(name).unwrap_or_default().encode_utf16().collect()
    };
    units(left).cmp(&units(right))
}

impl Compound<'_> {
    fn separate(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.writer.out.push(b',');
        }
    }

    fn name<K: Serialize + ?Sized>(&mut self, name: &K) -> Result<(), NotCanonical> {
        self.separate();
        let begin = self.writer.out.len();
        name.serialize(&mut *self.writer)?;
        let name_end = self.writer.out.len();
        if self.writer.out.get(begin) != Some(&b'"') {
            return Err(NotCanonical::custom("the name of a member is not text"));
        }
        let head = head(self.writer.out.get(begin..).unwrap_or_default());
        self.writer.out.push(b':');
        self.writer.members.push(Member { head, begin, name_end, end: 0 });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCanonical> {
        value.serialize(&mut *self.writer)?;
        let end = self.writer.out.len();
        if let Some(member) = self.writer.members.last_mut() {
            member.end = end;
        }
        Ok(())
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NotCanonical> {
        self.separate();
        item.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<(), NotCanonical> {
        match self.kind {
            Kind::Array => self.writer.out.push(b']'),
            Kind::Object(first) => {
                self.writer.put_in_order(first)?;
                self.writer.out.push(b'}');
            }
        }
        if self.is_variant {
            self.writer.out.push(b'}');
        }
        Ok(())
    }
}

impl ser::Error for NotCanonical {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Json(serde_json::Error::custom(message))
    }
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = NotCanonical;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), NotCanonical> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), NotCanonical> {
        self.whole(Some(value.into()), value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), NotCanonical> {
        self.whole(Some(value.into()), value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), NotCanonical> {
        self.whole(Some(value.into()), value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), NotCanonical> {
        self.whole(Some(value), value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), NotCanonical> {
        self.whole(Some(value.into()), value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), NotCanonical> {
        self.whole(Some(value.into()), value)
    }

    fn serialize_u32(self, value: u32) -> Result<(), NotCanonical> {
        self.whole(Some(value.into()), value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), NotCanonical> {
        self.whole(i64::try_from(value).ok(), value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), NotCanonical> {
        self.whole(None, value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), NotCanonical> {
        self.whole(None, value)
    }

    fn serialize_char(self, value: char) -> Result<(), NotCanonical> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    // RFC 8785 §3.2.2.2: serde_json escapes exactly the characters the scheme names.
    fn serialize_str(self, value: &str) -> Result<(), NotCanonical> {
        Ok(serde_json::to_writer(&mut self.out, value)?)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), NotCanonical> {
        let mut shown = std::mem::take(&mut self.shown);
        shown.clear();
        let spelled = write!(shown, "{value}").map_err(NotCanonical::custom);
        let written = spelled.and_then(|()| self.serialize_str(&shown));
        self.shown = shown;
        written
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NotCanonical> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), NotCanonical> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotCanonical> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), NotCanonical> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), NotCanonical> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), NotCanonical> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Compound<'a>, NotCanonical> {
        Ok(self.array(false))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Compound<'a>, NotCanonical> {
        Ok(self.array(false))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, NotCanonical> {
        Ok(self.array(false))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, NotCanonical> {
        self.variant(variant)?;
        Ok(self.array(true))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Compound<'a>, NotCanonical> {
        Ok(self.object(false))
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, NotCanonical> {
        Ok(self.object(false))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, NotCanonical> {
        self.variant(variant)?;
        Ok(self.object(true))
    }
}

impl ser::SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NotCanonical> {
        self.item(item)
    }

    fn end(self) -> Result<(), NotCanonical> {
        self.close()
    }
}

impl ser::SerializeTuple for Compound<'_> {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NotCanonical> {
        self.item(item)
    }

    fn end(self) -> Result<(), NotCanonical> {
        self.close()
    }
}

impl ser::SerializeTupleStruct for Compound<'_> {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NotCanonical> {
        self.item(item)
    }

    fn end(self) -> Result<(), NotCanonical> {
        self.close()
    }
}

impl ser::SerializeTupleVariant for Compound<'_> {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NotCanonical> {
        self.item(item)
    }

    fn end(self) -> Result<(), NotCanonical> {
        self.close()
    }
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotCanonical> {
        self.name(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCanonical> {
        self.value(value)
    }

    fn end(self) -> Result<(), NotCanonical> {
        self.close()
    }
}

impl ser::SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        self.name(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), NotCanonical> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Compound<'_> {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        self.name(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), NotCanonical> {
        self.close()
    }
}
