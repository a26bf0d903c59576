-- The store, version 1. Tables hold facts; the views named v_* are what reports, `harness query` and users rely on.
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

create view v_experiments as
    select e.experiment_id, e.name, e.file, e.created_at, d.verdict, d.exit_code, d.headline
    from experiments e left join decisions d using (experiment_id);

create view v_runs as
    select a.experiment_id, e.name as experiment, a.side, a.arm, a.chosen, s.name as suite, s.kind, a.metric,
        a.metric = s.primary_metric as is_primary, a.n, a.n_unscored, a.mean, a.low, a.high, r.n_errors, r.model_name,
        r.seed, r.seconds, r.created_at, a.run_id, r.suite_id
    from arms a join experiments e using (experiment_id) join runs r using (run_id)
        join suites s on s.suite_id = r.suite_id;

create view v_scores as
    select sc.run_id, r.arm, s.name as suite, s.kind, sc.example_id, x.cluster_id, x.slices, sc.metric, sc.value, sc.reason
    from scores sc join runs r using (run_id) join suites s on s.suite_id = r.suite_id
        join examples x on x.suite_id = r.suite_id and x.example_id = sc.example_id;

create view v_completions as
    select n.run_id, r.arm, s.name as suite, s.kind, n.example_id, x.input, x.target, c.prompt, c.text, c.finish,
        c.tokens_in, c.tokens_out, c.seconds, c.error
    from answers n join runs r using (run_id) join suites s on s.suite_id = r.suite_id
        join completions c using (completion_id)
        join examples x on x.suite_id = r.suite_id and x.example_id = n.example_id;

create view v_costs as
    select run_id, count(*) as n, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out, sum(seconds) as seconds,
        avg(tokens_in) as mean_tokens_in, avg(tokens_out) as mean_tokens_out,
        quantile_cont(seconds, 0.95) as p95_seconds, avg((finish = 'length')::int) as length_share
    from v_completions where error is null group by run_id;

create view v_training as
    select x.experiment_id, t.*, l.step, l.name, l.value
    from experiment_training x join training t using (training_id) left join training_log l using (training_id);

create view v_findings as select * from findings;
create view v_verdicts as select * from verdicts;
create view v_evidence as select * from evidence;
create view v_comparisons as select * from comparisons;
create view v_gates as select * from gates;
create view v_stages as select * from stages;

create view v_decisions as
    select d.*, e.name, e.file, e.frozen,
        (select count(distinct other.experiment_id)
            from v_runs mine join v_runs other on other.suite_id = mine.suite_id
                join decisions decided on decided.experiment_id = other.experiment_id
            where mine.experiment_id = d.experiment_id and mine.kind = 'task') as test_set_looks
    from decisions d join experiments e using (experiment_id);

create view v_flips as                           -- test examples that the candidate answers better or worse
    select b.experiment_id, b.metric, x.example_id, x.input, x.target, x.slices,
        before.value as baseline_value, after.value as candidate_value,
        was.text as baseline_text, became.text as candidate_text
    from v_runs b
        join v_runs c on c.experiment_id = b.experiment_id and c.suite_id = b.suite_id and c.metric = b.metric
        join scores before on before.run_id = b.run_id and before.metric = b.metric
        join scores after on after.run_id = c.run_id and after.metric = b.metric and after.example_id = before.example_id
        join examples x on x.suite_id = b.suite_id and x.example_id = before.example_id
        join answers ab on ab.run_id = b.run_id and ab.example_id = x.example_id
        join completions was on was.completion_id = ab.completion_id
        join answers ac on ac.run_id = c.run_id and ac.example_id = x.example_id
        join completions became on became.completion_id = ac.completion_id
    where b.side = 'base' and c.side = 'candidate' and b.kind = 'task' and b.chosen and c.chosen and b.is_primary
        and before.value <> after.value;
