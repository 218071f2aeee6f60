//! Sealed values of organizations: counted by key, required at the start, and resealed.

use std::collections::BTreeMap;

use grantor::actions::audit::AuditActor;
use grantor::actions::sealing_keys::forget;
use grantor::actions::sealing_keys::forget::ForgottenWithKey;
use grantor::actions::sealing_keys::prepare;
use grantor::actions::sealing_keys::re_encrypt;
use grantor::actions::sealing_keys::re_encrypt::Resealed;
use grantor::db::keys::ring_usage::RingUsage;
use grantor::db::keys::sealed::{SealedRow, SealedTable};
use grantor::db::keys::{ring_usage, sealed};
use grantor::rules::secret::Secret;
use grantor::sealing::{KeyRing, Place, SealError, open};
use uuid::Uuid;

use crate::db::fixtures::org_id;
use crate::db::webhook_fixtures::{
    insert_auth_method, insert_variable, insert_webhook, plain, two_orgs,
};
use crate::support::TestApp;

const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn ring(text: &str) -> KeyRing {
    KeyRing::parse(&Secret::new(text.to_owned())).expect("a ring")
}

fn both() -> KeyRing {
    ring(&format!("{NEW},{OLD}"))
}

/// In two organizations, under the old key: two auth methods, two webhooks (one with all optional
/// values) and one variable.
async fn something_of_each(app: &TestApp) {
    two_orgs(app.db()).await;
    let old = ring(OLD);
    let method = insert_auth_method(app.db(), &old, 1, org_id(1)).await;
    insert_auth_method(app.db(), &old, 2, org_id(2)).await;
    insert_webhook(app, &old, 3, org_id(1), Some(method.id), true).await;
    insert_webhook(app, &old, 4, org_id(2), None, false).await;
    insert_variable(app, &old, 5, org_id(2)).await;
}

async fn usage(app: &TestApp) -> BTreeMap<String, RingUsage> {
    ring_usage::count(app.db()).await.expect("is readable")
}

async fn rows(app: &TestApp, table: &SealedTable) -> Vec<SealedRow> {
    sealed::list_sealed_by_other_keys(app.db(), table, "no key", Uuid::nil(), 1000)
        .await
        .expect("is readable")
}

/// Every sealed value of every table, opened.
async fn opened(app: &TestApp, ring: &KeyRing) -> Result<Vec<Option<String>>, SealError> {
    let mut values = Vec::new();
    for table in sealed::ALL {
        for row in rows(app, table).await {
            let id = row.id.to_string();
            for (column, value) in table.columns.iter().zip(&row.values) {
                let place = Place { table: table.name, column, row: &id, org: Some(row.org_id) };
                let plain = value.as_ref().map(|value| open(ring, place, value)).transpose()?;
                values.push(plain.map(|plain| String::from_utf8(plain.to_vec()).expect("text")));
            }
        }
    }
    Ok(values)
}

/// The values before they were sealed.
fn all_plain() -> Vec<Option<String>> {
    let value = |table, column, number| Some(plain(table, column, Uuid::from_u64_pair(0, number)));
    vec![
        value("auth_methods", "client_secret_sealed", 1),
        value("auth_methods", "client_secret_sealed", 2),
        value("webhooks", "signing_secret_sealed", 3),
        value("webhooks", "former_secret_sealed", 3),
        value("webhooks", "custom_headers_sealed", 3),
        value("webhooks", "signing_secret_sealed", 4),
        None,
        None,
        value("webhook_variables", "value_sealed", 5),
    ]
}

