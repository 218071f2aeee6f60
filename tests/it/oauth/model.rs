//! The server against a small model of sets: after any sequence of operations, both agree about
//! every token.

use std::collections::BTreeSet;
use std::time::Duration;

use grantor::random::Random;
use serde_json::{Value, json};

use crate::support::granted::{Granted, MCP, Tokens, asks};
use crate::support::{Answer, Engine, TestApp, restriction_path};

const STEPS: usize = 200;
const GRACE: u64 = 10;
/// Shorter than the default, so that no code or access token expires meanwhile.
const REPEAT: u64 = 60;
/// OpenID Connect scopes come first.
const SCOPES: [&str; 3] = ["email", "openid", "profile"];

type Scopes = BTreeSet<&'static str>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnNarrow {
    Revoke,
    /// Every consent and restriction contains the first scope, so that no grant becomes empty.
    NarrowGrants,
}

/// A code, or the tokens it was exchanged for.
struct Chain {
    /// The grant of a user for a client.
    pair: usize,
    scopes: Scopes,
    code: String,
    code_is_known: bool,
    is_exchanged: bool,
    is_alive: bool,
    refresh_tokens: Vec<String>,
    /// Seconds since the last two rotations.
    rotated_ago: u64,
    rotated_before_ago: u64,
    access_tokens: Vec<(String, Scopes)>,
}

struct Model<'a> {
    /// Pairs of user and client. Pairs 0 and 1 have the same client.
    pairs: Vec<Granted<'a>>,
    random: Random,
    on_narrow: OnNarrow,
    ceilings: [Scopes; 2],
    grants: Vec<Option<Scopes>>,
    chains: Vec<Chain>,
}

const fn client_of(pair: usize) -> usize {
    pair / 2
}

fn words(scopes: &Scopes) -> String {
    scopes.iter().copied().collect::<Vec<_>>().join(" ")
}

fn error(answer: &Answer) -> Value {
    assert_eq!(answer.status, 400, "{}", answer.text);
    answer.json()["error"].clone()
}

