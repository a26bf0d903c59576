-- Version 9: what was noticed while a model trained, and further trainings: other seeds, shares of the rows, trials.
alter table training add column best_step integer;      -- whose weights were kept; null: not known
alter table training add column remarks json;           -- sentences, by the alarm they are from
alter table training add column spec json;              -- what the training changed of the base: adapter, folder, address
alter table training add column cost double;            -- as an API charged it

create table repeats (
    experiment_id varchar not null,
    kind varchar not null check (kind in ('seed', 'share', 'trial')),
    position integer not null,
    training_id varchar not null,
    settings json not null,                             -- what is special about this one
    run_id varchar not null,                            -- its exam (seed) or rehearsal on validation (share, trial)
    metric varchar not null,
    n integer not null,
    value double check (isfinite(value)),
    low double check (isfinite(low)),
    high double check (isfinite(high)),
    state varchar not null check (state in ('done', 'pruned', 'failed')),
    primary key (experiment_id, kind, position)
);
