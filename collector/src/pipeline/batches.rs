//! With which event a batch is billed: the first that knows what it consumed. Decided before the
//! event is priced, from the books and from what of this intake is not in them yet.
//!
//! Who created the batch pays, if the books know; else who asked. An event that saw the batch ended
//! and could not know what it consumed stands for it without a price, until one comes that can: then
//! it is corrected to nothing.

use std::collections::HashMap;

use event::{
    Batch, BatchStage, Cost, EventId, Json, Origin, PricedEvent, StandardLoggingPayload, Usage,
    UsageSource,
};

use crate::{
    books::{self, BatchStanding, Books, BooksError, Entry},
    clock, price,
    reprice::stored,
};

/// A call that saw a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// In the books: the number of its row.
    Row(i64),
    /// Its place among the events of this intake.
    Here(usize),
}

/// What the events of this intake tell of batches, by account and name.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<(String, String), BatchStanding<Seen>>);

/// What one event tells, to be entered once it is sure to be settled.
#[derive(Debug, Default)]
pub(super) struct Claim {
    account: String,
    names: Vec<String>,
    standing: BatchStanding<Seen>,
    /// Whether it is the event itself that created the batch, or bills it.
    creates: bool,
    bills: bool,
    /// The event that stood for the batch until now, corrected. It comes first in the log: the event
    /// that follows it may be lost in a crash, and is then read again.
    pub(super) correction: Option<PricedEvent>,
}

impl Claims {
    /// Enters a claim of the event at `place`, which is `event`.
    pub(super) fn enter(&mut self, claim: Claim, place: usize, event: &PricedEvent) {
        let mut standing = claim.standing;
        let ours = event.payload().tollkeeper.as_deref();
        let batch = ours.and_then(|ours| ours.batch.as_deref());
        let this = Some(Seen::Here(place));
        if claim.creates {
            standing.creator = this;
        }
        if claim.bills {
            standing.holder = this;
            standing.knew = batch.map_or(standing.knew, |batch| books::knew(batch, event.cost()));
        }
        for name in claim.names {
            self.0.insert((claim.account.clone(), name), standing);
        }
    }
}

/// What is known of batches.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) books: &'a Books,
    pub(super) claims: &'a Claims,
    /// The events of this intake.
    pub(super) events: &'a [Entry],
}

impl Known<'_> {
    /// Decides who pays for the batch that a call tells of, and notes it in the call; `None` if it
    /// tells of none.
    pub(super) async fn claim(
        &self,
        payload: &mut StandardLoggingPayload,
        origin: &Origin,
    ) -> Result<Option<Claim>, BooksError> {
        let ours = payload.tollkeeper.as_mut();
        let Some(mut batch) = ours.and_then(|ours| ours.batch.take()) else {
            return Ok(None);
        };
        let account = books::account(payload);
        let standing = self.standing(&account, &batch.names).await?;
        let mut claim = Claim {
            names: batch.names.clone(),
            account,
            standing,
            ..Claim::default()
        };
        if batch.stage == BatchStage::Created {
            claim.creates = standing.creator.is_none();
        } else {
            match standing.holder {
                Some(holder) if standing.knew >= batch.tells() => {
                    batch.billed_with = Some(self.event_of(holder).await?);
                }
                holder => {
                    claim.bills = true;
                    if let Some(holder) = holder {
                        claim.correction = self.released(holder, EventId::of(origin)).await?;
                    }
                    if let Some(creator) = standing.creator {
                        self.charge(payload, &mut batch, creator).await?;
                    }
                    describe(payload, &batch);
                }
            }
        }
        payload.tollkeeper.get_or_insert_default().batch = Some(batch);
        Ok(Some(claim))
    }

    async fn standing(
        &self,
        account: &str,
        names: &[String],
    ) -> Result<BatchStanding<Seen>, BooksError> {
        let settled = self.books.batch(account, names).await?;
        let settled = BatchStanding {
            creator: settled.creator.map(Seen::Row),
            holder: settled.holder.map(Seen::Row),
            knew: settled.knew,
        };
        let at = |name: &String| self.claims.0.get(&(account.to_owned(), name.clone()));
        // What has been claimed since comes first.
        let claimed = names.iter().filter_map(at).copied();
        let claimed = claimed.reduce(BatchStanding::or).unwrap_or_default();
        Ok(claimed.or(settled))
    }

    async fn event_of(&self, seen: Seen) -> Result<EventId, BooksError> {
        match seen {
            Seen::Row(number) => self.books.event_of(number).await,
            Seen::Here(place) => self
                .events
                .get(place)
                .map(|entry| entry.event.id())
                .ok_or(BooksError::OutOfRange),
        }
    }

    /// The event that stood for a batch without knowing its cost, at its next revision, which costs
    /// nothing. `None` if it has gone from the books, or has a cost already.
    async fn released(&self, holder: Seen, by: EventId) -> Result<Option<PricedEvent>, BooksError> {
        let event = match holder {
            Seen::Here(place) => self.events.get(place).map(|entry| entry.event.clone()),
            Seen::Row(number) => match self.books.row(number).await? {
                Some(row) => stored::payload(&row)
                    .and_then(|payload| stored::event(row, payload))
                    .ok(),
                None => None,
            },
        };
        let event = event.filter(|event| event.cost().total.is_none());
        Ok(event.map(|event| {
            let reason = format!("the batch is billed with event {by}");
            let cost = Cost {
                reason: Some(reason.clone()),
                ..Cost::nothing(&event.cost().price_map)
            };
            event.corrected(cost, clock::now(), &reason)
        }))
    }

    /// Has who created the batch pay for it.
    async fn charge(
        &self,
        payload: &mut StandardLoggingPayload,
        batch: &mut Batch,
        creator: Seen,
    ) -> Result<(), BooksError> {
        let created = match creator {
            Seen::Here(place) => self
                .events
                .get(place)
                .map(|entry| entry.event.payload().clone()),
            Seen::Row(number) => {
                let row = self.books.row(number).await?;
                row.and_then(|row| stored::payload(&row).ok())
            }
        };
        if let Some(created) = created {
            pay(payload, batch, created);
        }
        Ok(())
    }
}

