//! Keys that sign tokens, shared by all servers.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::sealing_keys::re_encrypt;
use grantor::actions::signing_keys::rotate;
use grantor::actions::signing_keys::rotate::{SigningRules, TakeOver};
use grantor::db::engine::error::DbError;
use grantor::db::keys::signing_keys::SigningKey;
use grantor::db::keys::{ring_usage, signing_keys};
use grantor::rules::secret::Secret;
use grantor::rules::timestamp::Timestamp;
use grantor::rules::token::claims::{ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE};
use grantor::rules::token::signing_algorithm::SigningAlgorithm;
use grantor::rules::token::signing_period::SigningState;
use grantor::sealing::KeyRing;
use grantor::signing::{SigningError, SigningKeys};
use serde_json::{Value, json};

use crate::db::fixtures::{after, execute};
use crate::support::{Engine, START, TestApp, listed};

const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn ring(text: &str) -> KeyRing {
    KeyRing::parse(&Secret::new(text.to_owned())).expect("a ring")
}

async fn keys(app: &TestApp) -> Vec<SigningKey> {
    signing_keys::list(app.db()).await.expect("is readable")
}

fn now(app: &TestApp) -> Timestamp {
    app.context().clock.now()
}

fn signed(app: &TestApp) -> String {
    app.app
        .issuer
        .signing
        .sign(ACCESS_TOKEN_TYPE, &json!({"sub": "somebody"}), now(app))
        .expect("a token")
}

async fn verified(app: &TestApp, token: &str) -> Option<Value> {
    app.app.issuer.signing.verify(ACCESS_TOKEN_TYPE, token).await
}

async fn is_valid(app: &TestApp, token: &str) -> bool {
    verified(app, token).await == Some(json!({"sub": "somebody"}))
}

async fn rotate(app: &TestApp, take_over: TakeOver) -> SigningKey {
    let (context, rules) = (app.context(), app.app.signing_rules());
    rotate::rotate_signing_keys(context, rules.algorithm, take_over, &AuditActor::COMMAND_LINE)
        .await
        .expect("a new key")
}

