//! Where photos go that do not stay in the data directory.

use std::str::FromStr;

/// A bucket of an S3-compatible store. Who may write there is said by the usual `AWS_*` variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// As the store knows it.
    pub name: String,
    /// What the names of our objects begin with, perhaps nothing.
    pub prefix: String,
}

impl FromStr for Bucket {
    type Err = &'static str;

    /// Reads `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const INVALID: &str = "is no s3://BUCKET[/PREFIX]";
        let rest = text.trim().strip_prefix("s3://").ok_or(INVALID)?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // What else a URL can hold (a user, a port, a query) means nothing here.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let segment = |part: &str| !part.is_empty() && part != ".." && part.bytes().all(allowed);
        let prefix = prefix.trim_end_matches('/');
        if !(3..=63).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(INVALID);
        }
        if !prefix.is_empty() && !prefix.split('/').all(segment) {
            return Err(INVALID);
        }
        Ok(Self { name: name.to_owned(), prefix: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_its_url() {
        let bucket: Bucket = "s3://photos.example/meoww/people/".parse().expect("a bucket");
        assert_eq!(
            (bucket.name.as_str(), bucket.prefix.as_str()),
            ("photos.example", "meoww/people")
        );
        assert_eq!("s3://bucket".parse::<Bucket>().expect("a bucket").prefix, "");
        for nonsense in [
            "",
            "s3://",
            "s3://a",
            "bucket",
            "https://bucket",
            "s3://key:secret@bucket",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "s3://bucket?x=1",
        ] {
            assert!(nonsense.parse::<Bucket>().is_err(), "{nonsense}");
        }
    }
}
