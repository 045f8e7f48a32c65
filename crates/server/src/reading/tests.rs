//! Bodies that read a file give its bytes, in part or whole, and fail where the file is shorter than was said.

use super::*;
use std::io::Write;

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

async fn read(body: Body) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(body, usize::MAX).await
}

#[tokio::test]
async fn parts_of_any_length_come_as_they_are() {
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for (offset, length) in [
        (0, content.len()),
        (0, 0),
        (1, 10),
        (0, 65_536),
        (7, 65_537),
        (500_000, 700_000),
    ] {
        let read = read(body(file(&content), offset as u64, length as u64))
            .await
            .unwrap();
        assert_eq!(read, content[offset..offset + length], "{offset}+{length}");
    }
}

#[tokio::test]
async fn a_file_that_is_too_short_is_an_error_and_no_short_body() {
    for length in [200, 400_000] {
        assert!(read(body(file(&[7; 100]), 0, length)).await.is_err());
    }
}
