//! Many keys: a page of them costs what a page costs.

use std::time::Duration;

use tokio::time::Instant;

use super::World;

/// Keys in the table.
const KEYS: u32 = 100_000;

#[tokio::test]
async fn a_page_of_a_hundred_thousand_keys_is_there_at_once() {
    let world = World::new().await;
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
               INSERT INTO keys (id, fields) SELECT 'many-' || i, \
               json_set((SELECT fields FROM keys LIMIT 1), '$.token', 'many-' || i, \
               '$.hash', 'many-' || i, '$.user_id', 'user-' || (i % 1000)) FROM n";
    let filled = sqlx::query(sql).bind(KEYS);
    filled
        .execute(&mut *world.rig.books.writer().await)
        .await
        .unwrap();

    let mut slowest = Duration::ZERO;
    for path in [
        "GET /key/list?size=100&return_full_object=true",
        "GET /key/list?size=100&page=500&return_full_object=true",
        "GET /key/list?size=100&page=1001&return_full_object=true",
        "GET /key/list?size=100&user_id=user-7&return_full_object=true",
        "GET /key/list?key_hash=many-77777",
    ] {
        let before = Instant::now();
        let list = world.done(path, "").await;
        slowest = slowest.max(before.elapsed());
        assert!(!list["keys"].as_array().unwrap().is_empty(), "{path}");
    }
    let list = world
        .done("GET /key/list?size=100&user_id=user-7", "")
        .await;
    assert_eq!(
        (&list["total_count"], &list["total_pages"]),
        (&100.into(), &1.into())
    );
    // A machine that is busy with other things has time for this too; a scan for each row has not.
    assert!(
        slowest < Duration::from_secs(3),
        "slowest page took {slowest:?}"
    );
}
