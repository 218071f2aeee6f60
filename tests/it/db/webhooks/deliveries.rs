//! Delivery lanes: their claims, and the results of their events.

use futures_util::future::join_all;
use grantor::db::orgs;
use grantor::db::webhooks::deliveries::{AttemptResult, Delivery, State, WaitingDelivery};
use grantor::db::webhooks::lanes;
use grantor::db::webhooks::lanes::{ClaimRules, ClaimedLane, Lane};
use grantor::db::webhooks::outbox::NewEvent;
use grantor::db::webhooks::releases::{LaneReleases, Release, Released};
use grantor::db::webhooks::{deliveries, outbox};
use grantor::rules::client::ClientId;
use grantor::rules::id::{EventId, OrgId, WebhookId};
use grantor::rules::timestamp::Timestamp;
use uuid::Uuid;

use crate::db::fixtures::{after, org_id, uuid};
use crate::support::outbox::{insert_webhook, webhook_id};
use crate::support::{Engine, START, TestApp};

const RULES: ClaimRules<'static> =
    ClaimRules { max_lanes: 10, max_per_webhook: 10, max_per_org: 10, held: &[] };
const HOLDER: Uuid = Uuid::from_u128(900);
const ANOTHER: Uuid = Uuid::from_u128(901);

fn webhook(number: u64) -> WebhookId {
    WebhookId(webhook_id(number))
}

fn lane(of_webhook: u64, of_client: u64) -> Lane {
    Lane { webhook_id: webhook(of_webhook), client_id: uuid(of_client) }
}

fn event(number: u64) -> EventId {
    EventId(uuid(number))
}

struct Stage {
    app: TestApp,
}

impl Stage {
    /// Two webhooks of one organization with different kinds of events.
    async fn new(engine: Engine) -> Self {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        insert_webhook(&app, 1, org_id(1), Some(&["grant.given"])).await;
        insert_webhook(&app, 2, org_id(1), Some(&["grant.revoked"])).await;
        Self { app }
    }

    /// An event in a lane.
    async fn add(&self, number: u64, lane: Lane) {
        let kind = if lane.webhook_id == webhook(1) { "grant.given" } else { "grant.revoked" };
        self.add_for(org_id(1), number, kind, lane.client_id).await;
    }

    async fn add_for(&self, org_id: OrgId, number: u64, kind: &'static str, client_id: Uuid) {
        let event = NewEvent {
            id: event(number),
            org_id: Some(org_id),
            client_id: Some(ClientId::from_uuid(client_id)),
            kind,
            data: "{}".to_owned(),
        };
        let mut tx = self.app.db().begin().await.expect("begins");
        outbox::enqueue(&mut tx, &[], &[event], START).await.expect("is written");
        tx.commit().await.expect("commits");
    }

    async fn claim_at(
        &self,
        holder: Uuid,
        at: Timestamp,
        rules: ClaimRules<'_>,
    ) -> Vec<ClaimedLane> {
        let mut claimed = lanes::claim(self.app.db(), holder, at, at.plus(30), rules)
            .await
            .expect("lanes are claimed");
        claimed.sort_by_key(|claimed| claimed.lane);
        claimed
    }

    async fn claim(&self) -> Vec<ClaimedLane> {
        self.claim_at(HOLDER, START, RULES).await
    }

    async fn waiting(&self, lane: Lane) -> Vec<WaitingDelivery> {
        let mut waiting =
            deliveries::list_waiting(self.app.db(), &[lane], 10).await.expect("is read");
        waiting.remove(&lane).unwrap_or_default()
    }

    async fn events(&self, lane: Lane) -> Vec<EventId> {
        self.waiting(lane).await.into_iter().map(|waiting| waiting.event_id).collect()
    }

    async fn release(&self, release: Release) -> Released {
        LaneReleases::start(self.app.db().clone()).release(release).await.expect("is given back")
    }

    /// Releases an empty lane.
    async fn empty(&self, claimed: ClaimedLane) -> Released {
        let attempted = self.waiting(claimed.lane).await.iter().map(delivered).collect();
        self.release(Release { claimed, attempted, due_at: None, now: START }).await
    }

