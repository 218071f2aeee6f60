//! Authorized clients of an organization, as operators see them.

use grantor::db::authorizations;
use grantor::db::authorizations::RelatedGrants;
use grantor::db::clients::registrations;
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::families::uses;
use grantor::db::orgs::org_clients;
use grantor::db::orgs::org_clients::{AuthorizedClient, AuthorizedFilter, OrgClient};
use grantor::rules::client::disabled_reason::{DisabledReason, Disabling};
use grantor::rules::id::{AuthorizedClientId, GrantId};
use grantor::rules::scope::scopes_restriction::ScopesRestriction;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, client_id, new_client, org_id, uuid};
use crate::db::grant_fixtures::{
    consent, end, family_id, insert_family, new_family, people_and_clients,
};
use crate::support::{START, TestApp};

fn authorized_id(number: u64) -> AuthorizedClientId {
    AuthorizedClientId(uuid(number))
}

/// Stores the pair like a first consent, with a distinct id per pair.
async fn authorize(db: &Db, org: u64, client: u64, at: Timestamp) -> AuthorizedClientId {
    let (new, org_id, client_id) =
        (authorized_id(100 * org + client), org_id(org), client_id(client));
    let mut tx = db.begin().await.expect("begins");
    org_clients::lock(&mut tx, org_id, client_id, at).await.expect("is locked");
    let id = org_clients::assign_authorized_id(&mut tx, org_id, client_id, new, at)
        .await
        .expect("is authorized");
    tx.commit().await.expect("commits");
    id
}

async fn set_disabling(db: &Db, client: u64, disabling: &Disabling, at: Timestamp) {
    let mut tx = db.begin().await.expect("begins");
    org_clients::set_disabling(&mut tx, org_id(1), client_id(client), disabling, at)
        .await
        .expect("succeeds");
    tx.commit().await.expect("commits");
}

async fn disable(db: &Db, client: u64, at: Timestamp) {
    set_disabling(db, client, &Disabling::disabled(None), at).await;
}

/// In Acme, two users authorized client One, and one of them client Two. In Umbra, one authorized
/// client One.
async fn authorized_clients(db: &Db) -> [GrantId; 4] {
    people_and_clients(db).await;
    authorize(db, 1, 1, after(20)).await;
    authorize(db, 1, 2, after(10)).await;
    authorize(db, 2, 1, after(30)).await;
    [
        consent(db, 1, (1, 1, 1), "openid", START).await,
        consent(db, 2, (1, 1, 2), "openid", START).await,
        consent(db, 3, (1, 2, 1), "openid", START).await,
        consent(db, 4, (2, 1, 1), "openid", START).await,
    ]
}

const ALL: AuthorizedFilter = AuthorizedFilter {
    name: None,
    also_in_name: None,
    disabled: None,
    descending: false,
    by_name: true,
    size: 10,
    number: 0,
};

/// The clients by number, the number of all, and the number of those that pass the filter.
async fn list(db: &Db, filter: AuthorizedFilter) -> (Vec<u128>, u64, u64) {
    let (page, total, filtered) =
        org_clients::list_authorized(db, org_id(1), &filter).await.expect("is readable");
    (page.iter().map(|client| client.client_id.uuid().as_u128()).collect(), total, filtered)
}

