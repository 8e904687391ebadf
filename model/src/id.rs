//! Identifiers. Each is a newtype over a checked string, because all of them become parts of
//! storage paths and Redis keys: only `[a-z0-9._-]` is let in, and `..` never is.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Longest identifier accepted; keeps every storage path below the 1,024 byte limit of S3.
pub const ID_BYTES_MAX: usize = 96;

/// A string that is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {value:?} is not an identifier: 1 to {ID_BYTES_MAX} of a-z 0-9 . _ -, starting with a letter or digit"
)]
pub struct InvalidId {
    /// Which kind of identifier was expected.
    pub what: &'static str,
    /// What was given.
    pub value: String,
}

fn is_identifier(text: &str) -> bool {
    let first_is_alphanumeric = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first_is_alphanumeric
        && text.len() <= ID_BYTES_MAX
        && !text.contains("..")
        && text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        })
}

macro_rules! identifier {
    ($name:ident, $what:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the identifier, or says why the text is none.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let value = text.into();
                if is_identifier(&value) {
                    Ok(Self(value))
                } else {
                    Err(InvalidId { what: $what, value })
                }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    JobId,
    "job id",
    "One request to process a source into one version of a title."
);
identifier!(
    TenantId,
    "tenant",
    "Whose job it is; tenants share the farm by weight."
);
identifier!(
    TitleId,
    "title",
    "What a viewer will watch; versions of it are published."
);
identifier!(NodeId, "node id", "One agent process on one host.");
identifier!(
    TaskName,
    "task name",
    "The name of a task inside its job, such as `video-h264`."
);

/// A task: its job and its name inside the job. Written `<job>/<name>`, and ordered as that text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId {
    /// The job it belongs to.
    pub job: JobId,
    /// Its name inside the job.
    pub name: TaskName,
}

impl TaskId {
    /// Names a task of a job.
    pub fn new(job: JobId, name: TaskName) -> Self {
        Self { job, name }
    }
}

impl Ord for TaskId {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.job == other.job {
            return self.name.cmp(&other.name);
        }
        let text = |id: &Self| id.job.0.clone() + "/";
        text(self).cmp(&text(other))
    }
}

impl PartialOrd for TaskId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.job, self.name)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

impl FromStr for TaskId {
    type Err = InvalidId;
    fn from_str(value: &str) -> Result<Self, InvalidId> {
        let (job, name) = value.split_once('/').ok_or_else(|| InvalidId {
            what: "task id",
            value: value.to_owned(),
        })?;
        Ok(Self {
            job: JobId::new(job)?,
            name: TaskName::new(name)?,
        })
    }
}

impl TryFrom<String> for TaskId {
    type Error = InvalidId;
    fn try_from(value: String) -> Result<Self, InvalidId> {
        value.parse()
    }
}

/// A chunk: the run of units of one task that is leased and stolen. Written `<job>/<name>#<number>`.
/// A split gives the second half a new number; numbers are never used again inside a task. Ordered as that
/// text, so that all stores break ties alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChunkId {
    /// The task that the chunk is a part of.
    pub task: TaskId,
    /// Its number inside the task.
    pub number: u32,
}

impl Ord for ChunkId {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.task == other.task {
            return digits(self.number).cmp(&digits(other.number));
        }
        // The sign between name and number is lower than all that a name may hold.
        self.task.cmp(&other.task)
    }
}

/// Decimal digits from the first on.
fn digits(number: u32) -> [u8; 10] {
    let (mut digits, mut left, mut count) = ([0; 10], number, 1);
    while left >= 10 {
        (left, count) = (left / 10, count + 1);
    }
    left = number;
    for digit in digits[..count].iter_mut().rev() {
        (*digit, left) = (b'0' + (left % 10) as u8, left / 10);
    }
    digits
}

impl PartialOrd for ChunkId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.number)
    }
}

impl From<ChunkId> for String {
    fn from(id: ChunkId) -> String {
        id.to_string()
    }
}

impl FromStr for ChunkId {
    type Err = InvalidId;
    fn from_str(value: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId {
            what: "chunk id",
            value: value.to_owned(),
        };
        let (task, number) = value.rsplit_once('#').ok_or_else(invalid)?;
        Ok(Self {
            task: task.parse()?,
            number: number.parse().map_err(|_| invalid())?,
        })
    }
}

impl TryFrom<String> for ChunkId {
    type Error = InvalidId;
    fn try_from(value: String) -> Result<Self, InvalidId> {
        value.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_ordered_as_their_text() {
        let numbers = [0, 1, 2, 9, 10, 11, 19, 99, 100, u32::MAX];
        let tasks = [
            "a/video-av1",
            "a/video-av1-1080p",
            "a-b/x",
            "a.b/x",
            "a/x",
            "a0/x",
        ];
        let all: Vec<String> = tasks
            .iter()
            .flat_map(|task| numbers.map(|number| format!("{task}#{number}")))
            .collect();
        for one in &all {
            for other in &all {
                let ids: [ChunkId; 2] = [one.parse().unwrap(), other.parse().unwrap()];
                assert_eq!(ids[0].cmp(&ids[1]), one.cmp(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn identifiers_that_could_leave_their_folder_are_refused() {
        for bad in [
            "",
            "..",
            "a/b",
            "a..b",
            ".hidden",
            "UPPER",
            "a b",
            "-flag",
            &"x".repeat(97),
        ] {
            assert!(TitleId::new(bad).is_err(), "{bad:?} was let in");
        }
        assert!(TitleId::new("big-buck.bunny_2").is_ok());
    }

    #[test]
    fn chunk_ids_survive_text() {
        let id: ChunkId = "j1/video-h264#7".parse().unwrap();
        assert_eq!(id.number, 7);
        assert_eq!(id.to_string().parse::<ChunkId>().unwrap(), id);
        assert!("j1/video".parse::<ChunkId>().is_err());
    }
}