    async fn list(&self, state: Option<State>) -> Vec<Delivery> {
        deliveries::list(self.app.db(), webhook(1), state, None, 10).await.expect("is read")
    }
}

fn delivered(waiting: &WaitingDelivery) -> AttemptResult {
    AttemptResult {
        event_id: waiting.event_id,
        state: State::Delivered,
        attempts: waiting.attempts + 1,
        at: after(1),
        status: Some(204),
        failure: None,
    }
}

fn failed(waiting: &WaitingDelivery, state: State) -> AttemptResult {
    AttemptResult {
        state,
        status: Some(500),
        failure: Some("the receiver returned 500".to_owned()),
        ..delivered(waiting)
    }
}

fn lanes(claimed: &[ClaimedLane]) -> Vec<Lane> {
    claimed.iter().map(|claimed| claimed.lane).collect()
}

on_both! {
    async fn a_lane_has_one_holder_until_its_claim_expires(engine: Engine) {
        let stage = Stage::new(engine).await;
        stage.add(1, lane(1, 1)).await;
        stage.add(2, lane(1, 2)).await;

        let claimed = stage.claim().await;
        assert_eq!(lanes(&claimed), [lane(1, 1), lane(1, 2)]);
        assert_eq!(stage.claim_at(ANOTHER, after(29), RULES).await, []);
        let theirs = ClaimedLane { holder: ANOTHER, ..claimed[1] };
        lanes::extend(stage.app.db(), &claimed[..1], after(50)).await.expect("is extended");
        lanes::extend(stage.app.db(), &[theirs], after(90)).await.expect("is not theirs");
        assert_eq!(lanes(&stage.claim_at(ANOTHER, after(30), RULES).await), [lane(1, 2)]);
        assert_eq!(lanes(&stage.claim_at(ANOTHER, after(50), RULES).await), [lane(1, 1)]);
    }

    async fn concurrent_claims_never_get_the_same_lane(engine: Engine) {
        let stage = Stage::new(engine).await;
        for number in 1..=40 {
            stage.add(number, lane(1, number)).await;
        }
        let rules = ClaimRules { max_lanes: 5, max_per_webhook: 100, max_per_org: 100, held: &[] };

        let claims = (0..12).map(|holder| stage.claim_at(Uuid::from_u128(holder), START, rules));
        let mut all: Vec<Lane> = join_all(claims).await.iter().flat_map(|claimed| lanes(claimed)).collect();
        loop {
            let more = stage.claim_at(HOLDER, START, rules).await;
            if more.is_empty() {
                break;
            }
            all.extend(lanes(&more));
        }

        all.sort();
        assert_eq!(all, (1..=40).map(|number| lane(1, number)).collect::<Vec<_>>());
    }

    async fn the_number_of_claimed_lanes_per_webhook_is_limited(engine: Engine) {
        let stage = Stage::new(engine).await;
        for number in 1..=4 {
            stage.add(number, lane(1, number)).await;
            stage.add(10 + number, lane(2, number)).await;
        }
        let of = |claimed: &[ClaimedLane], number| claimed.iter().filter(|it| it.lane.webhook_id == webhook(number)).count();
        let rules = ClaimRules { max_per_webhook: 3, ..RULES };

        let first = stage.claim_at(HOLDER, START, ClaimRules { max_lanes: 1, ..rules }).await;
        let claimed = stage.claim_at(HOLDER, START, ClaimRules { held: &first, ..rules }).await;
        assert_eq!((first.len(), claimed.len()), (1, 5));
        assert_eq!([of(&first, 1) + of(&claimed, 1), of(&first, 2) + of(&claimed, 2)], [3, 3]);
        let all = [first, claimed].concat();
        assert_eq!(stage.claim_at(HOLDER, START, ClaimRules { held: &all, ..rules }).await, []);
    }

    async fn the_backlog_of_one_organization_does_not_delay_others(engine: Engine) {
        let stage = Stage::new(engine).await;
        orgs::insert(stage.app.db(), org_id(2), "Umbra", START).await.expect("is inserted");
        insert_webhook(&stage.app, 3, org_id(2), Some(&["restriction.hit"])).await;
        for number in 1..=6 {
            stage.add(number, lane(1, number)).await;
            stage.add(10 + number, lane(2, number)).await;
        }
        stage.add_for(org_id(2), 20, "restriction.hit", uuid(1)).await;
        let of = |claimed: &[ClaimedLane], org| claimed.iter().filter(|it| it.org_id == org).count();

        let claimed = stage.claim_at(HOLDER, after(5), ClaimRules { max_per_org: 4, ..RULES }).await;
        assert_eq!((of(&claimed, org_id(1)), of(&claimed, org_id(2))), (4, 1));
        let more = stage.claim_at(HOLDER, after(5), ClaimRules { max_per_org: 4, held: &claimed, ..RULES }).await;
        assert_eq!(more, [], "as long as those are under way");
    }

    async fn events_in_a_lane_are_read_in_their_order(engine: Engine) {
        let stage = Stage::new(engine).await;
        for number in [3, 1, 2] {
            stage.add(number, lane(1, 1)).await;
        }
        stage.add(4, lane(1, 2)).await;

        let waiting = stage.waiting(lane(1, 1)).await;
        let expected = WaitingDelivery {
            position: waiting[0].position,
            event_id: event(3),
            kind: "grant.given".to_owned(),
            data: "{}".to_owned(),
            occurred_at: START,
            waiting_since: START,
            attempts: 0,
        };
        assert_eq!(waiting[0], expected);
        assert_eq!(stage.events(lane(1, 1)).await, [event(3), event(1), event(2)]);
        let both = deliveries::list_waiting(stage.app.db(), &[lane(1, 1), lane(1, 2)], 2).await.expect("is read");
        assert_eq!((both[&lane(1, 1)].len(), both[&lane(1, 2)].len()), (2, 1));
    }

    async fn an_empty_lane_is_not_due_until_an_event_is_added(engine: Engine) {
        let stage = Stage::new(engine).await;
        stage.add(1, lane(1, 1)).await;
        let claimed = stage.claim().await[0];

        assert_eq!(stage.empty(claimed).await, Released::Recorded);
        assert_eq!(stage.claim().await, []);
        stage.add(2, lane(1, 1)).await;
        assert_eq!(lanes(&stage.claim().await), [lane(1, 1)]);
    }

    async fn events_added_to_a_claimed_lane_are_not_lost(engine: Engine) {
        let stage = Stage::new(engine).await;
        stage.add(1, lane(1, 1)).await;
        let claimed = stage.claim().await[0];
        let attempted: Vec<AttemptResult> = stage.waiting(lane(1, 1)).await.iter().map(delivered).collect();
        stage.add(2, lane(1, 1)).await;

        let release = Release { claimed, attempted, due_at: None, now: START };
        assert_eq!(stage.release(release).await, Released::Recorded);

        assert_eq!(lanes(&stage.claim().await), [lane(1, 1)]);
        assert_eq!(stage.events(lane(1, 1)).await, [event(2)]);
    }

    async fn a_holder_that_lost_its_lane_cannot_write_results(engine: Engine) {
        let stage = Stage::new(engine).await;
        stage.add(1, lane(1, 1)).await;
        let claimed = stage.claim().await[0];
        let attempted: Vec<AttemptResult> = stage.waiting(lane(1, 1)).await.iter().map(delivered).collect();
        let taken_over = stage.claim_at(ANOTHER, after(30), RULES).await;

        let release = Release { claimed, attempted, due_at: None, now: after(31) };
        assert_eq!(stage.release(release).await, Released::Lost);

        assert_eq!(stage.events(lane(1, 1)).await, [event(1)]);
        assert_eq!(stage.claim_at(HOLDER, after(31), RULES).await, []);
        let again = Release { claimed: taken_over[0], attempted: vec![], due_at: Some(START), now: START };
        assert_eq!(stage.release(again).await, Released::Recorded);
    }

    async fn a_failure_delays_a_lane_and_a_parked_event_does_not_block_it(engine: Engine) {
        let stage = Stage::new(engine).await;
        stage.add(1, lane(1, 1)).await;
        stage.add(2, lane(1, 1)).await;
        let claimed = stage.claim().await[0];
        let first = &stage.waiting(lane(1, 1)).await[0];
        let attempted = vec![failed(first, State::Waiting)];
        stage.release(Release { claimed, attempted, due_at: Some(after(60)), now: START }).await;

        assert_eq!(stage.claim_at(HOLDER, after(59), RULES).await, []);
        stage.add(3, lane(1, 1)).await;
        assert_eq!(stage.claim_at(HOLDER, after(59), RULES).await, [], "what comes later waits for the first");
        let claimed = stage.claim_at(HOLDER, after(60), RULES).await[0];
        let first = &stage.waiting(lane(1, 1)).await[0];
        assert_eq!((first.event_id, first.attempts), (event(1), 1));
        let attempted = vec![failed(first, State::Parked)];
        stage.release(Release { claimed, attempted, due_at: Some(after(60)), now: after(60) }).await;

        assert_eq!(stage.events(lane(1, 1)).await, [event(2), event(3)]);
        let parked = Delivery {
            event_id: event(1),
            client_id: Some(uuid(1)),
            kind: "grant.given".to_owned(),
            occurred_at: START,
            state: State::Parked,
            attempts: 2,
            attempted_at: Some(after(1)),
            status: Some(500),
            failure: Some("the receiver returned 500".to_owned()),
            finished_at: Some(after(1)),
        };
        assert_eq!(stage.list(Some(State::Parked)).await, [parked]);
    }

    async fn a_redelivered_event_is_due_immediately_and_before_later_ones(engine: Engine) {
        let stage = Stage::new(engine).await;
        for number in 1..=3 {
            stage.add(number, lane(1, 1)).await;
        }
        let claimed = stage.claim().await[0];
        let waiting = stage.waiting(lane(1, 1)).await;
        let attempted = vec![failed(&waiting[0], State::Parked), failed(&waiting[1], State::Parked)];
        stage.release(Release { claimed, attempted, due_at: Some(after(600)), now: START }).await;

        let replay = async |of_webhook, event_id| {
            let mut tx = stage.app.db().begin().await.expect("begins");
            let replayed = deliveries::replay(&mut tx, webhook(of_webhook), event_id, after(70)).await.expect("is replayed");
            tx.commit().await.expect("commits");
            replayed
        };
        assert_eq!(replay(2, None).await, 0);
        assert_eq!(replay(1, Some(event(3))).await, 0, "it waits anyhow");
        assert_eq!(replay(1, Some(event(2))).await, 1);
        assert_eq!(stage.events(lane(1, 1)).await, [event(2), event(3)]);
        assert_eq!(replay(1, None).await, 1);

        let waiting = stage.waiting(lane(1, 1)).await;
        assert_eq!((waiting.len(), waiting[0].event_id, waiting[0].attempts), (3, event(1), 0));
        assert_eq!(waiting[0].waiting_since, after(70));
        assert_eq!(stage.list(Some(State::Parked)).await, []);
        assert_eq!(lanes(&stage.claim_at(HOLDER, after(70), RULES).await), [lane(1, 1)]);
    }

    async fn finished_deliveries_are_listed_newest_first_and_deleted_in_time(engine: Engine) {
        let stage = Stage::new(engine).await;
        for number in 1..=4 {
            stage.add(number, lane(1, number)).await;
        }
        for claimed in stage.claim().await.into_iter().take(2) {
            stage.empty(claimed).await;
        }
        let ids = |list: Vec<Delivery>| list.into_iter().map(|delivery| delivery.event_id).collect::<Vec<_>>();
        let delete = async |state, before, most| {
            deliveries::delete_finished(stage.app.db(), state, before, most).await.expect("is deleted")
        };

        assert_eq!(ids(stage.list(None).await), [event(4), event(3), event(2), event(1)]);
        assert_eq!(ids(stage.list(Some(State::Delivered)).await), [event(2), event(1)]);
        let older = deliveries::list(stage.app.db(), webhook(1), None, Some(event(3)), 1).await.expect("is read");
        assert_eq!(ids(older), [event(2)]);
        assert_eq!(delete(State::Delivered, after(1), 10).await, 0);
        assert_eq!(delete(State::Parked, after(2), 10).await, 0);
        assert_eq!(delete(State::Delivered, after(2), 1).await, 1);
        assert_eq!(delete(State::Delivered, after(2), 10).await, 1);
        assert_eq!(ids(stage.list(None).await), [event(4), event(3)]);
    }
}
