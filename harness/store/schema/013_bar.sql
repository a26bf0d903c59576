-- Version 13: every prompt of the bar is compared with the candidate, rules about a loss know what could be lost, and
-- what a reader should mind is kept beside the rules. DuckDB cannot change a check, so both tables are made anew.
create table comparisons_13 (
    experiment_id varchar not null,
    position integer not null,
    suite varchar not null,
    kind varchar not null check (kind in ('task', 'prompt', 'metric', 'slice', 'regression', 'judge')),
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
    margin double not null,                      -- min_gain for the task, 0 for another prompt, else the tolerated loss
    method varchar not null,
    tier varchar default 'critical',
    relative boolean default false,              -- difference, low, high and margin: shares of the baseline
    sd double,                                   -- of the differences between the two sides
    detectable double,                           -- smallest true difference this exam tells from none
    floor double check (isfinite(floor)),        -- what knowing nothing scores there; null: not known
    primary key (experiment_id, position)
);
insert into comparisons_13 by name select * from comparisons;
drop table comparisons;
alter table comparisons_13 rename to comparisons;

create table gates_13 (
    experiment_id varchar not null,
    position integer not null,
    kind varchar not null check (kind in ('validity', 'gain', 'harm', 'budget', 'caution')),
    tier varchar not null check (tier in ('critical', 'supporting', 'advisory')),
    name varchar not null,
    rule varchar not null,
    measured varchar not null,
    status varchar not null check (status in ('pass', 'fail', 'unknown')),
    gate_id varchar,
    threshold double,                            -- the number of the rule, in its unit
    unit varchar,                                -- score, relative, share, p, count, logit, s, or a currency's code
    value double,
    low double,
    high double,
    n integer,
    comparison integer,                          -- position of the comparison it rests on
    primary key (experiment_id, position)
);
insert into gates_13 by name select * from gates;
drop table gates;
alter table gates_13 rename to gates;