/// Runs the start of a server with another key ring, as far as its keys are concerned.
async fn start_with(app: &TestApp, ring: &KeyRing) -> Result<SigningKeys, SigningError> {
    let context = &app.context_with(ring);
    let keys = SigningKeys::new(context.db.clone(), context.clock.clone(), ring.clone(), 7200);
    rotate::prepare_signing_keys(context, &keys, app.app.signing_rules()).await?;
    Ok(keys)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

on_both! {
    async fn a_key_is_read_as_it_was_written(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut key = keys(&app).await.remove(0);
        key.id = "another".to_owned();
        key.period.retired_at = Some(after(7));

        signing_keys::insert(app.db(), &key).await.expect("is inserted");
        let again = signing_keys::insert(app.db(), &key).await;

        assert!(keys(&app).await.contains(&key));
        assert!(matches!(again, Err(DbError::Duplicate)), "{again:?}");
    }

    async fn the_first_start_creates_one_key_and_the_next_start_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = keys(&app).await;

        app.app.prepare().await.expect("starts again");
        let replica = app.replica().await;

        let [key] = first.as_slice() else { panic!("{first:?}") };
        assert_eq!((key.algorithm, key.period.state(START)), (SigningAlgorithm::Es256, SigningState::Signs));
        assert_eq!((key.id.clone(), key.key_id.as_str()), (key.public_jwk.thumbprint(), "development"));
        assert_eq!(keys(&app).await, first);
        assert!(is_valid(&replica, &signed(&app)).await && is_valid(&app, &signed(&replica)).await);
    }

    async fn servers_that_start_concurrently_agree_on_one_key(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replicas = [app.replica().await, app.replica().await, app.replica().await];
        app.execute("DELETE FROM signing_keys").await;

        let [one, two, three] = &replicas;
        let (first, second, third) = tokio::join!(one.app.prepare(), two.app.prepare(), three.app.prepare());

        for outcome in [first, second, third] {
            outcome.expect("starts");
        }
        assert_eq!(keys(&app).await.len(), 1);
        for replica in &replicas {
            assert!(is_valid(one, &signed(replica)).await);
        }
    }

    async fn a_new_key_is_published_before_it_signs_and_the_old_one_stays_published(engine: Engine) {
        let app = TestApp::start(engine).await;
        let old = keys(&app).await.remove(0);
        let before = signed(&app);

        let new = rotate(&app, TakeOver::Published).await;
        app.app.issuer.signing.reload().await.expect("is readable");
        let meanwhile = signed(&app);
        app.clock.advance(seconds(600));
        let afterwards = signed(&app);

        let kid = |token: &str| {
            use base64::Engine as _;
            let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a part"));
            serde_json::from_slice::<Value>(&header.expect("base64")).expect("JSON")["kid"].clone()
        };
        assert_eq!([kid(&before), kid(&meanwhile), kid(&afterwards)], [json!(old.id), json!(old.id), json!(new.id)]);
        assert_eq!(new.period.signs_from, after(600));
        assert_eq!(keys(&app).await[0].period.retired_at, Some(after(600)));
        for token in [before, meanwhile, afterwards] {
            assert!(is_valid(&app, &token).await);
        }
    }

    async fn an_unreadable_key_does_not_keep_a_revoked_key_in_use(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (revoked, token) = (keys(&app).await.remove(0), signed(&app));
        let mut unreadable = revoked.clone();
        unreadable.id = "unreadable".to_owned();
        signing_keys::insert(app.db(), &unreadable).await.expect("is inserted");
        app.execute("UPDATE signing_keys SET public_jwk = '{}' WHERE id = 'unreadable'").await;
        let with_both = app.app.issuer.signing.reload().await;
        assert!(is_valid(&app, &token).await);

        signing_keys::delete(app.db(), &revoked.id).await.expect("is deleted");
        let reloaded = app.app.issuer.signing.reload().await;
        let started = start_with(&app, &app.app.issuer.ring).await.map(drop);

        for outcome in [with_both, reloaded, started] {
            assert!(matches!(outcome, Err(SigningError::Db(DbError::Corrupt { .. }))), "{outcome:?}");
        }
        assert!(!is_valid(&app, &token).await);
    }

    async fn another_server_accepts_the_first_token_after_a_rotation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        replica.clock.advance(seconds(60));
        let before = signed(&replica);

        let new = rotate(&app, TakeOver::Now).await;
        app.app.issuer.signing.reload().await.expect("is readable");
        let token = signed(&app);

        assert_eq!(new.period.signs_from, START);
        assert!(is_valid(&replica, &token).await);
        assert!(is_valid(&app, &before).await && is_valid(&app, &signed(&replica)).await);
        assert_eq!(app.app.issuer.signing.jwks(), replica.app.issuer.signing.jwks());
    }

    async fn an_unknown_key_id_is_looked_up_once_in_five_seconds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        replica.clock.advance(seconds(5));
        let foreign = TestApp::start(engine).await;
        assert!(!is_valid(&replica, &signed(&foreign)).await);
        rotate(&app, TakeOver::Now).await;
        app.app.issuer.signing.reload().await.expect("is readable");
        let token = signed(&app);

        let at_once = is_valid(&replica, &token).await;
        replica.clock.advance(seconds(5));
        let later = is_valid(&replica, &token).await;

        assert_eq!((at_once, later), (false, true));
    }

    async fn an_immediate_rotation_replaces_every_other_key(engine: Engine) {
        let app = TestApp::start(engine).await;
        let waiting = rotate(&app, TakeOver::Published).await;
        let at_once = rotate(&app, TakeOver::Now).await;

        for _ in 0..2 {
            for key in keys(&app).await {
                let expected = if key.id == at_once.id { SigningState::Signs } else { SigningState::Retired };
                assert_eq!(key.period.state(now(&app)), expected, "{}", key.id);
            }
            app.clock.advance(seconds(600));
        }
        assert!(keys(&app).await.iter().any(|key| key.id == waiting.id));
    }

    async fn a_retired_key_is_published_until_its_last_token_expires(engine: Engine) {
        let app = TestApp::start(engine).await;
        let token = signed(&app);
        let old = keys(&app).await.remove(0);
        rotate(&app, TakeOver::Now).await;
        let rules = app.app.signing_rules();

        app.clock.advance(seconds(3600 + 3600 - 1));
        let early = rotate::forget_signing_keys(app.context(), rules).await.expect("succeeds");
        app.app.issuer.signing.reload().await.expect("is readable");
        let valid_to_the_end = is_valid(&app, &token).await;
        app.clock.advance(seconds(1));
        app.app.issuer.signing.reload().await.expect("is readable");
        let valid_beyond = is_valid(&app, &token).await;
        let on_time = rotate::forget_signing_keys(app.context(), rules).await.expect("succeeds");

        assert_eq!((early, on_time, valid_to_the_end, valid_beyond), (0, 1, true, false));
        assert!(keys(&app).await.iter().all(|key| key.id != old.id));
    }

    async fn a_key_that_reached_its_maximum_age_is_replaced_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let rules = SigningRules { max_age: 86_400, ..app.app.signing_rules() };
        let sweep = |app: TestApp| async move {
            let made = rotate::rotate_aged_signing_keys(app.context(), rules).await.expect("succeeds");
            (app, made)
        };
        let never = SigningRules { max_age: 0, ..rules };
        app.clock.advance(seconds(86_399));
        let (app, early) = sweep(app).await;
        app.clock.advance(seconds(1));
        replica.clock.advance(seconds(86_400));

        let off = rotate::rotate_aged_signing_keys(app.context(), never).await.expect("succeeds");
        let ((app, one), (_replica, other)) = tokio::join!(sweep(app), sweep(replica));
        let (app, again) = sweep(app).await;

        assert_eq!((early, off, again), (None, None, None));
        assert_eq!([one, other].into_iter().flatten().count(), 1);
        assert_eq!(keys(&app).await.len(), 2);
    }

    async fn another_algorithm_in_the_settings_creates_the_next_key_with_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let before = signed(&app);

        let changed = app.replica_with(&[("tokens.signing_algorithm", "RS256")]).await;
        let again = app.replica_with(&[("tokens.signing_algorithm", "RS256")]).await;
        let meanwhile = signed(&changed);
        changed.clock.advance(seconds(600));
        again.clock.advance(seconds(600));
        let afterwards = signed(&changed);

        let all: Vec<_> = keys(&app).await.into_iter().map(|key| (key.algorithm, key.period.signs_from)).collect();
        assert_eq!(all, [(SigningAlgorithm::Es256, START), (SigningAlgorithm::Rs256, after(600))]);
        for token in [before, meanwhile, afterwards] {
            assert!(is_valid(&again, &token).await && is_valid(&changed, &token).await);
        }
    }

    async fn tokens_of_another_type_or_server_and_changed_tokens_are_invalid(engine: Engine) {
        let app = TestApp::start(engine).await;
        let foreign = TestApp::start(engine).await;
        let token = signed(&app);
        let (head, signature) = token.rsplit_once('.').expect("three parts");
        let other = app.app.issuer.signing.sign(ACCESS_TOKEN_TYPE, &json!({"sub": "root"}), START).expect("a token");
        let spliced = format!("{}.{signature}", other.rsplit_once('.').expect("three parts").0);

        assert!(is_valid(&app, &token).await);
        assert_eq!(app.app.issuer.signing.verify::<Value>(ID_TOKEN_TYPE, &token).await, None);
        for text in [signed(&foreign).as_str(), &spliced, head, &format!("{head}."), &token[1..], ""] {
            assert_eq!(verified(&app, text).await, None, "{text}");
        }
        assert_eq!(app.app.issuer.signing.verify::<Vec<u8>>(ACCESS_TOKEN_TYPE, &token).await, None);
    }

    async fn a_ring_without_the_key_of_a_signing_key_is_refused_until_a_rotation(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        let token = signed(&app);
        let kid = keys(&app).await.remove(0).id;
        let lost = ring(NEW);

        let refused = start_with(&app, &lost).await.err().expect("is refused").to_string();
        let both = start_with(&app, &ring(&format!("{NEW},{OLD}"))).await;
        let algorithm = SigningAlgorithm::Es256;
        rotate::rotate_signing_keys(&app.context_with(&lost), algorithm, TakeOver::Published, &AuditActor::COMMAND_LINE)
            .await
            .expect("a new key");
        let recovered = start_with(&app, &lost).await.expect("starts");

        let message = format!("the signing key {kid} cannot be decrypted: it is encrypted with the ring key \"old\", which is not in the ring. Add");
        assert!(refused.starts_with(&message) && refused.contains("grantor keys rotate"), "{refused}");
        assert!(both.is_ok());
        // If no key can be opened, the new one signs immediately.
        assert!(recovered.sign(ACCESS_TOKEN_TYPE, &json!({}), START).is_ok());
        assert_eq!(recovered.verify::<Value>(ACCESS_TOKEN_TYPE, &token).await, Some(json!({"sub": "somebody"})));
    }

    async fn a_ring_with_another_key_of_the_same_id_is_refused(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;

        let refused = start_with(&app, &ring(&NEW.replace("new:", "old:"))).await.err().expect("is refused");

        assert!(refused.to_string().contains("encrypted for another place or with another key of the same id"), "{refused}");
    }

    async fn signing_keys_are_resealed_under_the_newest_key(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        rotate(&app, TakeOver::Published).await;
        let before = keys(&app).await;
        let both = ring(&format!("{NEW},{OLD}"));
        let mut progress = Vec::new();

        let unknown = re_encrypt::re_encrypt(&app.context_with(&ring(NEW)), |_, _| {}).await.expect("runs");
        let done =
            re_encrypt::re_encrypt(&app.context_with(&both), |done, of| progress.push((done, of))).await.expect("runs");
        let again = re_encrypt::re_encrypt(&app.context_with(&both), |_, _| {}).await.expect("runs");

        assert_eq!((unknown.resealed, unknown.unopened), (0, 2));
        assert_eq!((done.resealed, done.unopened, again.resealed), (2, 0, 0));
        assert_eq!(progress, [(0, 2), (1, 2), (2, 2)]);
        let usage = ring_usage::count(app.db()).await.expect("is readable");
        assert_eq!(usage.iter().map(|(id, usage)| (id.as_str(), usage.signing_keys)).collect::<Vec<_>>(), [("new", 2)]);
        assert!(start_with(&app, &ring(NEW)).await.is_ok());
        let stale = signing_keys::reseal(app.db(), &before[0], b"x", "old").await.expect("succeeds");
        assert!(!stale);
    }

    async fn active_families_are_counted_by_the_key_of_their_refresh_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert_families(&app, engine).await;

        let usage = ring_usage::count(app.db()).await.expect("is readable");

        let counted: Vec<_> = usage.iter().map(|(id, usage)| (id.as_str(), usage.signing_keys, usage.families)).collect();
        assert_eq!(counted, [("development", 1, 0), ("new", 0, 1), ("old", 0, 2)]);
    }

    async fn every_new_key_is_audited_without_an_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = keys(&app).await.remove(0);
        let second = rotate(&app, TakeOver::Now).await;

        let events = listed::audit_events_of_server(app.db()).await.expect("is readable");

        let recorded: Vec<_> = events
            .iter()
            .map(|event| (event.actor.as_str(), event.action.as_str(), event.subject.clone(), event.before.clone()))
            .collect();
        let expected = |actor, id: &str, in_use: &[&str]| {
            (actor, "signing_key.created", format!("signing_key:{id}"), Some(json!({"in_use": in_use})))
        };
        assert_eq!(recorded, [expected("server", &first.id, &[]), expected("command_line", &second.id, &[&first.id])]);
        assert_eq!(events[1].after, Some(json!({"algorithm": "ES256", "signs_from": "2026-01-02T03:04:05Z"})));
    }
}

/// Active families and one that is not active, by the ring key of their refresh token. Their owners
/// do not matter here.
async fn insert_families(app: &TestApp, engine: Engine) {
    const SQLITE: &str = "
        PRAGMA foreign_keys = OFF;
        INSERT INTO families (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at,
                              key_id, sequence, rotated_at, revoked_at)
        SELECT randomblob(16), x'01', x'02', x'03', x'04', '[]', '[]', 1, 1, key_id, 0, 1, revoked_at
          FROM (SELECT 'old' AS key_id, NULL AS revoked_at UNION ALL SELECT 'old', NULL UNION ALL SELECT 'old', 7
                UNION ALL SELECT 'new', NULL UNION ALL SELECT 'gone', 7)";
    const POSTGRES: &str = "
        ALTER TABLE families DROP CONSTRAINT families_grant_id_fkey;
        INSERT INTO families (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at,
                              key_id, sequence, rotated_at, revoked_at)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '[]', '[]',
               1, 1, key_id, 0, 1, revoked_at
          FROM (VALUES ('old', NULL), ('old', NULL), ('old', 7), ('new', NULL), ('gone', 7)) AS v (key_id, revoked_at)";
    execute(app, engine, SQLITE, POSTGRES).await;
}
