//! What a member of a group was given, as the group's protocol writes it.

/// The topics and partitions of an assignment, sorted; none when it cannot be read.
pub fn assigned(bytes: Option<&[u8]>) -> Vec<(String, u16)> {
    let mut places = bytes.and_then(read).unwrap_or_default();
    places.sort_unstable();
    places
}

/// Version, then each topic with its partitions; numbers stand with their highest byte first.
fn read(bytes: &[u8]) -> Option<Vec<(String, u16)>> {
    let (_version, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut places = Vec::new();
    for _ in 0..number(&mut rest)? {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (topic, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let topic = str::from_utf8(topic).ok()?;
        rest = after;
        for _ in 0..number(&mut rest)? {
            places.push((topic.to_owned(), u16::try_from(number(&mut rest)?).ok()?));
        }
    }
    Some(places)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_a_broken_one_gives_nothing() {
        let mut bytes = vec![0, 3, 0, 0, 0, 2];
        for (name, partitions) in [("other", vec![9_u32]), ("crm.events", vec![11, 0, 5])] {
            bytes.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(u32::try_from(partitions.len()).unwrap().to_be_bytes());
            partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
        }
        let found = assigned(Some(&bytes));
        let found: Vec<_> = found.iter().map(|(topic, number)| (topic.as_str(), *number)).collect();
        assert_eq!(found, [("crm.events", 0), ("crm.events", 5), ("crm.events", 11), ("other", 9)]);
        for cut in 0..bytes.len() {
            assert_eq!(assigned(bytes.get(..cut)), Vec::new(), "{cut}");
        }
        assert_eq!(assigned(Some(&[0, 0, 255, 255, 255, 255])), Vec::new());
        assert_eq!(assigned(None), Vec::new());
    }
}
