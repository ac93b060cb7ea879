//! Texts of a peer, without the secrets that it was sent.
//!
//! A peer that tells what it was asked, as some do of what went wrong, tells those too. It is looked for last, when others have cut
//! the text and put it into quotes: so a part of a secret is one, and so is a secret as it stands in quotes.

use std::ops::Range;

/// What is shorter may be in a text by chance.
const SHORTEST: usize = 6;

/// So much of a credential, wherever a cut has left it, is a part of it and no chance.
pub(crate) const SURE: usize = 8;

/// So much of any other text, which may be words that others say too.
#[cfg(any(feature = "grpc", all(feature = "process", target_os = "linux")))]
pub(crate) const SURE_OF_WORDS: usize = 16;

const HIDDEN: &str = "***";

/// The text without these secrets, nor parts of them that are so long; `None` where none is in it.
#[cold]
pub(crate) fn hidden<'s>(said: &str, secrets: impl Iterator<Item = &'s str>, part: usize) -> Option<String> {
    let secrets: Vec<_> = secrets.collect();
    // A whole one first: a part of another form of it may stand in the middle of it.
    let without = hide(said, secrets.iter().copied(), whole);
    let text = without.as_deref().unwrap_or(said);
    hide(text, secrets.iter().copied(), |text, secret| Pairs::of(secret).part(text, secret, part)).or(without)
}

/// `find` gives the first place in a text where something of a secret stands.
fn hide<'s>(
    said: &str,
    secrets: impl Iterator<Item = &'s str>,
    find: impl Fn(&str, &str) -> Option<Range<usize>>,
) -> Option<String> {
    let mut hidden: Option<String> = None;
    for secret in secrets.filter(|secret| secret.len() >= SHORTEST) {
        let quoted = secret.escape_debug().to_string();
        for form in [secret, &quoted] {
            let (mut text, mut without) = (hidden.as_deref().unwrap_or(said), String::new());
            while let Some(found) = find(text, form) {
                without.push_str(&text[..found.start]);
                without.push_str(HIDDEN);
                text = &text[found.end..];
            }
            if !without.is_empty() {
                without.push_str(text);
                hidden = Some(without);
            }
        }
    }
    hidden
}

fn whole(text: &str, secret: &str) -> Option<Range<usize>> {
    text.find(secret).map(|at| at..at + secret.len())
}

/// Which two bytes stand beside each other in a secret, as far as a few bits tell: of a text nearly all is passed over by them.
struct Pairs([u64; 16]);

impl Pairs {
    fn of(secret: &str) -> Self {
        let mut pairs = Self([0; 16]);
        for pair in secret.as_bytes().windows(2) {
            let (word, bit) = Self::place(pair);
            pairs.0[word] |= bit;
        }
        pairs
    }

    fn place(pair: &[u8]) -> (usize, u64) {
        let place = usize::from(pair[0]).wrapping_mul(31).wrapping_add(usize::from(pair[1]).wrapping_mul(7));
        (place / 64 % 16, 1 << (place % 64))
    }

    fn may_have(&self, part: &[u8]) -> bool {
        part.windows(2).all(|pair| {
            let (word, bit) = Self::place(pair);
            self.0[word] & bit != 0
        })
    }

    /// The first place where so much of the secret stands that it is no chance, and all that stands there of it.
    fn part(&self, text: &str, secret: &str, least: usize) -> Option<Range<usize>> {
        let (bytes, secret) = (text.as_bytes(), secret.as_bytes());
        let (at, of_secret) = bytes.windows(least).enumerate().find_map(|(at, part)| {
            let found = if self.may_have(part) { secret.windows(least).position(|own| own == part) } else { None };
            Some((at, found?))
        })?;
        let rest = bytes[at..].iter().zip(&secret[of_secret..]);
        let end = at + rest.take_while(|(one, other)| one == other).count();
        Some(text.floor_char_boundary(at)..text.ceil_char_boundary(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "LONGTOKEN-000-001-002-003";

    fn of(said: &str, secret: &str) -> String {
        hidden(said, [secret].into_iter(), SURE).unwrap_or_else(|| said.to_owned())
    }

    #[test]
    fn neither_a_secret_nor_what_a_cut_has_left_of_it_is_shown() {
        for (said, shown) in [
            (format!("no {TOKEN}, and {TOKEN}!"), "no ***, and ***!"),
            (format!("it sent {:?}", &TOKEN[..SURE]), "it sent \"***\""),
            (format!("it sent \"{}…\" and {TOKEN}", &TOKEN[..17]), "it sent \"***…\" and ***"),
            (format!("xxx{}", &TOKEN[..20]), "xxx***"),
            (format!("…{} is no name", &TOKEN[5..]), "…*** is no name"),
            (format!("{}…{}", &TOKEN[..9], &TOKEN[16..]), "***…***"),
            (format!("at byte 2, {:?}", &TOKEN[1..17]), "at byte 2, \"***\""),
        ] {
            assert_eq!(of(&said, TOKEN), shown);
        }
        for harmless in ["LONGTOK", "-002-00", "no such thing", ""] {
            assert_eq!(hidden(harmless, [TOKEN, "short"].into_iter(), SURE), None, "{harmless}");
        }
        assert_eq!(of("a short one: secret, secre", "secret"), "a short one: ***, secre");
    }

    #[test]
    fn a_secret_is_known_in_quotes_and_beside_letters_of_several_bytes() {
        let secret = "pä\"ss\\wörd-größe-7";
        for said in [format!("{secret:?}"), format!("é{secret}é"), format!("{:?}", &secret[..15])] {
            let shown = of(&said, secret);
            assert!(shown.contains(HIDDEN) && !shown.contains("ss") && !shown.contains("rd"), "{said} {shown}");
        }
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn of_what_may_be_words_a_long_part_is_hidden_and_a_short_one_is_not() {
        let of = |said| hidden(said, ["optionsecret-abcdef-0123"].into_iter(), SURE_OF_WORDS);
        assert_eq!(of("no optionsecret-abcdef-0123 here").as_deref(), Some("no *** here"));
        assert_eq!(of("is \"optionsecret-abcdef-\", and no number").as_deref(), Some("is \"***\", and no number"));
        assert_eq!(of("the option -abcdef-0123 here"), None);
    }
}