impl Model<'_> {
    fn below(&self, bound: usize) -> usize {
        usize::try_from(u64::from_le_bytes(self.random.bytes()) % bound as u64).expect("is small")
    }

    fn some_scopes(&self) -> Scopes {
        let mut scopes: Scopes = SCOPES.into_iter().filter(|_| self.below(2) == 0).collect();
        if self.on_narrow == OnNarrow::NarrowGrants {
            scopes.insert(SCOPES[0]);
        }
        scopes
    }

    async fn step(&mut self) {
        match self.below(16) {
            0..=2 => self.approve().await,
            3..=6 => self.exchange().await,
            7..=11 => self.refresh().await,
            12 => self.revoke().await,
            13 | 14 => self.restrict().await,
            _ => self.wait(),
        }
    }

    async fn approve(&mut self) {
        let pair = self.below(self.pairs.len());
        let mut asked = self.some_scopes();
        asked.insert(SCOPES[self.below(SCOPES.len())]);
        let given: Scopes = asked.intersection(&self.ceilings[client_of(pair)]).copied().collect();

        let approved = self.pairs[pair].approve(&asks(&words(&asked), &[MCP])).await;

        assert_eq!(approved.is_ok(), !given.is_empty(), "{approved:?}");
        let Ok(code) = approved else { return };
        self.grants[pair].get_or_insert_default().extend(&given);
        self.chains.push(Chain {
            pair,
            scopes: given,
            code,
            code_is_known: true,
            is_exchanged: false,
            is_alive: true,
            refresh_tokens: Vec::new(),
            rotated_ago: u64::MAX,
            rotated_before_ago: u64::MAX,
            access_tokens: Vec::new(),
        });
    }

    async fn exchange(&mut self) {
        if self.chains.is_empty() {
            return;
        }
        // Unused codes are more likely than used ones.
        let waiting: Vec<_> =
            (0..self.chains.len()).filter(|index| !self.chains[*index].is_exchanged).collect();
        let index = match waiting.as_slice() {
            [.., newest] if self.below(4) > 0 => *newest,
            _ => self.below(self.chains.len()),
        };
        let chain = &mut self.chains[index];
        let answer = self.pairs[chain.pair].exchanged(&chain.code).await;
        if chain.is_exchanged || !chain.is_alive {
            assert_eq!(error(&answer), json!("invalid_grant"));
            chain.is_alive &= !(chain.is_exchanged && chain.code_is_known);
            return;
        }
        let tokens = Tokens::of(&answer);
        chain.is_exchanged = true;
        chain.refresh_tokens.push(tokens.refresh);
        chain.access_tokens.push((tokens.access, chain.scopes.clone()));
    }

    fn exchanged(&self) -> Vec<usize> {
        (0..self.chains.len()).filter(|index| self.chains[*index].is_exchanged).collect()
    }

    async fn refresh(&mut self) {
        let exchanged = self.exchanged();
        if exchanged.is_empty() {
            return;
        }
        let index = exchanged[self.below(exchanged.len())];
        let (choice, narrower) = (self.below(10), self.some_scopes());
        let chain = &mut self.chains[index];
        let newest = chain.refresh_tokens.len() - 1;
        let age = if choice < 7 { 0 } else { newest.min(choice - 6) };
        let presented = chain.refresh_tokens[newest - age].clone();
        let asked = if choice % 3 == 0 { narrower } else { Scopes::new() };

        let answer =
            self.pairs[chain.pair].refreshed_with(&presented, &[("scope", &words(&asked))]).await;

        // The previous token is unused, so its retry is answered for an hour. The successor of the
        // one before was used, so its retry is answered only within the grace time.
        let is_too_late = age == 1 && chain.rotated_ago > REPEAT;
        let is_reuse = age > 2 || age == 2 && chain.rotated_before_ago > GRACE;
        if !chain.is_alive || is_too_late || is_reuse {
            assert_eq!(error(&answer), json!("invalid_grant"));
            chain.is_alive &= !is_reuse;
            return;
        }
        let wanted = if asked.is_empty() { &chain.scopes } else { &asked };
        let given: Scopes =
            wanted.intersection(&self.ceilings[client_of(chain.pair)]).copied().collect();
        if !wanted.is_subset(&chain.scopes) || given.is_empty() {
            let code = if asked.is_empty() { "invalid_grant" } else { "invalid_scope" };
            assert_eq!(error(&answer), json!(code));
            return;
        }
        let tokens = Tokens::of(&answer);
        if age == 0 {
            assert!(!chain.refresh_tokens.contains(&tokens.refresh), "a new one");
            chain.refresh_tokens.push(tokens.refresh);
            chain.rotated_before_ago = chain.rotated_ago;
            chain.rotated_ago = 0;
        } else {
            assert_eq!(
                tokens.refresh,
                chain.refresh_tokens[newest - age + 1],
                "the successor again"
            );
        }
        chain.access_tokens.push((tokens.access, given));
    }

    async fn revoke(&mut self) {
        let exchanged = self.exchanged();
        if exchanged.is_empty() {
            return;
        }
        let index = exchanged[self.below(exchanged.len())];
        let (kind, place, pair) = (self.below(2), self.below(100), self.below(self.pairs.len()));
        let chain = &mut self.chains[index];
        let token = match kind {
            0 => &chain.refresh_tokens[place % chain.refresh_tokens.len()],
            _ => &chain.access_tokens[place % chain.access_tokens.len()].0,
        };

        // Sometimes, another client sends it.
        assert_eq!(self.pairs[pair].revoked(token).await.status, 200);

        chain.is_alive &= client_of(pair) != client_of(chain.pair);
    }

    async fn restrict(&mut self) {
        let pair = self.below(self.pairs.len());
        let client = client_of(pair);
        let (lifts, mut after) = (self.below(4) == 0, self.some_scopes());
        let granted = &self.pairs[pair];
        if lifts {
            after = SCOPES.into_iter().collect();
            // Restricts a client in the organization of the first user, who is its operator.
            assert_eq!(
                self.pairs[0].operator.delete(&restriction_path(&granted.client_id)).await.status,
                204
            );
        } else {
            let lists: Vec<_> = after.iter().copied().collect();
            let answer = self.pairs[0].operator.restrict(&granted.client_id, &lists, &[]).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        let removed: Scopes = self.ceilings[client].difference(&after).copied().collect();
        self.ceilings[client] = after;
        for pair in (0..self.pairs.len()).filter(|pair| client_of(*pair) == client) {
            self.take(pair, &removed);
        }
    }

    /// The effect of a narrower restriction on the grant of one user.
    fn take(&mut self, pair: usize, removed: &Scopes) {
        let Some(scopes) = self.grants[pair].as_mut().filter(|scopes| !scopes.is_disjoint(removed))
        else {
            return;
        };
        let chains = self.chains.iter_mut().filter(|chain| chain.pair == pair);
        match self.on_narrow {
            OnNarrow::Revoke => {
                self.grants[pair] = None;
                for chain in chains {
                    (chain.is_alive, chain.code_is_known) = (false, false);
                }
            }
            OnNarrow::NarrowGrants => {
                scopes.retain(|scope| !removed.contains(scope));
                let is_left = !scopes.is_empty();
                for chain in chains {
                    // Unused codes become invalid. A second use of the others is still detected.
                    chain.is_alive &= chain.is_exchanged && is_left;
                    chain.code_is_known &= chain.is_exchanged && is_left;
                    if chain.is_alive {
                        chain.scopes.retain(|scope| !removed.contains(scope));
                    }
                }
                if !is_left {
                    self.grants[pair] = None;
                }
            }
        }
    }

    /// Longer than the grace time, and sometimes longer than the time to repeat a response.
    fn wait(&mut self) {
        let seconds = if self.below(4) == 0 { REPEAT + 1 } else { GRACE + 1 };
        self.pairs[0].app.clock.advance(Duration::from_secs(seconds));
        for chain in &mut self.chains {
            for ago in [&mut chain.rotated_ago, &mut chain.rotated_before_ago] {
                *ago = ago.saturating_add(seconds);
            }
        }
    }

    async fn check(&self, chain: &Chain, token: &str, scopes: &Scopes) {
        let response = self.pairs[chain.pair].introspected(token).await;
        if !chain.is_alive {
            assert_eq!(response, json!({"active": false}));
            return;
        }
        let expected: Scopes = scopes.intersection(&chain.scopes).copied().collect();
        assert_eq!(
            (&response["active"], &response["scope"]),
            (&json!(true), &json!(words(&expected))),
            "{response}"
        );
    }

    async fn check_some(&self) {
        let exchanged = self.exchanged();
        for _ in 0..exchanged.len().min(6) {
            let chain = &self.chains[exchanged[self.below(exchanged.len())]];
            let (token, scopes) = &chain.access_tokens[self.below(chain.access_tokens.len())];
            self.check(chain, token, scopes).await;
        }
    }

    async fn check_all(&self) {
        for chain in &self.chains {
            for (token, scopes) in &chain.access_tokens {
                self.check(chain, token, scopes).await;
            }
        }
    }
}

