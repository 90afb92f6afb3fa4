//! What a member of a group was given, as the group's protocol writes it.

/// The partitions of all topics of an assignment, sorted; none when it cannot be read.
pub(super) fn assigned(bytes: Option<&[u8]>) -> Vec<i32> {
    let mut partitions = bytes.and_then(read).unwrap_or_default();
    partitions.sort_unstable();
    partitions
}

/// Version, then each topic with its partitions; numbers stand with their highest byte first.
fn read(bytes: &[u8]) -> Option<Vec<i32>> {
    let (_version, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut partitions = Vec::new();
    for _ in 0..number(&mut rest)? {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_be_bytes(*length))..)?;
        for _ in 0..number(&mut rest)? {
            partitions.push(number(&mut rest)?);
        }
    }
    Some(partitions)
}

fn number(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_and_nonsense_gives_none() {
        let bytes = [0, 3, 0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 2, 9];
        assert_eq!(assigned(Some(&bytes)), [2, 7]);
        assert_eq!(assigned(bytes.get(..20)), Vec::<i32>::new());
        assert_eq!(assigned(Some(&[0, 0, 255, 255, 255, 255])), Vec::<i32>::new());
        assert_eq!(assigned(None), Vec::<i32>::new());
    }
}