fn pay(payload: &mut StandardLoggingPayload, batch: &mut Batch, created: StandardLoggingPayload) {
    let of = created.metadata;
    let metadata = &mut payload.metadata;
    if metadata.user_api_key_hash != of.user_api_key_hash {
        batch.asked_by.clone_from(&metadata.user_api_key_hash);
    }
    *metadata = event::Metadata {
        user_api_key_hash: of.user_api_key_hash,
        user_api_key_alias: of.user_api_key_alias,
        user_api_key_user_id: of.user_api_key_user_id,
        user_api_key_team_id: of.user_api_key_team_id,
        user_api_key_team_alias: of.user_api_key_team_alias,
        user_api_key_org_id: of.user_api_key_org_id,
        user_api_key_project_id: of.user_api_key_project_id,
        user_api_key_end_user_id: created.end_user.clone(),
        team_id: of.team_id,
        team_alias: of.team_alias,
        user_api_key_request_route: metadata.user_api_key_request_route.take(),
        spend_logs_metadata: std::mem::take(&mut metadata.spend_logs_metadata),
        requester_ip_address: metadata.requester_ip_address.take(),
        user_agent: metadata.user_agent.take(),
        requester_metadata: std::mem::take(&mut metadata.requester_metadata),
        requester_custom_headers: std::mem::take(&mut metadata.requester_custom_headers),
        usage_object: std::mem::take(&mut metadata.usage_object),
        ..event::Metadata::default()
    };
    payload.end_user = created.end_user;
    payload.request_tags = created.request_tags;
}

/// Says in LiteLLM's fields what the batch consumed, and of which models.
fn describe(payload: &mut StandardLoggingPayload, batch: &Batch) {
    let mut usage = Usage::default();
    let mut models: Vec<String> = Vec::new();
    for part in &batch.parts {
        usage.add(part.usage.clone());
        let model = price::qualified(payload.custom_llm_provider.as_deref(), &part.model);
        if !models.contains(&model) {
            models.push(model);
        }
    }
    if models.is_empty() {
        return;
    }
    payload.prompt_tokens = usage.prompt_tokens;
    payload.completion_tokens = usage.completion_tokens;
    payload.total_tokens = usage.total_tokens;
    payload.metadata.usage_object = Json::of(&usage);
    payload.hidden_params.batch_models = Json::of(&models);
    payload.tollkeeper.get_or_insert_default().usage_source = UsageSource::Provider;
    if let [model] = &mut *models {
        payload.model = std::mem::take(model);
    }
}