on_both! {
    async fn an_authorized_client_gets_an_id_at_its_first_authorization_and_keeps_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let find = async |client| {
            org_clients::find(app.db(), org_id(1), client_id(client)).await.expect("is readable")
        };
        assert_eq!(find(1).await, None);

        let first = authorize(app.db(), 1, 1, after(5)).await;
        let mut tx = app.db().begin().await.expect("begins");
        let lock = org_clients::lock(&mut tx, org_id(1), client_id(1), after(9)).await;
        assert_eq!(lock.expect("is locked"), None);
        let again = org_clients::assign_authorized_id(&mut tx, org_id(1), client_id(1), authorized_id(7), after(9)).await;
        let unmet = org_clients::assign_authorized_id(&mut tx, org_id(1), client_id(2), authorized_id(8), after(9)).await;
        let nothing = ScopesRestriction::default();
        org_clients::update_restriction(&mut tx, org_id(1), client_id(1), Some(&nothing)).await.expect("is updated");
        tx.commit().await.expect("commits");

        let expected = OrgClient {
            authorized_id: Some(first),
            disabled_at: None,
            disabled_reason: None,
            restriction: Some(nothing),
            first_authorized_at: Some(after(5)),
        };
        assert_eq!((first, again.expect("is authorized")), (authorized_id(101), first));
        assert!(matches!(unmet, Err(DbError::Reference)), "{unmet:?}");
        assert_eq!((find(1).await, find(2).await), (Some(expected), None));
    }

    async fn concurrent_first_authorizations_agree_on_the_id(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let authorize = async |new| {
            let mut tx = app.db().begin().await.expect("begins");
            org_clients::lock(&mut tx, org_id(1), client_id(1), START).await.expect("is locked");
            let id = org_clients::assign_authorized_id(&mut tx, org_id(1), client_id(1), authorized_id(new), START).await;
            tx.commit().await.expect("commits");
            id.expect("is authorized")
        };

        let (one, other) = tokio::join!(authorize(1), authorize(2));

        assert_eq!(one, other);
    }

    async fn a_disabled_client_keeps_its_time_and_gets_a_new_reason(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        authorize(app.db(), 1, 1, START).await;
        authorize(app.db(), 1, 2, START).await;
        let stored = async |client: u64| {
            let found = org_clients::find(app.db(), org_id(1), client_id(client)).await.expect("is readable");
            let found = found.expect("is there");
            (found.disabled_at, found.disabling())
        };
        let because = |text: &str| Disabling::disabled(DisabledReason::parse(text).expect("a reason"));
        let steps = [
            (because("Under review"), after(2), Some(after(2))),
            (because("Gesperrt: „Prüfung“ läuft"), after(3), Some(after(2))),
            (Disabling::disabled(None), after(4), Some(after(2))),
            (Disabling::ENABLED, after(5), None),
            (Disabling::disabled(None), after(6), Some(after(6))),
        ];
        for (disabling, at, expected) in steps {
            set_disabling(app.db(), 1, &disabling, at).await;

            assert_eq!(stored(1).await, (expected, disabling));
            assert_eq!(stored(2).await, (None, Disabling::ENABLED));
        }
    }

    async fn a_list_includes_the_number_of_users_and_the_last_use(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [ada, eve, two, _] = authorized_clients(app.db()).await;
        for (number, id) in [(1, ada), (2, eve)] {
            insert_family(app.db(), &new_family(number, id), None).await;
        }
        let uses = [(family_id(1), after(50)), (family_id(2), after(60))];
        uses::record_use(app.db(), &uses).await.expect("is noted");
        end(app.db(), &[eve, two], after(70)).await;
        disable(app.db(), 2, after(80)).await;

        let (page, total, filtered) =
            org_clients::list_authorized(app.db(), org_id(1), &ALL).await.expect("is readable");

        let one = AuthorizedClient {
            id: authorized_id(101),
            client_id: client_id(1),
            client_name: "One".to_owned(),
            disabled_at: None,
            last_used_at: Some(after(60)),
            user_count: 1,
            first_authorized_at: after(20),
        };
        let two = AuthorizedClient {
            id: authorized_id(102),
            client_id: client_id(2),
            client_name: "Two".to_owned(),
            disabled_at: Some(after(80)),
            last_used_at: None,
            user_count: 0,
            first_authorized_at: after(10),
        };
        assert_eq!((page, total, filtered), (vec![one.clone(), two], 2, 2));
        let find = async |org, number| {
            org_clients::find_authorized(app.db(), org_id(org), authorized_id(number)).await.expect("is readable")
        };
        assert_eq!((find(1, 101).await, find(2, 101).await, find(1, 9).await), (Some(one), None, None));
    }

    async fn a_list_can_be_filtered_sorted_and_paged(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        registrations::insert_new(app.db(), &[new_client(3, "on_e"), new_client(4, "zone")]).await.expect("are inserted");
        for (client, at) in [(1, 40), (2, 30), (3, 20), (4, 10)] {
            authorize(app.db(), 1, client, after(at)).await;
        }
        disable(app.db(), 4, after(50)).await;
        let named = |name: &str| AuthorizedFilter { name: Some(name.to_owned()), ..ALL };

        assert_eq!(list(app.db(), ALL).await, (vec![3, 1, 2, 4], 4, 4));
        assert_eq!(list(app.db(), AuthorizedFilter { descending: true, ..ALL }).await, (vec![4, 2, 1, 3], 4, 4));
        assert_eq!(list(app.db(), AuthorizedFilter { by_name: false, ..ALL }).await, (vec![4, 3, 2, 1], 4, 4));
        let newest = AuthorizedFilter { by_name: false, descending: true, ..ALL };
        assert_eq!(list(app.db(), newest).await, (vec![1, 2, 3, 4], 4, 4));
        assert_eq!(list(app.db(), named("ONE")).await, (vec![1, 4], 4, 2));
        assert_eq!(list(app.db(), named("n_")).await, (vec![3], 4, 1));
        assert_eq!(list(app.db(), named("%")).await, (vec![], 4, 0));
        let disabled = |disabled| AuthorizedFilter { disabled: Some(disabled), ..ALL };
        assert_eq!(list(app.db(), disabled(true)).await, (vec![4], 4, 1));
        assert_eq!(list(app.db(), disabled(false)).await, (vec![3, 1, 2], 4, 3));
        let both = AuthorizedFilter { name: Some("one".to_owned()), ..disabled(false) };
        assert_eq!(list(app.db(), both).await, (vec![1], 4, 1));
        let page = |number| AuthorizedFilter { size: 3, number, ..ALL };
        assert_eq!(list(app.db(), page(0)).await, (vec![3, 1, 2], 4, 4));
        assert_eq!(list(app.db(), page(1)).await, (vec![4], 4, 4));
        assert_eq!(list(app.db(), page(u32::MAX)).await, (vec![], 4, 4));
    }

    async fn the_grants_of_each_client_are_listed_oldest_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [ada, eve, two, _] = authorized_clients(app.db()).await;
        let list = async |clients: &[u64], revoked, limit| {
            let clients: Vec<_> = clients.iter().map(|number| client_id(*number)).collect();
            let related = RelatedGrants { revoked, user_disabled: None, limit };
            let found = authorizations::list_of_clients(app.db(), org_id(1), &clients, related).await;
            found.expect("is readable").into_iter().map(|found| found.grant.id).collect::<Vec<_>>()
        };

        assert_eq!(list(&[1, 2], Some(false), 10).await, [ada, eve, two]);
        assert_eq!(list(&[1, 2], Some(false), 1).await, [ada, two]);
        assert_eq!((list(&[2], None, 10).await, list(&[], None, 10).await), (vec![two], vec![]));
        end(app.db(), &[ada], after(1)).await;
        assert_eq!((list(&[1], Some(false), 10).await, list(&[1], Some(true), 10).await), (vec![eve], vec![ada]));
        assert_eq!(list(&[1], None, 10).await, [ada, eve]);
    }
}
