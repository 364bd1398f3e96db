//! The tables of keys, users, teams and whoever else calls and pays.

/// The entities. `fields` holds one as JSON, under LiteLLM's names; the columns beside it, made of
/// it by SQLite, are what it is looked up by. Rows are numbered in the order they came.
pub(super) const V4: &str = "
CREATE TABLE keys (
    -- The SHA-256 of the key as it was when it was made: its spend is counted under it for ever.
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    -- The SHA-256 that it is known by now, and the one before it.
    hash TEXT AS (fields ->> 'hash'),
    previous_hash TEXT AS (fields ->> 'previous_hash'),
    key_alias TEXT AS (fields ->> 'key_alias'),
    user_id TEXT AS (fields ->> 'user_id'),
    team_id TEXT AS (fields ->> 'team_id'),
    organization_id TEXT AS (fields ->> 'organization_id'),
    budget_id TEXT AS (fields ->> 'budget_id')
) STRICT;
CREATE UNIQUE INDEX keys_by_hash ON keys (hash);
CREATE INDEX keys_by_previous ON keys (previous_hash) WHERE previous_hash IS NOT NULL;
CREATE UNIQUE INDEX keys_by_alias ON keys (key_alias) WHERE key_alias IS NOT NULL;
CREATE INDEX keys_by_user ON keys (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX keys_by_team ON keys (team_id) WHERE team_id IS NOT NULL;
CREATE INDEX keys_by_organization ON keys (organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX keys_by_budget ON keys (budget_id) WHERE budget_id IS NOT NULL;

CREATE TABLE users (
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    user_email TEXT AS (fields ->> 'user_email'),
    user_role TEXT AS (fields ->> 'user_role')
) STRICT;
CREATE UNIQUE INDEX users_by_email ON users (user_email) WHERE user_email IS NOT NULL;

CREATE TABLE teams (
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    team_alias TEXT AS (fields ->> 'team_alias'),
    organization_id TEXT AS (fields ->> 'organization_id')
) STRICT;
CREATE INDEX teams_by_organization ON teams (organization_id) WHERE organization_id IS NOT NULL;

CREATE TABLE team_members (
    -- `[team, user]`.
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    team_id TEXT NOT NULL AS (fields ->> 'team_id'),
    user_id TEXT NOT NULL AS (fields ->> 'user_id'),
    budget_id TEXT AS (fields ->> 'budget_id')
) STRICT;
CREATE INDEX team_members_by_team ON team_members (team_id);
CREATE INDEX team_members_by_user ON team_members (user_id);
CREATE INDEX team_members_by_budget ON team_members (budget_id) WHERE budget_id IS NOT NULL;

CREATE TABLE organizations (
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    organization_alias TEXT AS (fields ->> 'organization_alias'),
    budget_id TEXT AS (fields ->> 'budget_id')
) STRICT;
CREATE INDEX organizations_by_budget ON organizations (budget_id) WHERE budget_id IS NOT NULL;

CREATE TABLE organization_members (
    -- `[organization, user]`.
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    organization_id TEXT NOT NULL AS (fields ->> 'organization_id'),
    user_id TEXT NOT NULL AS (fields ->> 'user_id')
) STRICT;
CREATE INDEX organization_members_by_organization ON organization_members (organization_id);
CREATE INDEX organization_members_by_user ON organization_members (user_id);

CREATE TABLE end_users (
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    budget_id TEXT AS (fields ->> 'budget_id')
) STRICT;
CREATE INDEX end_users_by_budget ON end_users (budget_id) WHERE budget_id IS NOT NULL;

CREATE TABLE budgets (
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL
) STRICT;

CREATE TABLE tags (
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    budget_id TEXT AS (fields ->> 'budget_id')
) STRICT;
CREATE INDEX tags_by_budget ON tags (budget_id) WHERE budget_id IS NOT NULL;

CREATE TABLE control_version (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- One more with each transaction that changes an entity.
    version INTEGER NOT NULL
) STRICT;
INSERT INTO control_version VALUES (1, 0);

-- Who changed what: a row for each entity that a transaction changed.
CREATE TABLE control_audit (
    number INTEGER PRIMARY KEY,
    -- The version that the transaction led to.
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- The SHA-256 of the key that did it, or `master key`.
    actor TEXT NOT NULL,
    actor_role TEXT NOT NULL,
    -- `created`, `updated`, `deleted`.
    action TEXT NOT NULL,
    -- The table, and the id in it.
    entity TEXT NOT NULL,
    id TEXT NOT NULL,
    -- Its fields.
    was TEXT,
    became TEXT
) STRICT;
CREATE INDEX control_audit_by_version ON control_audit (version);
CREATE INDEX control_audit_by_entity ON control_audit (entity, id);

-- What one entity cost. An entity enters it once a day, so settling hardly feels it.
CREATE INDEX daily_entities_by_id ON daily_entities (kind, id);
";
