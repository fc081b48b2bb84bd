//! Blocks and reports in the store.

use meoww_proto::{RoomId, UserId};
use meoww_server::{
    core::safety::{Block, BlockList, Line, MAX_REPORTS, REPORT_WINDOW, Report, ReportId, Speaker},
    store::{Creation, Filing, ReportFilter, Store},
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::engine::on_both_engines;
use crate::store::{account, create};

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 12])
}

fn room(n: u128) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(n))
}

fn block(blocked: u8, since: i64) -> Block {
    let since = START + Duration::seconds(since);
    Block { room: room(blocked.into()), blocked: user(blocked), since }
}

fn report(reporter: u8, reported: u8, filed_at: OffsetDateTime) -> Report {
    Report {
        room: room(1),
        reporter: Some(user(reporter)),
        reported: Some(user(reported)),
        reason: "rude".into(),
        lines: vec![Line { by: Speaker::Reported, text: "boo".into() }],
        filed_at,
        resolution: None,
    }
}

async fn file(store: &Store, report: Report) -> (ReportId, Filing) {
    let id = ReportId::generate(report.filed_at, &mut rand::rng());
    (id, store.file_report(id, report).await.expect("stored"))
}

async fn sign_up(store: &Store, n: u8) {
    let account = account(n, &format!("user{n}"), &format!("{n}@example.com"));
    assert_eq!(create(store, &account, START).await, Creation::Created);
}

async fn listed(store: &Store, filter: ReportFilter) -> Vec<ReportId> {
    let reports = store.reports(filter).await.expect("read");
    reports.into_iter().map(|(id, _)| id).collect()
}

on_both_engines! {
    a_block_is_listed_until_it_is_taken_back,
    the_version_of_blocks_counts_their_changes,
    reports_are_listed_and_resolved,
    a_deleted_account_is_named_in_no_report,
    nobody_buries_the_operators_in_reports,
}

async fn a_block_is_listed_until_it_is_taken_back(store: &Store) {
    for n in [1, 2] {
        sign_up(store, n).await;
    }
    for (who, block) in [(1, block(2, 10)), (1, block(3, 20)), (2, block(1, 30))] {
        store.add_block(user(who), block).await.expect("stored");
    }
    store.add_block(user(1), block(2, 10)).await.expect("stored");
    let blocks_of = |n| store.blocks_of(user(n));
    assert_eq!(blocks_of(1).await.expect("read"), [block(3, 20), block(2, 10)], "newest first");
    let taken_back = store.remove_block(user(1), room(2)).await.expect("stored");
    assert_eq!(taken_back, Some(user(2)));
    assert_eq!(store.remove_block(user(1), room(2)).await.expect("stored"), None);
    assert_eq!(store.remove_block(user(1), room(1)).await.expect("stored"), None, "not one's own");
    assert_eq!(blocks_of(1).await.expect("read"), [block(3, 20)]);

    store.delete_account(user(1)).await.expect("stored");
    store.add_block(user(1), block(2, 10)).await.expect("stored");
    assert_eq!(blocks_of(1).await.expect("read"), [], "not even one that came too late");
    assert_eq!(blocks_of(2).await.expect("read"), [block(1, 30)], "what others decided stays");
}

/// On PostgreSQL; on the embedded database there is no other server that changes them.
async fn the_version_of_blocks_counts_their_changes(store: &Store) {
    sign_up(store, 1).await;
    let mut lists = vec![store.block_list(user(1)).await.expect("read")];
    for blocked in [2, 3, 3] {
        store.add_block(user(1), block(blocked, 10)).await.expect("stored");
        lists.push(store.block_list(user(1)).await.expect("read"));
    }
    store.remove_block(user(1), room(2)).await.expect("stored");
    lists.push(store.block_list(user(1)).await.expect("read"));
    let blocked = lists.iter().map(|list| list.blocked.iter().copied().collect());
    let blocked: Vec<Vec<UserId>> = blocked.collect();
    let [two, three] = [2, 3].map(user);
    assert_eq!(blocked, [vec![], vec![two], vec![two, three], vec![two, three], vec![three]]);
    let versions: Vec<u64> = lists.iter().map(|list| list.version).collect();
    assert!(versions == [0; 5] || versions == [0, 1, 2, 3, 4], "{versions:?}");

    store.delete_account(user(1)).await.expect("stored");
    assert_eq!(store.block_list(user(1)).await.expect("read"), BlockList::default());
}

async fn reports_are_listed_and_resolved(store: &Store) {
    let second = Duration::seconds(1);
    let (first, _) = file(store, report(1, 2, START)).await;
    let (other, _) = file(store, report(1, 3, START + second)).await;
    let (last, filing) = file(store, report(4, 2, START + 2 * second)).await;
    assert_eq!(filing, Filing::Filed);
    assert_eq!(listed(store, ReportFilter::default()).await, [last, other, first]);
    let about = ReportFilter { reported: Some(user(2)), ..Default::default() };
    assert_eq!(listed(store, about).await, [last, first]);
    assert_eq!(listed(store, ReportFilter { limit: Some(1), ..about }).await, [last]);

    let now = START + 9 * second;
    let resolved = store.resolve_report(last, "warned".into(), now).await.expect("stored");
    let resolution = resolved.and_then(|report| report.resolution).expect("resolved");
    assert_eq!((&*resolution.note, resolution.at), ("warned", now));
    assert_eq!(listed(store, about).await, [first]);
    assert_eq!(listed(store, ReportFilter { resolved: true, ..about }).await, [last, first]);
    let unknown = ReportId::generate(START, &mut rand::rng());
    assert_eq!(store.resolve_report(unknown, String::new(), now).await.expect("read"), None);
    assert_eq!(store.report(first).await.expect("read"), Some(report(1, 2, START)));
    assert_eq!(store.report(unknown).await.expect("read"), None);
}

async fn a_deleted_account_is_named_in_no_report(store: &Store) {
    let (by, _) = file(store, report(1, 2, START)).await;
    let (of, _) = file(store, report(2, 1, START)).await;
    sign_up(store, 1).await;
    for _ in 0..2 {
        store.delete_account(user(1)).await.expect("stored");
    }
    let by = store.report(by).await.expect("read").expect("it stays");
    let of = store.report(of).await.expect("read").expect("it stays");
    assert_eq!((by.reporter, by.reported), (None, Some(user(2))));
    assert_eq!((of.reporter, of.reported), (Some(user(2)), None));
}

async fn nobody_buries_the_operators_in_reports(store: &Store) {
    for _ in 0..MAX_REPORTS {
        assert_eq!(file(store, report(1, 2, START)).await.1, Filing::Filed);
    }
    let soon = START + REPORT_WINDOW - Duration::milliseconds(1);
    assert_eq!(file(store, report(1, 2, soon)).await.1, Filing::TooMany);
    assert_eq!(file(store, report(2, 1, soon)).await.1, Filing::Filed, "being reported is free");
    let later = START + REPORT_WINDOW + Duration::milliseconds(1);
    assert_eq!(file(store, report(1, 2, later)).await.1, Filing::Filed);
}