on_both! {
    async fn everything_is_resealed_under_the_newest_key(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        something_of_each(&app).await;
        let (before, mut progress) = (usage(&app).await, Vec::new());
        assert_eq!(opened(&app, &ring(OLD)).await, Ok(all_plain()));

        let done = re_encrypt::re_encrypt(&app.context_with(&both()), |done, of| progress.push((done, of))).await.expect("runs");
        let again = re_encrypt::re_encrypt(&app.context_with(&both()), |_, _| {}).await.expect("runs");

        let all = RingUsage { signing_keys: 1, auth_methods: 2, webhooks: 2, webhook_variables: 1, families: 0 };
        assert_eq!(before, BTreeMap::from([("old".to_owned(), all)]));
        assert_eq!(usage(&app).await, BTreeMap::from([("new".to_owned(), all)]));
        assert_eq!((done, again), (Resealed { resealed: 6, unopened: 0 }, Resealed::default()));
        assert_eq!(progress, [(0, 6), (1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]);
        assert_eq!(opened(&app, &ring(NEW)).await, Ok(all_plain()));
        app.replica_with(&[("secrets.key", NEW)]).await;
    }

    async fn several_batches_are_resealed_completely(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        two_orgs(app.db()).await;
        for number in 1..=205 {
            insert_auth_method(app.db(), &ring(OLD), number, org_id(1 + number % 2)).await;
        }

        let done = re_encrypt::re_encrypt(&app.context_with(&both()), |_, _| {}).await.expect("runs");

        assert_eq!(done, Resealed { resealed: 206, unopened: 0 });
        assert_eq!(usage(&app).await.keys().collect::<Vec<_>>(), ["new"]);
        assert_eq!(opened(&app, &ring(NEW)).await.map(|values| values.len()), Ok(205));
    }

    async fn a_value_that_cannot_be_opened_is_kept_and_does_not_block_others(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        something_of_each(&app).await;
        // A header of another webhook. The other values of the row could be opened.
        app.execute(
            "UPDATE webhooks SET custom_headers_sealed = signing_secret_sealed WHERE name = 'webhook 3';
             UPDATE auth_methods SET key_id = 'gone' WHERE name = 'method 2'",
        )
        .await;
        let before = rows(&app, &sealed::WEBHOOKS).await[0].clone();

        let lacking = re_encrypt::re_encrypt(&app.context_with(&ring(NEW)), |_, _| {}).await.expect("runs");
        let done = re_encrypt::re_encrypt(&app.context_with(&both()), |_, _| {}).await.expect("runs");

        assert_eq!(lacking, Resealed { resealed: 0, unopened: 6 });
        // The key in the sealed value counts, not the key in the row.
        assert_eq!(done, Resealed { resealed: 5, unopened: 1 });
        assert_eq!(rows(&app, &sealed::WEBHOOKS).await[0], before);
        assert_eq!(usage(&app).await["old"], RingUsage { webhooks: 1, ..RingUsage::default() });
    }

    async fn a_row_changed_meanwhile_is_not_overwritten(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        something_of_each(&app).await;
        for (table, changed) in [
            (&sealed::AUTH_METHODS, 0),
            (&sealed::WEBHOOKS, 0),
            (&sealed::WEBHOOKS, 1),
            (&sealed::WEBHOOKS, 2),
            (&sealed::WEBHOOK_VARIABLES, 0),
        ] {
            let row = rows(&app, table).await.remove(0);
            let mut stale = row.clone();
            stale.values[changed] = Some(b"as it was before".to_vec());
            let values: Vec<_> = row.values.iter().map(|value| value.as_ref().map(|_| b"again".to_vec())).collect();

            let replaced = sealed::reseal(app.db(), table, &stale, &values, "new").await.expect("succeeds");

            assert!(!replaced, "{}.{}", table.name, table.columns[changed]);
            assert_eq!(rows(&app, table).await[0], row);
        }
    }

    async fn a_server_with_a_missing_key_refuses_to_start_and_names_the_values_that_need_it(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        something_of_each(&app).await;
        app.execute("UPDATE webhook_variables SET key_id = 'gone'").await;

        let message = prepare::prepare_key_ring(&app.context_with(&ring(NEW))).await.expect_err("is refused").to_string();
        let less = prepare::prepare_key_ring(&app.context_with(&both())).await.expect_err("is refused").to_string();
        app.execute("UPDATE webhook_variables SET key_id = 'old'").await;
        prepare::prepare_key_ring(&app.context_with(&both())).await.expect("starts");

        let gone = "the ring key \"gone\" is not in the ring, and it encrypts 1 webhook variable";
        let old = "the ring key \"old\" is not in the ring, and it encrypts 1 signing key, 2 auth methods and 2 webhooks";
        assert!(message.starts_with(&format!("{gone}; {old}. Add the missing keys after the newest key")), "{message}");
        assert!(less.starts_with(&format!("{gone}. Add")), "{less}");
    }

    async fn a_server_refuses_to_start_with_another_key_of_the_same_id(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        two_orgs(app.db()).await;
        let start = async |ring: &KeyRing| prepare::prepare_key_ring(&app.context_with(ring)).await.map_err(|error| error.to_string());
        let another = ring(&format!("{NEW},old:AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="));
        let refused = |sealed: &str| {
            let words = format!("the ring key \"old\" is not the key with this id that encrypted {sealed}: nothing can be decrypted");
            move |message: Result<(), String>| assert!(message.is_err_and(|message| message.starts_with(&words)), "{words}")
        };

        assert_eq!(start(&another).await, Ok(()), "organizations have sealed nothing");
        insert_variable(&app, &ring(OLD), 5, org_id(2)).await;
        refused("1 webhook variable")(start(&another).await);
        app.execute("DELETE FROM webhook_variables").await;
        insert_webhook(&app, &ring(OLD), 4, org_id(2), None, false).await;
        refused("1 webhook")(start(&another).await);
        app.execute("DELETE FROM webhooks").await;
        insert_auth_method(app.db(), &ring(OLD), 1, org_id(1)).await;
        insert_auth_method(app.db(), &ring(OLD), 2, org_id(1)).await;
        refused("2 auth methods")(start(&another).await);

        assert_eq!(start(&both()).await, Ok(()));
    }

    async fn a_damaged_value_does_not_prevent_the_start_while_others_open(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        something_of_each(&app).await;
        app.execute(
            "UPDATE auth_methods SET client_secret_sealed =
                (SELECT client_secret_sealed FROM auth_methods WHERE name = 'method 2')",
        )
        .await;
        prepare::prepare_key_ring(&app.context_with(&both())).await.expect("starts");
        app.execute("DELETE FROM webhooks; DELETE FROM webhook_variables; DELETE FROM auth_methods WHERE name = 'method 2'").await;

        assert!(prepare::prepare_key_ring(&app.context_with(&both())).await.is_err(), "nothing proves the key");
    }

    async fn forgetting_a_lost_key_deletes_only_its_values_and_lets_the_server_start(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        something_of_each(&app).await;
        insert_webhook(&app, &ring(NEW), 6, org_id(2), None, false).await;

        let forgotten = forget::forget_ring_key(&app.context_with(&ring(NEW)), "old", &AuditActor::COMMAND_LINE).await.expect("is lost");

        assert_eq!(forgotten, ForgottenWithKey { auth_methods: 2, webhooks: 2, webhook_variables: 1 });
        prepare::prepare_key_ring(&app.context_with(&ring(NEW))).await.expect("starts");
        let left: Vec<_> = rows(&app, &sealed::WEBHOOKS).await.into_iter().map(|row| row.id).collect();
        assert_eq!(left, [Uuid::from_u64_pair(0, 6)]);
    }

    async fn a_missing_key_without_values_of_organizations_does_not_prevent_the_start(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;

        prepare::prepare_key_ring(&app.context_with(&ring(NEW))).await.expect("signing keys have a check of their own");
    }
}
