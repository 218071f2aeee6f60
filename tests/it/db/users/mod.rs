//! Users.

mod sessions;

use grantor::db::engine::error::DbError;
use grantor::db::users;
use grantor::db::users::User;

use crate::db::fixtures::{after, new_user, user_id};
use crate::support::{START, TestApp};

on_both! {
    async fn a_user_is_found_by_email(engine: Engine) {
        let app = TestApp::start(engine).await;
        users::insert(app.db(), &new_user(1, "ada@acme.example"), "hash").await.expect("is inserted");

        let ada = User { id: user_id(1), email: "ada@acme.example".to_owned(), name: None, created_at: START, disabled_at: None, email_verified_at: Some(START) };
        assert_eq!(users::find_by_email(app.db(), "ada@acme.example").await.expect("is readable"), Some(ada));
        assert_eq!(users::find_by_email(app.db(), "eve@acme.example").await.expect("is readable"), None);
    }

    async fn an_email_address_is_unique(engine: Engine) {
        let app = TestApp::start(engine).await;
        users::insert(app.db(), &new_user(1, "ada@acme.example"), "hash").await.expect("is inserted");

        let refused = users::insert(app.db(), &new_user(2, "ada@acme.example"), "hash").await;

        assert!(matches!(refused, Err(DbError::Duplicate)), "{refused:?}");
    }

    async fn a_new_password_hash_replaces_only_the_one_of_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        users::insert(app.db(), &new_user(1, "ada@acme.example"), "old").await.expect("is inserted");
        users::insert(app.db(), &new_user(2, "eve@acme.example"), "old").await.expect("is inserted");

        users::update_password_hash(app.db(), user_id(1), "new", None).await.expect("is updated");

        let hash = async |number| users::find_password_hash(app.db(), user_id(number)).await.expect("is readable");
        assert_eq!(hash(1).await.as_deref(), Some("new"));
        assert_eq!(hash(2).await.as_deref(), Some("old"));
        assert_eq!(hash(3).await, None);
    }

    async fn a_user_can_be_disabled_once_and_keeps_the_first_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        users::insert(app.db(), &new_user(1, "ada@acme.example"), "hash").await.expect("is inserted");

        let first = users::disable(app.db(), user_id(1), after(10)).await.expect("is disabled");
        let again = users::disable(app.db(), user_id(1), after(20)).await.expect("succeeds");
        let nobody = users::disable(app.db(), user_id(2), after(20)).await.expect("succeeds");

        assert_eq!((first, again, nobody), (true, false, false));
        let ada = users::find_by_email(app.db(), "ada@acme.example").await.expect("is readable").expect("is there");
        assert_eq!(ada.disabled_at, Some(after(10)));
    }

    async fn a_user_is_found_by_id_and_with_the_password_hash(engine: Engine) {
        let app = TestApp::start(engine).await;
        let name = Some("Ada L\u{f6}v");
        users::insert(app.db(), &User { name: name.map(str::to_owned), ..new_user(1, "ada@acme.example") }, "hash").await.expect("is inserted");
        users::disable(app.db(), user_id(1), after(10)).await.expect("is disabled");

        let ada = User {
            id: user_id(1),
            email: "ada@acme.example".to_owned(),
            name: name.map(str::to_owned),
            created_at: START,
            disabled_at: Some(after(10)),
            email_verified_at: Some(START),
        };
        assert_eq!(users::find(app.db(), user_id(1)).await.expect("is readable"), Some(ada.clone()));
        assert_eq!(users::find(app.db(), user_id(2)).await.expect("is readable"), None);
        let for_login = async |email| users::find_for_login(app.db(), email).await.expect("is readable");
        assert_eq!(for_login("ada@acme.example").await, Some((ada, "hash".to_owned())));
        assert_eq!(for_login("eve@acme.example").await, None);
    }
}
