-- Version 1 of the store's tables. They hold facts; views.sql has the views that reports, `harness query` and users rely on.
-- A value that is not a finite number never enters: DuckDB would call NaN greater than every limit.
-- No foreign keys: DuckDB checks them before a transaction ends, so rows replaced together could not have them.
create table experiments (
    experiment_id varchar primary key,           -- sha256 of the frozen file and everything it points at
    name varchar not null,
    file varchar not null,
    frozen json not null,
    created_at timestamp not null default current_timestamp
);

create table stages (                            -- which stages of an experiment are finished, and how long they took
    experiment_id varchar not null,
    stage varchar not null,
    seconds double not null check (isfinite(seconds)),
    finished_at timestamp not null default current_timestamp,
    primary key (experiment_id, stage)
);

create table findings (
    experiment_id varchar not null,
    position integer not null,
    level varchar not null check (level in ('block', 'warn', 'info')),
    check_name varchar not null,
    message varchar not null,
    rows varchar[] not null,
    primary key (experiment_id, position)
);

create table suites (
    suite_id varchar primary key,                -- sha256 of examples, prompt, metrics and generation settings
    name varchar not null,
    kind varchar not null check (kind in ('task', 'validation', 'regression')),
    primary_metric varchar not null,
    n integer not null
);

create table examples (
    suite_id varchar not null,
    example_id varchar not null,
    cluster_id varchar not null,
    input varchar not null,
    target varchar not null,
    slices json not null,
    primary key (suite_id, example_id)
);

create table completions (
    completion_id varchar primary key,           -- sha256 of weights, adapter, template, engine, dtype, prompt, settings
    prompt varchar not null,
    text varchar not null,
    finish varchar not null check (finish in ('stop', 'length', 'error')),
    tokens_in integer not null,
    tokens_out integer not null,
    seconds double not null check (isfinite(seconds)),
    error varchar
);

create table runs (                              -- one arm on one suite with one seed
    run_id varchar primary key,
    suite_id varchar not null,
    arm varchar not null,
    prompter_id varchar not null,
    model_name varchar not null,
    identity json not null,
    generation json not null,
    seed integer not null,
    n integer not null,
    n_errors integer not null,
    digest varchar not null,                     -- of ids and answers; compared on open, so that lost rows are noticed
    seconds double not null check (isfinite(seconds)),
    created_at timestamp not null default current_timestamp
);

create table answers (
    run_id varchar not null,
    example_id varchar not null,
    completion_id varchar not null,
    primary key (run_id, example_id)
);

create table scores (
    run_id varchar not null,
    example_id varchar not null,
    metric varchar not null,
    value double check (isfinite(value) and value between 0 and 1),
    reason varchar not null,
    check (value is not null or reason <> ''),
    primary key (run_id, example_id, metric)
);

create table arms (                              -- a run in its place in an experiment, with its summary
    experiment_id varchar not null,
    run_id varchar not null,
    side varchar not null check (side in ('base', 'candidate')),
    arm varchar not null,
    chosen boolean not null,                     -- the best prompt of its side, chosen on validation
    metric varchar not null,
    n integer not null,
    n_unscored integer not null,
    mean double check (isfinite(mean)),
    low double check (isfinite(low)),
    high double check (isfinite(high)),
    primary key (experiment_id, run_id, side, metric)
);

create table training (
    training_id varchar primary key,             -- sha256 of base weights, settings, rows, prompt and seed
    method varchar not null,
    config json not null,
    folder varchar not null,
    seconds double not null check (isfinite(seconds)),
    steps integer not null,
    trained_parameters bigint not null,
    n_rows integer not null,
    created_at timestamp not null default current_timestamp
);

create table training_log (
    training_id varchar not null,
    step integer not null,
    name varchar not null,
    value double not null check (isfinite(value)),
    primary key (training_id, step, name)
);

create table experiment_training (
    experiment_id varchar primary key,
    training_id varchar not null
);

create table verdicts (                          -- a judge's word on one pair in one order; null grade: unreadable
    experiment_id varchar not null,
    purpose varchar not null check (purpose in ('exam', 'calibration')),
    example_id varchar not null,
    candidate_first boolean not null,
    grade varchar check (grade in ('first', 'second', 'tie')),
    raw varchar not null,
    rubric varchar not null,
    judge json not null,
    label varchar check (label in ('first', 'second', 'tie')),  -- what people said (calibration only)
    primary key (experiment_id, purpose, example_id, candidate_first)
);

create table evidence (                          -- measured facts the gates rest on: how far the judge can be trusted,
    experiment_id varchar not null,              -- what the adapter changes, what went wrong in training
    topic varchar not null check (topic in ('judge', 'candidate', 'trouble')),
    name varchar not null,
    value double check (isfinite(value)),
    low double check (isfinite(low)),
    high double check (isfinite(high)),
    n integer not null,
    note varchar not null,
    primary key (experiment_id, topic, name)
);

create table comparisons (
    experiment_id varchar not null,
    position integer not null,
    suite varchar not null,
    kind varchar not null check (kind in ('task', 'metric', 'slice', 'regression', 'judge')),
    metric varchar not null,
    slice varchar not null,
    baseline_arm varchar not null,
    candidate_arm varchar not null,
    n integer not null,
    n_clusters integer not null,
    n_unscored integer not null,
    baseline double check (isfinite(baseline)),
    candidate double check (isfinite(candidate)),
    difference double check (isfinite(difference)),
    low double check (isfinite(low)),
    high double check (isfinite(high)),
    confidence double not null,
    p_value double check (isfinite(p_value)),
    margin double not null,                      -- min_gain for the task, the tolerated loss for everything else
    method varchar not null,
    primary key (experiment_id, position)
);

create table gates (
    experiment_id varchar not null,
    position integer not null,
    kind varchar not null check (kind in ('validity', 'gain', 'harm')),
    name varchar not null,
    rule varchar not null,
    measured varchar not null,
    status varchar not null check (status in ('pass', 'fail', 'unknown')),
    primary key (experiment_id, position)
);

create table decisions (
    experiment_id varchar primary key,
    verdict varchar not null check (verdict in ('invalid', 'reject', 'keep_prompting', 'inconclusive', 'deploy')),
    exit_code integer not null,
    headline varchar not null,
    reason varchar not null,
    next_step varchar not null,
    facts json not null,                         -- seed, versions, hardware, seconds: what it takes to do it again
    created_at timestamp not null default current_timestamp
);
