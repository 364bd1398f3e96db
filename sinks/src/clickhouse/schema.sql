-- What the sink makes in ClickHouse, in the order of its versions. Each statement may run twice, and beside another
-- collector's. The sink fills in what stands in braces; with `cluster`, it adds `ON CLUSTER` and a replicated engine.

-- version 1
CREATE DATABASE IF NOT EXISTS {database}{on_cluster};

-- One row for each revision of an event: of those with the same `event_id`, the highest `revision` holds.
-- Everything in the sorting key stays the same when a cost is corrected.
CREATE TABLE IF NOT EXISTS {events}{on_cluster}
(
    event_id UUID,
    revision UInt32 CODEC(ZSTD(1)),
    source LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    call_id String CODEC(ZSTD(1)),
    response_id String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    parent_span_id String CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    start_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    end_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    first_token_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    call_type LowCardinality(String),
    status LowCardinality(String),
    outcome LowCardinality(String),
    error_code LowCardinality(String),
    error_class LowCardinality(String),
    stream Bool,
    cache_hit Bool,
    provider LowCardinality(String),
    model LowCardinality(String),
    model_group LowCardinality(String),
    response_model LowCardinality(String),
    model_id LowCardinality(String),
    api_base LowCardinality(String),
    organization_id LowCardinality(String),
    team_id LowCardinality(String),
    team_alias LowCardinality(String),
    project_id LowCardinality(String),
    key_hash LowCardinality(String),
    key_alias LowCardinality(String),
    user_id String CODEC(ZSTD(1)),
    end_user String CODEC(ZSTD(1)),
    tags Array(LowCardinality(String)) CODEC(ZSTD(1)),
    prompt_tokens UInt64 CODEC(T64, ZSTD(1)),
    completion_tokens UInt64 CODEC(T64, ZSTD(1)),
    total_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_read_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_write_tokens UInt64 CODEC(T64, ZSTD(1)),
    reasoning_tokens UInt64 CODEC(T64, ZSTD(1)),
    -- `NULL` is a cost that nobody knows; 0 is a call that cost nothing.
    cost_status LowCardinality(String),
    cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    input_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    output_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    saved_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    price_map LowCardinality(String),
    price_entry LowCardinality(String),
    -- How the cost comes about: an array of class, quantity, unit_price, amount and key.
    cost_items String CODEC(ZSTD(1)),
    -- What people wrote goes before the money does.
    metadata String CODEC(ZSTD(3)) TTL toDateTime(start_time) + INTERVAL {content_days} DAY,
    parameters String CODEC(ZSTD(3)) TTL toDateTime(start_time) + INTERVAL {content_days} DAY,
    messages String CODEC(ZSTD(3)) TTL toDateTime(start_time) + INTERVAL {content_days} DAY,
    response String CODEC(ZSTD(3)) TTL toDateTime(start_time) + INTERVAL {content_days} DAY,
    error_message String CODEC(ZSTD(3)) TTL toDateTime(start_time) + INTERVAL {content_days} DAY,
    INDEX ix_event event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX ix_call call_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX ix_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX ix_session session_id TYPE bloom_filter(0.01) GRANULARITY 2,
    INDEX ix_user user_id TYPE bloom_filter(0.01) GRANULARITY 2,
    INDEX ix_tags tags TYPE bloom_filter(0.01) GRANULARITY 2
)
ENGINE = {replicated}ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start_time)
PRIMARY KEY (toStartOfHour(start_time), team_id, model)
ORDER BY (toStartOfHour(start_time), team_id, model, start_time, event_id)
{rows_ttl}SETTINGS {window} = 10000, index_granularity_bytes = 33554432;

-- What people ask: every event once, as it was corrected last.
CREATE VIEW IF NOT EXISTS {calls}{on_cluster} AS
SELECT * FROM {events} FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE TABLE IF NOT EXISTS {versions}{on_cluster} (version UInt32, applied_at DateTime('UTC') DEFAULT now())
ENGINE = {replicated}ReplacingMergeTree ORDER BY version;

INSERT INTO {versions} (version) VALUES (1);