/// The numbers of exchanged, active and all families.
type Counts = (usize, usize, usize);

async fn run(engine: Engine, on_narrow: OnNarrow, seed: u64) -> Counts {
    let setting = if on_narrow == OnNarrow::Revoke { "revoke" } else { "narrow_grants" };
    // Nothing expires, because every token is checked until the end.
    let settings = [
        ("restriction.on_narrow", setting),
        ("tokens.code_ttl", "600"),
        ("tokens.access_ttl", "86400"),
        ("tokens.refresh_repeat", "60"),
        ("limits.token_per_minute", "0"),
    ];
    let app = TestApp::with(engine, &settings).await;
    let first = Granted::new(&app).await;
    let second = first.another_user("eve@acme.example").await;
    let (third, mut fourth) = (first.another_client("Another").await, second.on(&app));
    fourth.client_id = third.client_id.clone();
    let everything: Scopes = SCOPES.into_iter().collect();
    let mut model = Model {
        pairs: vec![first, second, third, fourth],
        random: Random::seeded(seed),
        on_narrow,
        ceilings: [everything.clone(), everything],
        grants: vec![None; 4],
        chains: Vec::new(),
    };
    for step in 0..STEPS {
        model.step().await;
        model.check_some().await;
        if step % 40 == 0 {
            model.check_all().await;
        }
    }
    model.check_all().await;
    (
        model.exchanged().len(),
        model.chains.iter().filter(|chain| chain.is_alive).count(),
        model.chains.len(),
    )
}

async fn run_all(engine: Engine, on_narrow: OnNarrow) {
    let mut sum = (0, 0, 0);
    for seed in 1..=3 {
        let (exchanged, alive, chains) = run(engine, on_narrow, seed).await;
        sum = (sum.0 + exchanged, sum.1 + alive, sum.2 + chains);
    }
    let (exchanged, alive, chains) = sum;
    assert!(
        exchanged > 30 && alive > 0 && alive < chains,
        "the steps reach every state: {exchanged} {alive} {chains}"
    );
}

on_both! {
    async fn introspection_agrees_with_the_model_if_grants_end(engine: Engine) {
        run_all(engine, OnNarrow::Revoke).await;
    }

    async fn introspection_agrees_with_the_model_if_grants_are_narrowed(engine: Engine) {
        run_all(engine, OnNarrow::NarrowGrants).await;
    }
}
